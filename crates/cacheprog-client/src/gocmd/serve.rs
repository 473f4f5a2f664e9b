//! Reads cmd/go's requests and hands them to a cache, until cmd/go is done.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::FrameError;
use proto::gocmd::{BodyError, Command, Requests};

use crate::gocmd::responder::{Answers, NOWHERE};
use crate::gocmd::cache::{Cache, Put};
use crate::local::embedded_store::Embedded;
use crate::environment::Environment;
use crate::daemon::session::Remote;
use crate::local::maintenance::tend;

/// Bytes read from cmd/go at a time, and the largest piece of a body decoded at once.
const BUFFER: usize = 64 << 10;

/// Serves cmd/go from `store`, the daemon or the user's own store, whichever there is first.
pub(crate) fn run(output: File, store: Option<&Path>, environment: &Environment) -> Result<(), FrameError> {
    let answers = Arc::new(Answers::begin(output));
    // A pipe of 64 KiB holds a sixth of a median package; cmd/go writes while we work.
    let _size = rustix::pipe::fcntl_setpipe_size(std::io::stdin(), 1 << 20);
    let requests = Requests::new(BufReader::with_capacity(BUFFER, std::io::stdin().lock()));
    let embedded = store.map(PathBuf::from).or_else(|| match environment.socket {
        Some(_) => None,
        None => environment.store.clone(),
    });
    let served = match (&embedded, &environment.socket) {
        (Some(dir), _) => pump(requests, &answers, Embedded::new(dir, answers.clone(), environment)),
        (None, Some(socket)) => pump(requests, &answers, Remote::start(socket, &answers, environment)),
        // No HOME and no socket: what is left is the temporary directory.
        (None, None) => pump(requests, &answers, Embedded::new(&environment.spool, answers.clone(), environment)),
    };
    answers.end(); // cmd/go goes on
    // A sandbox's spool goes with the sandbox.
    let spool = (!environment.is_sandbox()).then_some(&environment.spool);
    embedded.iter().chain(spool).for_each(|dir| tend(dir, environment));
    served
}

fn pump<R: BufRead>(mut requests: Requests<R>, answers: &Answers, mut cache: impl Cache) -> Result<(), FrameError> {
    while let Some(request) = requests.read()? {
        let id = request.id;
        answers.expect(id);
        let mut body = requests.body(request.body_size);
        match request.command {
            Ok(Command::Get(action)) => {
                if !survives(|| cache.get(id, &action)) {
                    answers.miss(id);
                }
            }
            Ok(Command::Put(action, output)) => {
                let put = Put { action, output, size: request.body_size };
                let mut done = Ok(());
                if !survives(|| done = cache.put(id, put, &mut body)) {
                    done = body.skip();
                    if done.is_ok() {
                        answers.stored(id, NOWHERE);
                    }
                }
                settle(answers, id, done)?;
            }
            Ok(Command::Close) => {
                survives(|| cache.finish());
                answers.closed(id);
                return Ok(());
            }
            Err(error) => {
                answers.error(id, &error.to_string());
                settle(answers, id, body.skip())?;
            }
        }
    }
    survives(|| cache.finish());
    Ok(())
}

/// Whether it came to its end. A fault of ours must neither end this process nor leave cmd/go waiting for an answer; if an
/// answer was sent before, or comes later from another thread, only the first one counts (answers.rs).
fn survives(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_ok()
}

/// Answers what is wrong with a request; only a broken stream ends the session.
fn settle(answers: &Answers, id: i64, done: Result<(), BodyError>) -> Result<(), FrameError> {
    match done {
        Ok(()) => Ok(()),
        Err(BodyError::Abandoned) => {
            answers.forget(id);
            Ok(())
        }
        Err(BodyError::Request(error)) => {
            answers.error(id, &error.to_string());
            Ok(())
        }
        Err(BodyError::Frame(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::ActionId;
    use proto::gocmd::Body;
    use std::io::Read;

    /// A cache full of faults.
    struct Faulty {
        answers: Arc<Answers>,
        answers_first: bool,
    }

    impl Cache for Faulty {
        fn get(&mut self, id: i64, _: &ActionId) {
            if self.answers_first {
                self.answers.miss(id);
            }
            panic!("a get");
        }

        fn put<R: BufRead>(&mut self, id: i64, _: Put, body: &mut Body<'_, R>) -> Result<(), BodyError> {
            body.chunk(&mut [0; 3])?;
            if self.answers_first {
                self.answers.stored(id, "/somewhere");
            }
            panic!("a put, in the middle of its body");
        }

        fn finish(&mut self) {
            panic!("the end");
        }
    }

    #[test]
    fn a_fault_in_the_cache_costs_an_entry_and_each_request_is_answered_once() {
        let id = base64_simd::STANDARD.encode_to_string([1; 32]);
        let put = format!("\"Command\":\"put\",\"ActionID\":\"{id}\",\"OutputID\":\"{id}\",\"BodySize\":9}}\n\n");
        let input = format!(
            "{{\"ID\":1,\"Command\":\"get\",\"ActionID\":\"{id}\"}}\n\n{{\"ID\":2,{put}\"AAAAAAAAAAAA\"\n{{\"ID\":3,{put}\"AAAA{{\"ID\":4,\"Command\":\"close\"}}\n\n"
        );
        for answers_first in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let out = File::create(dir.path().join("out")).unwrap();
            let answers = Arc::new(Answers::begin(out));
            let cache = Faulty { answers: answers.clone(), answers_first };
            pump(Requests::new(input.as_bytes()), &answers, cache).unwrap();
            let mut told = String::new();
            File::open(dir.path().join("out")).unwrap().read_to_string(&mut told).unwrap();
            let ids: Vec<_> = told.lines().map(|line| line.split([':', ',', '}']).nth(1).unwrap()).collect();
            // The third put was given up by cmd/go, which knows nothing of it any more.
            let expected = if answers_first { vec!["0", "1", "2", "3", "4"] } else { vec!["0", "1", "2", "4"] };
            assert_eq!(ids, expected, "{told}");
            assert!(!told.contains("Err"), "{told}");
        }
    }
}
