//! A download under way, shared by all who want the file: one thread writes it to an unlinked file, the others read along.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Condvar, Mutex};

use crate::fetch::Failure;
use crate::sync::lock;

/// A download, under way or done.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) file: File,
    /// Guards the fields; no I/O happens while it is held.
    state: Mutex<State>,
    /// Told of each change.
    changed: Condvar,
}

/// How far it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// Bytes there will be, where the upstream says.
    pub(crate) length: Option<u64>,
    /// Bytes there are.
    pub(crate) written: u64,
    /// How it ended. Only a file that was found whole ended well.
    pub(crate) end: Option<Result<(), Arc<Failure>>>,
}

impl Flight {
    fn new(spool: &std::path::Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(spool)?, state: Mutex::default(), changed: Condvar::new() })
    }

    pub(crate) fn state(&self) -> State {
        lock(&self.state).clone()
    }

    /// Waits until there are more than `seen` bytes, or the end. Whoever writes has deadlines of his own, and always ends.
    pub(crate) fn wait(&self, seen: u64) -> State {
        let state = lock(&self.state);
        let waited = self.changed.wait_while(state, |state| state.end.is_none() && state.written <= seen);
        waited.unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }
}

/// The one who writes. Whatever becomes of him, those who read along are told.
#[derive(Debug)]
pub(crate) struct Pilot(Arc<Flight>);

impl Pilot {
    pub(crate) fn flight(&self) -> &Flight {
        &self.0
    }

    /// The upstream says how long the file is. Another length than before is another file, and what was read along is lost.
    pub(crate) fn announce(&self, length: Option<u64>) -> Result<(), Failure> {
        let state = self.0.state();
        if state.written > 0 && state.length != length {
            return Err(Failure::Differs);
        }
        self.0.change(|state| state.length = length);
        Ok(())
    }

    /// Takes bytes that belong at `at`: new ones, or those of another attempt, which have to be the same.
    pub(crate) fn accept(&self, at: u64, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.0.state().written;
        let known = usize::try_from(written.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
        let (again, new) = bytes.split_at(known);
        let mut before = vec![0; again.len()];
        self.0.file.read_exact_at(&mut before, at).map_err(Failure::Spool)?;
        if before != again {
            return Err(Failure::Differs);
        }
        if !new.is_empty() {
            self.0.file.write_all_at(new, written).map_err(Failure::Spool)?;
            self.0.change(|state| state.written += new.len() as u64);
        }
        Ok(())
    }

    pub(crate) fn end(&self, end: Result<(), Failure>) {
        self.0.change(|state| {
            state.end.get_or_insert(end.map_err(Arc::new));
        });
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.end(Err(Failure::Fault));
    }
}

/// Downloads at once, each with a thread and a file: a go command has ten under way.
const MOST: usize = 64;

/// The downloads under way, by path.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    /// Guards a map; no I/O happens while it is held, but for making an unlinked file.
    live: Mutex<HashMap<String, Arc<Flight>>>,
}

impl Flights {
    /// The download of a path; with a pilot for who comes first.
    pub(crate) fn join(&self, path: &str, spool: &std::path::Path) -> io::Result<(Arc<Flight>, Option<Pilot>)> {
        let mut live = lock(&self.live);
        if let Some(flight) = live.get(path) {
            return Ok((flight.clone(), None));
        }
        if live.len() >= MOST {
            return Err(io::Error::other("too many downloads at once"));
        }
        let flight = Arc::new(Flight::new(spool)?);
        live.insert(path.to_owned(), flight.clone());
        Ok((flight.clone(), Some(Pilot(flight))))
    }

    /// The next who asks for the path begins anew, if this is still its download.
    pub(crate) fn leave(&self, path: &str, flight: &Flight) {
        let mut live = lock(&self.live);
        if live.get(path).is_some_and(|other| std::ptr::eq(&raw const **other, flight)) {
            live.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_later_reads_along_and_is_told_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let flights = Flights::default();
        let (first, pilot) = flights.join("x", dir.path()).unwrap();
        let pilot = pilot.unwrap();
        let (second, none) = flights.join("x", dir.path()).unwrap();
        assert!(none.is_none() && Arc::ptr_eq(&first, &second));
        pilot.announce(Some(6)).unwrap();
        pilot.accept(0, b"abc").unwrap();
        assert_eq!(second.wait(0).written, 3);
        pilot.accept(1, b"bcdef").unwrap(); // another attempt, from the second byte
        pilot.end(Ok(()));
        let state = second.wait(6);
        assert_eq!((state.written, state.length), (6, Some(6)));
        assert!(matches!(state.end, Some(Ok(()))));
        flights.leave("x", &first);
        assert!(flights.join("x", dir.path()).unwrap().1.is_some());
    }

    #[test]
    fn another_attempt_with_other_bytes_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (flight, pilot) = Flights::default().join("x", dir.path()).unwrap();
        let pilot = pilot.unwrap();
        pilot.accept(0, b"abc").unwrap();
        assert!(matches!(pilot.accept(0, b"abX"), Err(Failure::Differs)));
        assert!(matches!(pilot.announce(Some(9)), Err(Failure::Differs)));
        drop(pilot);
        assert!(matches!(flight.wait(99).end, Some(Err(e)) if matches!(*e, Failure::Fault)));
    }
}
