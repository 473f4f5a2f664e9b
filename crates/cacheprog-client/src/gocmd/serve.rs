//! Reads cmd/go's requests and hands them to a cache, until cmd/go is done. Which cache it is, `select_cache.rs` decides.

use std::io::BufRead;

use proto::gocmd::{BodyError, Command, Requests};
use proto::{FrameError, Output};

use crate::fault::catch_fault;
use crate::gocmd::cache::{Cache, PutHeader};
use crate::gocmd::responder::{MISSING_PATH, Responder};

/// Serves requests until cmd/go closes the session or its end of the pipe.
pub(crate) fn serve<R: BufRead>(
    mut requests: Requests<R>,
    responder: &Responder,
    mut cache: impl Cache,
) -> Result<(), FrameError> {
    while let Some(request) = requests.read()? {
        let id = request.id;
        responder.expect(id);
        let mut body = requests.body(request.body_size);
        match request.command {
            Ok(Command::Get(action)) => {
                if catch_fault(|| cache.get(id, &action)).is_none() {
                    responder.miss(id);
                }
            }
            Ok(Command::Put(action, output)) => {
                let put = PutHeader { action, output: Output { id: output, size: request.body_size } };
                let done = catch_fault(|| cache.put(id, put, &mut body)).unwrap_or_else(|| {
                    body.skip()?;
                    responder.stored(id, MISSING_PATH);
                    Ok(())
                });
                answer_error(responder, id, done)?;
            }
            Ok(Command::Close) => {
                catch_fault(|| cache.finish());
                responder.closed(id);
                return Ok(());
            }
            Err(error) => {
                responder.error(id, &error.to_string());
                answer_error(responder, id, body.skip())?;
            }
        }
    }
    catch_fault(|| cache.finish());
    Ok(())
}

/// Answers a request with its error. Only a broken stream ends the session.
fn answer_error(responder: &Responder, id: i64, done: Result<(), BodyError>) -> Result<(), FrameError> {
    match done {
        Ok(()) => Ok(()),
        Err(BodyError::Abandoned) => {
            responder.forget(id);
            Ok(())
        }
        Err(BodyError::Request(error)) => {
            responder.error(id, &error.to_string());
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
    use std::fs::File;
    use std::io::Read;
    use std::sync::Arc;

    /// A cache that panics in each request.
    struct Faulty {
        responder: Arc<Responder>,
        answers_first: bool,
    }

    impl Cache for Faulty {
        fn get(&mut self, id: i64, _: &ActionId) {
            if self.answers_first {
                self.responder.miss(id);
            }
            panic!("a get");
        }

        fn put<R: BufRead>(&mut self, id: i64, _: PutHeader, body: &mut Body<'_, R>) -> Result<(), BodyError> {
            body.chunk(&mut [0; 3])?;
            if self.answers_first {
                self.responder.stored(id, "/somewhere");
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
            let responder = Arc::new(Responder::start(out));
            let cache = Faulty { responder: responder.clone(), answers_first };
            serve(Requests::new(input.as_bytes()), &responder, cache).unwrap();
            let mut answers = String::new();
            File::open(dir.path().join("out")).unwrap().read_to_string(&mut answers).unwrap();
            let ids: Vec<_> = answers.lines().map(|line| line.split([':', ',', '}']).nth(1).unwrap()).collect();
            // cmd/go abandoned the third put and has forgotten it.
            let expected = if answers_first { vec!["0", "1", "2", "3", "4"] } else { vec!["0", "1", "2", "4"] };
            assert_eq!(ids, expected, "{answers}");
            assert!(!answers.contains("Err"), "{answers}");
        }
    }
}
