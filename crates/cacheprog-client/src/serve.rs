//! Reads cmd/go's requests and hands them to a cache, until cmd/go is done.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::gocmd::{BodyError, Command, Requests};
use proto::{FrameError, RequestError};

use crate::answers::Answers;
use crate::cache::{Cache, Put};
use crate::embedded::Embedded;
use crate::environment::Environment;
use crate::remote::Remote;

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
    match (embedded, &environment.socket) {
        (Some(dir), _) => pump(requests, &answers, Embedded::new(&dir, answers.clone(), environment)),
        (None, Some(socket)) => pump(requests, &answers, Remote::start(socket, &answers, environment)),
        // No HOME and no socket: what is left is the temporary directory.
        (None, None) => pump(requests, &answers, Embedded::new(&environment.spool, answers.clone(), environment)),
    }
}

fn pump<R: BufRead>(mut requests: Requests<R>, answers: &Answers, mut cache: impl Cache) -> Result<(), FrameError> {
    while let Some(request) = requests.read()? {
        let id = request.id;
        let body = requests.body(request.body_size);
        match request.command {
            Ok(Command::Get(action)) => cache.get(id, &action),
            Ok(Command::Put(action, output)) => {
                let put = Put { action, output, size: request.body_size };
                settle(cache.put(id, put, body), |error| answers.error(id, &error.to_string()))?;
            }
            Ok(Command::Close) => {
                cache.finish();
                answers.closed(id);
                return Ok(());
            }
            Err(error) => {
                let skipped = body.skip();
                settle(skipped.map(|()| answers.error(id, &error.to_string())), |_| {
                    answers.error(id, &error.to_string());
                })?;
            }
        }
    }
    cache.finish();
    Ok(())
}

/// Answers what is wrong with a request; only a broken stream ends the session.
fn settle(done: Result<(), BodyError>, answer: impl FnOnce(&RequestError)) -> Result<(), FrameError> {
    match done {
        Ok(()) | Err(BodyError::Abandoned) => Ok(()), // cmd/go forgot an abandoned put: no answer
        Err(BodyError::Request(error)) => {
            answer(&error);
            Ok(())
        }
        Err(BodyError::Frame(error)) => Err(error),
    }
}
