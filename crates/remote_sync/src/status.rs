//! What a remote store has for builds of a name, and how much of it the local store has. Heads and indexes are read, and no frames.

use remote::index::Entry;
use remote::keys::{PublicKey, TrustedKeys};
use remote::series::Series;
use store::{Store, View};

use crate::local_entries::LocalEntries;
use crate::objects::Objects;
use crate::pull::PullError;
use crate::read_index::{ReadError, Source};
use crate::seen_heads::State;

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub struct Status<'a> {
    /// The local store.
    pub store: &'a Store,
    /// What builds with the toolchain read; it takes what these keys signed.
    pub view: &'a View,
    /// The keys.
    pub trusted: &'a TrustedKeys,
    /// The remote store.
    pub objects: &'a dyn Objects,
    /// Seconds since 1970.
    pub now: u64,
}

/// The newest head of a key, and its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// The head's counter.
    pub counter: u64,
    /// When the head was signed, in seconds since 1970.
    pub created: u64,
    /// From when on it counts for nothing, in seconds since 1970.
    pub expires: u64,
    /// Entries of the index.
    pub entries: u64,
    /// Those of them that the local store has.
    pub here: u64,
    /// Frame files to which the index refers.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a key has; `None` where that is nothing.
pub type Found = Result<Option<Newest>, ReadError>;

impl<'a> Status<'a> {
    /// What each key has for these builds.
    ///
    /// # Errors
    /// A [`PullError`] where the local store cannot be read.
    pub fn of(&self, series: &Series) -> Result<Vec<(&'a PublicKey, Found)>, PullError> {
        let state = State::new(self.store).map_err(PullError::State)?;
        let source = Source { objects: self.objects, state: &state, now: self.now };
        self.trusted.iter().map(|key| Ok((key, self.found(&source, series, key)?))).collect()
    }

    fn found(&self, source: &Source<'_>, series: &Series, key: &PublicKey) -> Result<Found, PullError> {
        let (head, index) = match source.read(series, key) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Ok(None)),
            Err(e) => return Ok(Err(e)),
        };
        let local = LocalEntries::of(self.store, self.view, index.entries.iter())?;
        let is_here = |entry: &&Entry| local.here.contains(&(entry.action, entry.condition.clone()));
        Ok(Ok(Some(Newest {
            counter: head.counter,
            created: head.created,
            expires: head.expires,
            entries: index.entries.len() as u64,
            here: index.entries.iter().filter(is_here).count() as u64,
            files: index.files.len() as u64,
            bytes: index.files.iter().map(|file| file.size).sum(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::*;

    /// What the keys of two seeds have under a name, for this store.
    fn found(store: &Store, objects: &Memory, name: &str, now: u64) -> [Found; 2] {
        let trusted = trusted(&[1, 2]);
        let view = view().trusting(trusted.signing_keys());
        let status = Status { store, view: &view, trusted: &trusted, objects, now };
        let found: Vec<_> = status.of(&series(name)).unwrap().into_iter().map(|(_, found)| found).collect();
        found.try_into().unwrap()
    }

    #[test]
    fn it_tells_what_each_key_has_and_what_of_it_is_here() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let (there, here, objects) = (store(one.path()), store(other.path()), Memory::default());
        put(&there, 1, b"one", None);
        put(&there, 2, b"two", with_c().as_ref());
        push(&there, &objects, "m@main", |push| push.conditional = store::Conditional::All);
        let newest = |store| match found(store, &objects, "m@main", NOW) {
            [Ok(Some(newest)), Ok(None)] => newest,
            other => panic!("{other:?}"),
        };
        let file = objects.names("o/").remove(0);
        let size = objects.objects.lock().unwrap()[&file].len() as u64;
        let expected = Newest {
            counter: NOW * 1000,
            created: NOW,
            expires: NOW + PERIOD,
            entries: 2,
            here: 2,
            files: 1,
            bytes: size,
        };
        assert_eq!(newest(&there), expected);
        assert_eq!(newest(&here).here, 0);
        pull(&here, &objects, "m@main", &[1]);
        assert_eq!(newest(&here).here, 1, "the one with C is not taken");
        objects.take_log();
        newest(&here);
        assert_eq!(objects.take_log().len(), 2, "two heads, no index that is known and no frame");
        let gone = found(&here, &objects, "m@main", NOW + PERIOD);
        assert!(matches!(&gone, [Err(ReadError::Head(..)), Ok(None)]), "{gone:?}");
    }
}
