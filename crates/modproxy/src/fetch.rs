//! A download: from the entries of the list in their order, with further attempts where that may help, into a flight.

use std::io::{self, ErrorKind, Read};
use std::thread;

use crate::flight::Pilot;
use crate::list::{Entry, OnError};
use crate::path::{File, Target, What};
use crate::settings::Patience;
use crate::upstream::{Response, Trouble, Upstreams, trouble_in_body};
use crate::verify::Damage;

/// Attempts at one entry: after resets, server errors and "too many requests".
const ATTEMPTS: u32 = 4;

/// Each pause is this many times as long as the one before.
const LONGER: u32 = 4;

/// Largest zip and largest other file in bytes: those of the go command (cmd/go/internal/modfetch/codehost `MaxZipFile`,
/// `MaxGoMod`).
pub(crate) const MOST_ZIP: u64 = 500 << 20;
const MOST: u64 = 16 << 20;

/// Bytes of an upstream's words that are passed on.
const MOST_SAID: u64 = 4 << 10;

/// Largest file that may be what a path asks for.
pub(crate) fn most(target: &Target) -> u64 {
    if matches!(target.what, What::File(File::Zip, _)) { MOST_ZIP } else { MOST }
}

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The upstream says no, and perhaps why.
    #[error("{}", if said.is_empty() { format!("the upstream answers with status {status}") } else { said.clone() })]
    Refused {
        /// Its status.
        status: u16,
        /// Its words.
        said: String,
    },
    /// Neither a file nor a refusal: a status that the go command takes for an error too, whatever it says of itself.
    #[error("the upstream answers with status {0}, which is no file")]
    Status(u16),
    /// The body is not the file's own bytes.
    #[error("the upstream answers with {0}, which was not asked for")]
    Coded(String),
    #[error("asking the upstream: {0}")]
    Trouble(#[from] Trouble),
    /// The connection ended in order before the file did.
    #[error("the upstream left the file off at {0} bytes")]
    Short(u64),
    /// Two attempts gave two contents.
    #[error("the upstream gave something else than a moment ago")]
    Differs,
    /// It came whole and is not what was asked for.
    #[error("what the upstream gave is not it: {0}")]
    Damaged(#[from] Damage),
    #[error("it is over {0} bytes")]
    TooLarge(u64),
    /// There is no room for it here.
    #[error("keeping it on the way: {0}")]
    Spool(#[source] io::Error),
    /// A fault in this program.
    #[error("the download failed inside")]
    Fault,
}

impl Failure {
    /// Whether nobody could be asked, so that what was seen last is the best there is.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Trouble(Trouble::Unreachable(_) | Trouble::Broken(_)))
    }

    /// The status that tells the go command.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Refused { status, .. } => *status,
            _ => 502,
        }
    }

    /// Whether there is none: then the go command goes on to the next entry whatever the separator.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404 | 410, .. })
    }

    /// There is none.
    pub(crate) fn not_found() -> Self {
        Self::Refused { status: 404, said: "not found".to_owned() }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Trouble(Trouble::Broken(_)) | Self::Short(_) => true,
            _ => false,
        }
    }
}

/// A file that came whole.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Got {
    /// Which entry of the list gave it.
    pub(crate) entry: usize,
    /// Whether it is known to be all of it.
    pub(crate) is_whole: bool,
}

/// What a download works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) upstreams: &'a Upstreams,
    pub(crate) patience: Patience,
    pub(crate) target: &'a Target,
    pub(crate) pilot: &'a Pilot,
}

/// Goes through the list as the go command does: on after "not found", and after a `|` on after any error.
pub(crate) fn from_list(job: Job<'_>, list: &[Entry]) -> Result<Got, Failure> {
    let mut failure = Failure::not_found();
    for (entry, place) in list.iter().enumerate() {
        match from_entry(job, place) {
            Ok(got) => return Ok(Got { entry, ..got }),
            Err(next) => {
                let goes_on = next.is_not_found() || place.on_error == OnError::Next;
                // Of several, that an entry could not be asked says more than that another one knows nothing.
                if failure.is_not_found() || !next.is_not_found() {
                    failure = next;
                }
                if !goes_on {
                    break;
                }
            }
        }
    }
    Err(failure)
}

fn from_entry(job: Job<'_>, entry: &Entry) -> Result<Got, Failure> {
    let mut pause = job.patience.pause;
    let mut validator = None;
    for attempt in 1.. {
        match attempt_at(job, entry, &mut validator) {
            // After a `|` the go command would not wait either.
            Err(e) if e.may_pass() && attempt < ATTEMPTS && entry.on_error != OnError::Next => {
                log::info!("{}: {e}; once more in {pause:?}", job.target.path);
                thread::sleep(pause);
                pause *= LONGER;
            }
            other => return other,
        }
    }
    Err(Failure::Fault) // the range above has no end
}

fn attempt_at(job: Job<'_>, entry: &Entry, validator: &mut Option<String>) -> Result<Got, Failure> {
    let Job { target, pilot, .. } = job;
    let written = pilot.flight().state().written;
    // What changes is asked for from its beginning: the rest may belong to another one.
    // Without a word for which version of it that was, the rest may be another one's: then all of it comes again, and is compared.
    let is_resumable = written > 0 && target.what.is_immutable() && validator.is_some();
    let rest = is_resumable.then_some((written, validator.as_deref()));
    let mut response = job.upstreams.get(entry, &target.path, rest)?;
    let from = match (response.status, response.range) {
        (200, _) => 0,
        (206, Some((from, _))) if rest.is_some() && from == written => from,
        (400..=599, _) => return Err(Failure::Refused { status: response.status, said: words(response) }),
        (status, _) => return Err(Failure::Status(status)),
    };
    if let Some(coding) = response.coding {
        return Err(Failure::Coded(coding));
    }
    let whole = response.length.map(|length| from + length);
    if from > 0 && whole != response.range.map(|(_, whole)| whole) {
        return Err(Failure::Differs);
    }
    let most = most(target);
    if whole.is_some_and(|whole| whole > most) {
        return Err(Failure::TooLarge(most));
    }
    pilot.announce(whole)?;
    validator.clone_from(&response.validator);
    let end = copy(&mut response, pilot, from, most)?;
    if whole.is_some_and(|whole| whole != end) {
        return Err(Failure::Short(end));
    }
    Ok(Got { entry: 0, is_whole: response.is_framed })
}

/// What the upstream says beside a status, for the go command to tell its user.
fn words(response: Response) -> String {
    let mut said = Vec::new();
    if response.is_text && response.body.take(MOST_SAID).read_to_end(&mut said).is_err() {
        said.clear();
    }
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// Returns the number of the byte after the last.
fn copy(response: &mut Response, pilot: &Pilot, mut at: u64, most: u64) -> Result<u64, Failure> {
    let mut piece = vec![0; PIECE];
    loop {
        match response.body.read(&mut piece) {
            Ok(0) => return Ok(at),
            Ok(n) => {
                pilot.accept(at, &piece[..n])?;
                at += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(trouble_in_body(e).into()),
        }
        if at > most {
            return Err(Failure::TooLarge(most));
        }
    }
}
