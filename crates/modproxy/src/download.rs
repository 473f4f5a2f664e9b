//! What the thread of a download does: fetch, check, keep; and, where nobody can be asked, remember.

use std::io::Write;
use std::time::UNIX_EPOCH;

use proto::OutputId;

use crate::answer::Proxy;
use crate::cache::Found;
use crate::clock;
use crate::fetch::{self, Failure, Got, Job};
use crate::flight::Pilot;
use crate::key::{self, Source};
use crate::list::{OnError, Place};
use crate::path::{File, Target, What};
use crate::verify;

/// How long what was seen last of something that changes is looked for, in hours: a month.
const REMEMBERED: u64 = 30 * 24;

/// What stands before something that was seen: that there was nothing is worth remembering as well.
const SEEN: &[u8] = b"200\n";
const SEEN_NOTHING: &[u8] = b"404\n";

impl Proxy {
    /// Carries out a download, and sees to what was learned by it.
    pub(crate) fn fly(&self, target: &Target, pilot: &Pilot) {
        // Another one may have ended after the file was looked for, and before this one began.
        let end = match self.kept(target) {
            Some(found) => copy(&found, 0, pilot).map(|()| None),
            None => self.download(target, pilot).map(Some),
        };
        // Who asks after this answer gets a newer one, or another try. Only what is about to be kept is given to him as well.
        if !target.what.is_immutable() || !matches!(end, Ok(Some(_))) {
            self.flights.leave(&target.path, pilot.flight());
        }
        match end {
            Ok(None) => pilot.end(Ok(())),
            // The go command need not wait for what others have of it.
            Ok(Some(got)) => {
                pilot.end(Ok(()));
                self.keep(target, pilot, got);
            }
            Err(e) => {
                log::info!("{}: {e}", target.path);
                pilot.end(if target.what.is_immutable() { Err(e) } else { self.seen_last(target, pilot, e) });
            }
        }
        self.flights.leave(&target.path, pilot.flight());
    }

    fn download(&self, target: &Target, pilot: &Pilot) -> Result<Got, Failure> {
        let Self { upstreams, patience, .. } = self;
        let got = fetch::from_list(Job { upstreams, patience: *patience, target, pilot }, &self.list)?;
        let hash = self.hash(target);
        verify::check(target, &pilot.flight().file, hash.as_deref())?;
        // Where only the end of the connection says that this is all, a hash or a zip's own end has to say so too.
        let tells_its_end = matches!(target.what, What::File(File::Zip, _));
        Ok(Got { is_whole: got.is_whole || hash.is_some() || tells_its_end, ..got })
    }

    /// Keeps what came, under the entry that gave it.
    fn keep(&self, target: &Target, pilot: &Pilot, got: Got) {
        let (source, file) = (&self.sources[got.entry], &pilot.flight().file);
        if !target.what.is_immutable() {
            // A page of HTML in the place of a list is none a month later either.
            let seen = verify::read(file).ok().filter(|bytes| verify::is_plausible(target, bytes));
            return seen.map_or((), |bytes| self.remember(target, source, &[SEEN, &bytes]));
        }
        // What lies in a directory here is as near as it would be with us.
        if got.is_whole && matches!(self.list[got.entry].place, Place::Web { .. }) {
            match verify::sha256(file) {
                Ok(output) => {
                    let what = (OutputId(output), pilot.flight().state().written);
                    self.cache.put(&key::immutable(source, &target.path), what, file);
                }
                Err(e) => log::info!("{}: reading it back: {e}", target.path),
            }
        }
    }

    fn remember(&self, target: &Target, source: &Source, parts: &[&[u8]]) {
        let kept = tempfile::tempfile_in(&self.spool).and_then(|mut file| {
            file.write_all(&parts.concat())?;
            let what = (OutputId(verify::sha256(&file)?), file.metadata()?.len());
            self.cache.put(&key::seen(source, &target.path, this_hour()), what, &file);
            Ok(())
        });
        kept.unwrap_or_else(|e| log::info!("{}: it cannot be remembered: {e}", target.path));
    }

    /// In place of an upstream that cannot be reached, what it said last.
    fn seen_last(&self, target: &Target, pilot: &Pilot, failure: Failure) -> Result<(), Failure> {
        if let Some(last) = self.sources.last().filter(|_| failure.is_not_found()) {
            self.remember(target, last, &[SEEN_NOTHING]);
        }
        // Behind a `|` the go command has somebody else to ask.
        let has_others = self.list.iter().any(|entry| entry.on_error == OnError::Next);
        if !failure.is_unreachable() || has_others {
            return Err(failure);
        }
        let now = this_hour();
        let found = (now.saturating_sub(REMEMBERED)..=now).rev().find_map(|hour| {
            let seen = |source| self.cache.get(&key::seen(source, &target.path, hour));
            self.sources.iter().find_map(seen).filter(|found| verify::is_same(&found.file, &found.output).is_ok())
        });
        let Some(found) = found else { return Err(failure) };
        log::warn!("{}: {failure}; answered with what it was when it was last seen", target.path);
        if verify::read(&found.file).is_ok_and(|bytes| bytes == SEEN_NOTHING) {
            return Err(Failure::not_found());
        }
        copy(&found, SEEN.len() as u64, pilot)
    }
}

/// Gives what was kept to those who wait for a download.
fn copy(found: &Found, from: u64, pilot: &Pilot) -> Result<(), Failure> {
    let bytes = verify::read(&found.file).map_err(Failure::Spool)?;
    let bytes = bytes.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default();
    pilot.announce(Some(bytes.len() as u64))?;
    pilot.accept(0, bytes)
}

fn this_hour() -> u64 {
    clock::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 3600)
}
