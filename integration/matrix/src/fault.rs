//! The rows of the matrix: the faults of the cache, and how each is injected.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use proto::wire::{Hello, Request, Toolchain, VERSION, Welcome, read_json_line, write_json_line};
use proto::{ActionId, limits};
use rustix::process::Signal;

use crate::fixture::{Fixture, files};

/// Longer than every deadline of the client.
const LONG_TIME: Duration = Duration::from_secs(12);

/// The delay of each answer of a slow daemon.
const ANSWER_DELAY: Duration = Duration::from_millis(50);

named_enum! {
    /// A fault.
    Fault {
        NeverStarted "never-started",
        Killed "killed",
        Stopped "sigstop",
        Restarted "restarted",
        StoppedAndStarted "stopped-started",
        OlderVersion "older-version",
        NewerVersion "newer-version",
        StateDeleted "state-deleted",
        DiskFull "disk-full",
        ReadOnly "disk-read-only",
        BuildRemoved "build-removed",
        SocketRemoved "socket-removed",
        Truncated "objects-truncated",
        Corrupted "objects-corrupted",
        Deleted "objects-deleted",
        RecordsGarbage "records-garbage",
        ManySessions "64-sessions",
        GarbageSession "garbage-session",
        Slow "slow-answers",
        TmpFull "tmp-full",
    }
}

impl Fault {
    /// The state directory must be a file system of its own.
    pub fn needs_small(self) -> bool {
        matches!(self, Self::DiskFull | Self::ReadOnly)
    }

    /// It is injected before the command starts: it cannot begin later.
    pub fn precedes_command(self) -> bool {
        matches!(self, Self::NeverStarted | Self::TmpFull)
    }

    /// It damages objects itself.
    pub fn damages_objects(self) -> bool {
        matches!(self, Self::Truncated | Self::Corrupted)
    }

    /// It removes files whose paths go has already got: no cache could keep them.
    pub fn removes_outputs(self) -> bool {
        matches!(self, Self::StateDeleted | Self::BuildRemoved)
    }

    /// It leaves no space for outputs.
    pub fn leaves_no_space(self) -> bool {
        self == Self::TmpFull
    }

    /// Injects it.
    pub fn inject(self, fixture: &mut Fixture) {
        match self {
            Self::NeverStarted => {
                fixture.end(Signal::KILL);
                fs::remove_file(fixture.view.join("sock")).unwrap();
            }
            Self::Killed => fixture.end(Signal::KILL),
            Self::Stopped => {
                fixture.signal(Signal::STOP);
                // Dropping the fixture continues it; the command must not wait for that.
            }
            Self::Restarted => {
                fixture.end(Signal::TERM);
                fixture.spawn();
            }
            Self::StoppedAndStarted => {
                fixture.end(Signal::TERM);
                thread::sleep(Duration::from_secs(2));
                fixture.spawn();
            }
            Self::OlderVersion => other_version(fixture, VERSION - 1),
            Self::NewerVersion => other_version(fixture, VERSION + 1),
            Self::StateDeleted => remove(&fixture.state()),
            Self::DiskFull => fill(&fixture.state().join("filler")),
            Self::ReadOnly => read_only(&fixture.dir.path().join("state")),
            Self::BuildRemoved => remove(fixture.view.parent().unwrap()),
            Self::SocketRemoved => fs::remove_file(fixture.view.join("sock")).unwrap(),
            Self::Truncated => replace_files(&fixture.state().join("objects"), |_| Some(Vec::new())),
            Self::Corrupted => {
                replace_files(&fixture.state().join("objects"), |bytes| Some(bytes.iter().map(|b| !b).collect()));
            }
            Self::Deleted => replace_files(&fixture.state().join("objects"), |_| None),
            Self::RecordsGarbage => {
                replace_files(&fixture.state().join("records"), |_| Some(b"2\tc garbage\n".to_vec()));
            }
            Self::ManySessions => many_sessions(fixture.view.join("sock").as_path()),
            Self::GarbageSession => garbage(fixture.view.join("sock").as_path()),
            Self::Slow => slow(&fixture.view),
            Self::TmpFull => {} // it is in the command's own directories: see cell.rs
        }
    }
}

/// Makes a file system read-only. The kernel refuses that while a file is open for writing, so it is tried again.
fn read_only(dir: &Path) {
    let flags = rustix::mount::MountFlags::RDONLY;
    for _ in 0..20_000 {
        match rustix::mount::mount_remount(dir, flags, c"") {
            Err(rustix::io::Errno::BUSY) => thread::sleep(Duration::from_micros(50)),
            done => return done.unwrap(),
        }
    }
    panic!("{} always has a file open for writing", dir.display());
}

/// Removes a directory while the daemon makes files in it.
fn remove(dir: &Path) {
    for _ in 0..100 {
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
            removed => return removed.unwrap(),
        }
    }
    panic!("{} is never empty", dir.display());
}

/// Replaces the content of each file, or removes it. By rename: files that a build has already got stay as they are, since no
/// cache could protect those.
fn replace_files(dir: &Path, change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    for path in files(dir) {
        let Ok(bytes) = fs::read(&path) else { continue };
        match change(&bytes) {
            None => fs::remove_file(&path).unwrap(),
            Some(changed) => {
                let temporary = path.with_extension("new");
                fs::write(&temporary, changed).unwrap();
                fs::set_permissions(&temporary, fs::Permissions::from_mode(0o444)).unwrap();
                fs::rename(&temporary, &path).unwrap();
            }
        }
    }
}

/// Writes to a file until the file system is full.
pub fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

/// Another daemon in the place of ours: it sends its version and closes the connection.
fn other_version(fixture: &mut Fixture, version: u32) {
    fixture.end(Signal::KILL);
    serve(&fixture.view.join("sock"), move |stream| {
        let mut input = BufReader::new(&stream);
        drop(read_json_line::<Hello>(&mut input, limits::HELLO_LINE));
        let welcome = Welcome { version, outputs: String::new(), error: Some("another version".into()) };
        drop(write_json_line(&stream, &welcome));
    });
}

/// Listens at a path, in the place of the former listener, and serves each connection in a thread.
fn serve(path: &Path, handler: impl Fn(UnixStream) + Send + Clone + 'static) {
    let temporary = path.with_file_name("new");
    let listener = UnixListener::bind(&temporary).unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o666)).unwrap();
    fs::rename(&temporary, path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handler = handler.clone();
            thread::spawn(move || handler(stream));
        }
    });
}

/// A daemon that delays each answer.
fn slow(view: &Path) {
    let real = view.join("real");
    fs::rename(view.join("sock"), &real).unwrap();
    serve(&view.join("sock"), move |client| {
        let Ok(mut daemon) = UnixStream::connect(&real) else { return };
        let (mut from, mut to) = (client.try_clone().unwrap(), daemon.try_clone().unwrap());
        thread::spawn(move || {
            drop(std::io::copy(&mut from, &mut to));
            drop(to.shutdown(std::net::Shutdown::Write));
        });
        let mut answer = vec![0; 4096];
        while let Ok(n @ 1..) = daemon.read(&mut answer) {
            thread::sleep(ANSWER_DELAY);
            if (&client).write_all(&answer[..n]).is_err() {
                return;
            }
        }
    });
}

/// 64 clients that send requests one after another, for some time.
fn many_sessions(socket: &Path) {
    for _ in 0..64 {
        let socket = socket.to_owned();
        thread::spawn(move || {
            let began = Instant::now();
            let Ok(stream) = UnixStream::connect(socket) else { return };
            let mut input = BufReader::new(&stream);
            drop(write_json_line(&stream, &Hello::new(Toolchain::default())));
            drop(read_json_line::<Welcome>(&mut input, limits::HELLO_LINE));
            while began.elapsed() < LONG_TIME {
                let mut frame = Vec::new();
                Request::Get { action: ActionId([7; 32]) }.write(1, &mut frame);
                if (&stream).write_all(&frame).is_err() || input.read(&mut [0; 64]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
    }
}

/// A client that sends garbage on new connections, for some time.
fn garbage(socket: &Path) {
    let socket = socket.to_owned();
    thread::spawn(move || {
        let began = Instant::now();
        while began.elapsed() < LONG_TIME {
            if let Ok(mut stream) = UnixStream::connect(&socket) {
                drop(stream.write_all(b"{\"version\":3,\"toolchain\":{\"goroot\":\"x\"}}\nP\0\0\0\0\xffgarbage"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
}
