//! The command `serve`: requests of the daemon, each on a thread of its own.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use remote_sync::objects::Objects;
use remote_sync::socket::answer;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use super::failure::Failure;

/// Requests at once. The daemon has four streams a build; more would share one network all the same.
const MOST: usize = 16;

/// How long the asking side may stand still.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often it is looked whether it was idle for long enough, and the wait where there are too many requests.
const TURN: Duration = Duration::from_secs(1);
const FULL: Duration = Duration::from_millis(20);

/// Serves until it is idle, or for ever.
pub(super) fn run(objects: &dyn Objects, path: &Path, idle_exit: Option<Duration>) -> Result<(), Failure> {
    let listener = listener(path)?;
    let under_way = &AtomicUsize::new(0);
    thread::scope(|scope| {
        let mut last = Instant::now();
        loop {
            if under_way.load(SeqCst) > 0 {
                last = Instant::now();
            }
            if idle_exit.is_some_and(|longest| last.elapsed() > longest) {
                return Ok(());
            }
            if under_way.load(SeqCst) >= MOST {
                thread::sleep(FULL); // who asks waits in the queue of the socket
                continue;
            }
            let Some(stream) = accept(&listener)? else { continue };
            last = Instant::now();
            under_way.fetch_add(1, SeqCst);
            scope.spawn(move || {
                serve(&stream, objects);
                under_way.fetch_sub(1, SeqCst);
            });
        }
    })
}

/// Standard input where it is a socket, else a new one at this path, for this user and this group alone.
fn listener(path: &Path) -> Result<UnixListener, Failure> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let kind = FileType::from_raw_mode(fstat(&input)?.st_mode);
    if kind == FileType::Socket {
        return Ok(UnixListener::from(input));
    }
    let bind = || {
        if fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
            fs::remove_file(path)?; // one that was left; systemd's is standard input
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o660))?;
        Ok(listener)
    };
    bind().map_err(|e: io::Error| format!("{}: {e}", path.display()).into())
}

/// The next request, if one comes within a second.
fn accept(listener: &UnixListener) -> io::Result<Option<UnixStream>> {
    let turn = Timespec { tv_sec: TURN.as_secs().try_into().unwrap_or(1), tv_nsec: 0 };
    match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&turn)) {
        Ok(0) | Err(Errno::INTR) => return Ok(None),
        Ok(_) => {}
        Err(e) => return Err(e.into()),
    }
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(e) => {
            log::warn!("accepting a request: {e}");
            thread::sleep(FULL);
            Ok(None)
        }
    }
}

fn serve(stream: &UnixStream, objects: &dyn Objects) {
    let deadlines = || {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))
    };
    // The daemon says what it misses.
    if let Err(e) = deadlines().and_then(|()| answer(stream, objects)) {
        log::debug!("a request was not answered: {e}");
    }
}
