//! The rows of the matrix: what can happen to the cache, and how it is made to happen.

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

use crate::world::{World, files};

/// Longer than every deadline of the client.
const LONG: Duration = Duration::from_secs(12);

/// The delay of each answer of a slow daemon.
const SLOW: Duration = Duration::from_millis(50);

named! {
    /// What happens.
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

    /// It is there before the command starts, whatever the moment: it cannot begin later.
    pub fn is_before(self) -> bool {
        matches!(self, Self::NeverStarted | Self::TmpFull)
    }

    /// It damages objects itself.
    pub fn damages(self) -> bool {
        matches!(self, Self::Truncated | Self::Corrupted)
    }

    /// It takes away files that go was told of: no cache could keep them.
    pub fn takes_files(self) -> bool {
        matches!(self, Self::StateDeleted | Self::BuildRemoved)
    }

    /// It leaves no room for files that go is told of.
    pub fn leaves_no_room(self) -> bool {
        self == Self::TmpFull
    }

    /// Makes it happen.
    pub fn inject(self, world: &mut World) {
        match self {
            Self::NeverStarted => {
                world.end(Signal::KILL);
                fs::remove_file(world.view.join("sock")).unwrap();
            }
            Self::Killed => world.end(Signal::KILL),
            Self::Stopped => {
                world.signal(Signal::STOP);
                // World continues it at its end; the command must not wait for that.
            }
            Self::Restarted => {
                world.end(Signal::TERM);
                world.spawn();
            }
            Self::StoppedAndStarted => {
                world.end(Signal::TERM);
                thread::sleep(Duration::from_secs(2));
                world.spawn();
            }
            Self::OlderVersion => replace(world, VERSION - 1),
            Self::NewerVersion => replace(world, VERSION + 1),
            Self::StateDeleted => remove(&world.state()),
            Self::DiskFull => fill(&world.state().join("filler")),
            Self::ReadOnly => read_only(&world.dir.path().join("state")),
            Self::BuildRemoved => remove(world.view.parent().unwrap()),
            Self::SocketRemoved => fs::remove_file(world.view.join("sock")).unwrap(),
            Self::Truncated => each(&world.state().join("objects"), |_| Some(Vec::new())),
            Self::Corrupted => each(&world.state().join("objects"), |bytes| Some(bytes.iter().map(|b| !b).collect())),
            Self::Deleted => each(&world.state().join("objects"), |_| None),
            Self::RecordsGarbage => each(&world.state().join("records"), |_| Some(b"2\tc garbage\n".to_vec())),
            Self::ManySessions => many_sessions(world.view.join("sock").as_path()),
            Self::GarbageSession => garbage(world.view.join("sock").as_path()),
            Self::Slow => slow(&world.view),
            Self::TmpFull => {} // a matter of the command's own directories: see cell.rs
        }
    }
}

/// Makes a file system read-only, which has to wait for a moment in which no file is open for writing.
fn read_only(dir: &Path) {
    let flags = rustix::mount::MountFlags::RDONLY;
    for _ in 0..20_000 {
        match rustix::mount::mount_remount(dir, flags, c"") {
            Err(rustix::io::Errno::BUSY) => thread::sleep(Duration::from_micros(50)),
            done => return done.unwrap(),
        }
    }
    panic!("{} is never without a file open for writing", dir.display());
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

/// Puts other content, or nothing, in the place of each file. By rename: what was handed out already is not taken back,
/// as no cache could answer for that.
fn each(dir: &Path, change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
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

/// Writes until there is no space.
pub fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

/// Another daemon in the place of ours: it says its version and hangs up.
fn replace(world: &mut World, version: u32) {
    world.end(Signal::KILL);
    serve(&world.view.join("sock"), move |stream| {
        let mut input = BufReader::new(&stream);
        drop(read_json_line::<Hello>(&mut input, limits::HELLO_LINE));
        let welcome = Welcome { version, outputs: String::new(), error: Some("another version".into()) };
        drop(write_json_line(&stream, &welcome));
    });
}

/// Listens at a path, in the place of whoever listened there, and serves each connection in a thread.
fn serve(path: &Path, each: impl Fn(UnixStream) + Send + Clone + 'static) {
    let temporary = path.with_file_name("new");
    let listener = UnixListener::bind(&temporary).unwrap();
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o666)).unwrap();
    fs::rename(&temporary, path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
}

/// A daemon whose every answer takes its time.
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
            thread::sleep(SLOW);
            if (&client).write_all(&answer[..n]).is_err() {
                return;
            }
        }
    });
}

/// 64 clients that ask without a pause, for a while.
fn many_sessions(socket: &Path) {
    for _ in 0..64 {
        let socket = socket.to_owned();
        thread::spawn(move || {
            let began = Instant::now();
            let Ok(stream) = UnixStream::connect(socket) else { return };
            let mut input = BufReader::new(&stream);
            drop(write_json_line(&stream, &Hello::new(Toolchain::default())));
            drop(read_json_line::<Welcome>(&mut input, limits::HELLO_LINE));
            while began.elapsed() < LONG {
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

/// A client that says what no client says, again and again, for a while.
fn garbage(socket: &Path) {
    let socket = socket.to_owned();
    thread::spawn(move || {
        let began = Instant::now();
        while began.elapsed() < LONG {
            if let Ok(mut stream) = UnixStream::connect(&socket) {
                drop(stream.write_all(b"{\"version\":2,\"toolchain\":{\"goroot\":\"x\"}}\nP\0\0\0\0\xffgarbage"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
}
