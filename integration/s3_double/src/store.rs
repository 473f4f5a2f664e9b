//! The objects, in memory, and in a directory if there is one. A file there has one line of JSON (name, time), then the body; its
//! own name is the sha256 of the object's. The name of an object begins with its bucket: `BUCKET/NAME`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::hash::sha256_hex;
use crate::mutex::lock;

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub body: Arc<Vec<u8>>,
    /// When it was written, by the clock of the store.
    pub created: SystemTime,
    /// In quotes, made from the content.
    pub etag: String,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The name is new.
    Created,
    /// The name had another object, which is gone.
    Replaced,
    /// Nothing: the name exists, and only a new one was wanted.
    Exists,
}

/// Whether a put may replace an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It may.
    Replace,
    /// It does nothing then.
    Keep,
}

#[derive(Serialize, Deserialize)]
struct Header {
    name: String,
    created: SystemTime,
}

/// The objects of all buckets.
#[derive(Debug)]
pub struct Store {
    objects: Mutex<BTreeMap<String, Object>>,
    dir: Option<PathBuf>,
    lifetime: Option<Duration>,
}

impl Store {
    /// Reads the directory.
    pub(crate) fn open(dir: Option<&Path>, lifetime: Option<Duration>) -> io::Result<Self> {
        let mut objects = BTreeMap::new();
        for file in dir.map(fs::read_dir).transpose()?.into_iter().flatten() {
            let bytes = fs::read(file?.path())?;
            let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(io::ErrorKind::InvalidData)?;
            let header: Header = serde_json::from_slice(&bytes[..end])?;
            objects.insert(header.name, object(bytes[end + 1..].to_vec(), header.created));
        }
        Ok(Self { objects: Mutex::new(objects), dir: dir.map(Path::to_owned), lifetime })
    }

    /// The object, if it exists at that time.
    pub fn get(&self, name: &str, now: SystemTime) -> Option<Object> {
        self.expire(now);
        lock(&self.objects).get(name).cloned()
    }

    /// Writes an object.
    ///
    /// # Errors
    /// Those of the directory.
    pub fn put(&self, name: &str, body: Vec<u8>, now: SystemTime, existing: Existing) -> io::Result<Put> {
        self.expire(now);
        // Files are written under the lock: of several conditional puts at once one wins, and directory and memory agree.
        let mut objects = lock(&self.objects);
        let exists = objects.contains_key(name);
        if exists && existing == Existing::Keep {
            return Ok(Put::Exists);
        }
        if let Some(dir) = &self.dir {
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            serde_json::to_writer(&mut file, &Header { name: name.to_owned(), created: now })?;
            file.write_all(b"\n")?;
            file.write_all(&body)?;
            file.persist(dir.join(sha256_hex(name.as_bytes())))?;
        }
        objects.insert(name.to_owned(), object(body, now));
        Ok(if exists { Put::Replaced } else { Put::Created })
    }

    /// Removes an object; says whether there was one.
    pub fn delete(&self, name: &str, now: SystemTime) -> bool {
        self.expire(now);
        let mut objects = lock(&self.objects);
        self.remove(&mut objects, name)
    }

    /// Names that begin with `prefix` and come after `after`, sorted. `limit` is how many there may be.
    pub fn names(&self, prefix: &str, after: &str, limit: usize, now: SystemTime) -> Vec<(String, Object)> {
        self.expire(now);
        let objects = lock(&self.objects);
        let chosen = objects.iter().filter(|(name, _)| name.starts_with(prefix) && name.as_str() > after);
        chosen.take(limit).map(|(name, object)| (name.clone(), object.clone())).collect()
    }

    /// The lifecycle: counted from the last write, as S3 counts it, and not from the last use.
    fn expire(&self, now: SystemTime) {
        let Some(lifetime) = self.lifetime else { return };
        let mut objects = lock(&self.objects);
        let is_old = |object: &Object| now.duration_since(object.created).is_ok_and(|age| age >= lifetime);
        let old: Vec<_> = objects.iter().filter(|(_, object)| is_old(object)).map(|(name, _)| name.clone()).collect();
        for name in old {
            self.remove(&mut objects, &name);
        }
    }

    fn remove(&self, objects: &mut BTreeMap<String, Object>, name: &str) -> bool {
        if let Some(dir) = &self.dir {
            drop(fs::remove_file(dir.join(sha256_hex(name.as_bytes())))); // a file that was removed by hand is gone as well
        }
        objects.remove(name).is_some()
    }
}

/// S3's `ETag` is the md5 of the body, or something else: clients must not look into it. Here it is half a sha256.
fn object(body: Vec<u8>, created: SystemTime) -> Object {
    let etag = format!("\"{}\"", &sha256_hex(&body)[..32]);
    Object { body: Arc::new(body), created, etag }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn overwriting_renews_an_object_and_reading_does_not() {
        let start = SystemTime::UNIX_EPOCH;
        let store = Store::open(None, Some(DAY * 7)).unwrap();
        for name in ["b/kept", "b/gone"] {
            assert_eq!(store.put(name, vec![1], start, Existing::Replace).unwrap(), Put::Created);
        }
        assert_eq!(store.put("b/kept", vec![1], start + DAY * 5, Existing::Replace).unwrap(), Put::Replaced);
        let just_before = start + DAY * 7 - Duration::from_secs(1);
        assert!(store.get("b/gone", just_before).is_some());
        assert!(store.get("b/gone", start + DAY * 7).is_none());
        assert!(store.get("b/kept", start + DAY * 7).is_some());
    }

    #[test]
    fn a_directory_has_the_same_objects_after_a_restart() {
        let (dir, now) = (tempfile::tempdir().unwrap(), SystemTime::UNIX_EPOCH + DAY);
        let store = Store::open(Some(dir.path()), None).unwrap();
        for name in ["b/a", "b/b"] {
            store.put(name, b"one\ntwo".to_vec(), now, Existing::Replace).unwrap();
        }
        assert!(store.delete("b/a", now) && !store.delete("b/a", now));
        let again = Store::open(Some(dir.path()), None).unwrap();
        assert_eq!(again.names("b/", "", 9, now), store.names("b/", "", 9, now));
        assert_eq!(again.get("b/b", now).unwrap().body.as_slice(), b"one\ntwo");
    }
}
