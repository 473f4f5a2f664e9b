//! One download for all requests of the same file: one thread writes it to an unlinked file, all others read from there while
//! it grows.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::download_error::DownloadError;
use crate::mutex::lock;

/// A download, running or done.
#[derive(Debug)]
pub(crate) struct SharedDownload {
    pub(crate) file: File,
    /// Guards the fields; no I/O happens while it is held.
    progress: Mutex<Progress>,
    /// Notified of each change.
    changed: Condvar,
}

/// How far a download is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Length of the file, where the upstream announces one.
    pub(crate) length: Option<u64>,
    /// Bytes written so far.
    pub(crate) written: u64,
    /// The result, once it has ended. It is `Ok` only for a file that was found whole.
    pub(crate) end: Option<Result<(), Arc<DownloadError>>>,
    /// Whether it is an answer of an earlier time.
    pub(crate) is_remembered: bool,
}

impl SharedDownload {
    fn new(spool_dir: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(spool_dir)?, progress: Mutex::default(), changed: Condvar::new() })
    }

    pub(crate) fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    fn has_failed(&self) -> bool {
        matches!(lock(&self.progress).end, Some(Err(_)))
    }

    /// Waits until there are more than `seen` bytes, or the end. The writer has timeouts of its own and always ends.
    pub(crate) fn wait(&self, seen: u64) -> Progress {
        let progress = lock(&self.progress);
        let waited = self.changed.wait_while(progress, |progress| progress.end.is_none() && progress.written <= seen);
        waited.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut lock(&self.progress));
        self.changed.notify_all();
    }
}

/// The only writer of a download. When it is dropped, however that happens, all readers see the end.
#[derive(Debug)]
pub(crate) struct Writer(Arc<SharedDownload>);

impl Writer {
    pub(crate) fn download(&self) -> &SharedDownload {
        &self.0
    }

    /// Sets the length that the upstream announces. Another length than before means another file, and bytes that were
    /// already read cannot be taken back.
    pub(crate) fn announce(&self, length: Option<u64>) -> Result<(), DownloadError> {
        let progress = self.0.progress();
        if progress.written > 0 && progress.length != length {
            return Err(DownloadError::ContentChanged);
        }
        self.0.change(|progress| progress.length = length);
        Ok(())
    }

    /// Writes bytes at an offset: new ones, or those of another attempt, which have to be the same as before.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DownloadError> {
        let written = self.0.progress().written;
        let known = usize::try_from(written.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        let (again, new) = bytes.split_at(known);
        let mut before = vec![0; again.len()];
        self.0.file.read_exact_at(&mut before, offset).map_err(DownloadError::Spool)?;
        if before != again {
            return Err(DownloadError::ContentChanged);
        }
        if !new.is_empty() {
            self.0.file.write_all_at(new, written).map_err(DownloadError::Spool)?;
            self.0.change(|progress| progress.written += new.len() as u64);
        }
        Ok(())
    }

    /// What is written is an answer of an earlier time.
    pub(crate) fn mark_remembered(&self) {
        self.0.change(|progress| progress.is_remembered = true);
    }

    pub(crate) fn finish(&self, end: Result<(), DownloadError>) {
        self.0.change(|progress| {
            progress.end.get_or_insert(end.map_err(Arc::new));
        });
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish(Err(DownloadError::Internal));
    }
}

/// Downloads at once, each with a thread and a file. A go command runs ten.
const MAX_DOWNLOADS: usize = 64;

/// The running downloads, by path.
#[derive(Debug, Default)]
pub(crate) struct SingleFlight {
    /// Guards a map; no I/O happens while it is held, except that an unlinked file is made.
    running: Mutex<HashMap<String, Arc<SharedDownload>>>,
}

impl SingleFlight {
    /// The download of a path; with its writer for the first who asks.
    pub(crate) fn join(&self, path: &str, spool_dir: &Path) -> io::Result<(Arc<SharedDownload>, Option<Writer>)> {
        let mut running = lock(&self.running);
        // One that failed is not joined: its thread removes it, but not where that thread panics.
        if let Some(download) = running.get(path).filter(|download| !download.has_failed()) {
            return Ok((download.clone(), None));
        }
        if running.len() >= MAX_DOWNLOADS {
            return Err(io::Error::other(format!("download limit ({MAX_DOWNLOADS}) reached")));
        }
        let download = Arc::new(SharedDownload::new(spool_dir)?);
        running.insert(path.to_owned(), download.clone());
        Ok((download.clone(), Some(Writer(download))))
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        lock(&self.running).len()
    }

    /// Removes a download, if it is still the one of this path: the next request starts a new one.
    pub(crate) fn remove(&self, path: &str, download: &SharedDownload) {
        let mut running = lock(&self.running);
        if running.get(path).is_some_and(|other| std::ptr::eq(&raw const **other, download)) {
            running.remove(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_requests_read_the_running_download_and_see_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let downloads = SingleFlight::default();
        let (first, writer) = downloads.join("x", dir.path()).unwrap();
        let writer = writer.unwrap();
        let (second, none) = downloads.join("x", dir.path()).unwrap();
        assert!(none.is_none() && Arc::ptr_eq(&first, &second));
        writer.announce(Some(6)).unwrap();
        writer.write_at(0, b"abc").unwrap();
        assert_eq!(second.wait(0).written, 3);
        writer.write_at(1, b"bcdef").unwrap(); // another attempt, from the second byte
        writer.finish(Ok(()));
        let progress = second.wait(6);
        assert_eq!((progress.written, progress.length), (6, Some(6)));
        assert!(matches!(progress.end, Some(Ok(()))));
        downloads.remove("x", &first);
        assert!(downloads.join("x", dir.path()).unwrap().1.is_some());
    }

    #[test]
    fn another_attempt_with_other_bytes_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let downloads = SingleFlight::default();
        let (download, writer) = downloads.join("x", dir.path()).unwrap();
        let writer = writer.unwrap();
        writer.write_at(0, b"abc").unwrap();
        assert!(matches!(writer.write_at(0, b"abX"), Err(DownloadError::ContentChanged)));
        assert!(matches!(writer.announce(Some(9)), Err(DownloadError::ContentChanged)));
        drop(writer);
        assert!(matches!(download.wait(99).end, Some(Err(e)) if matches!(*e, DownloadError::Internal)));
        assert!(downloads.join("x", dir.path()).unwrap().1.is_some(), "though it was not removed");
    }
}
