//! The hook as a process: what it prints for a build, and that it always exits 0 within its deadline.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the parts of Nix and of a daemon in trouble")]

mod settings;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use proto::control::{Answer, Control, Descriptor, Envelope};

const WANTS: &str =
    r#"Derive([("out","/o","","")],[("/nix/store/0-nix-gocacheprog-hook.drv",["out"])],[],"x","/bin/sh",[],[])"#;
const WANTS_NOT: &str = r#"Derive([("out","/o","","")],[("/nix/store/0-other.drv",["out"])],[],"x","/bin/sh",[],[])"#;

/// A derivation, its chroot, a client, and a place for the control socket.
struct Nix {
    dir: tempfile::TempDir,
}

impl Nix {
    fn new(derivation: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.drv"), derivation).unwrap();
        std::fs::create_dir_all(dir.path().join("x.drv.chroot/root")).unwrap();
        let client = dir.path().join("cacheprog-client");
        std::fs::write(&client, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&client, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A daemon that does this with each connection.
    fn daemon(&self, serve: impl Fn(UnixStream) + Send + 'static) {
        let listener = UnixListener::bind(self.path("control")).unwrap();
        std::thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    }

    /// A daemon that counts who asks, and hangs up. The hook waits for its answer, so that it is counted when it ends.
    fn count(&self) -> Arc<AtomicUsize> {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        self.daemon(move |stream| {
            counted.fetch_add(1, SeqCst);
            drop(stream);
        });
        asked
    }

    /// The hook as Nix calls it, by the name that its settings lie beside.
    fn command(&self, args: &[&Path]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prebuild-hook"));
        command
            .arg0(self.path("hook"))
            .args(args)
            .env_clear()
            .env("NIX_GOCACHEPROG_CONTROL", self.path("control"))
            .env("NIX_GOCACHEPROG_CLIENT", self.path("cacheprog-client"))
            .env("NIX_GOCACHEPROG_MODPROXY", self.path("modproxy"));
        command
    }

    fn hook(&self, args: &[&Path]) -> (Output, Duration) {
        let began = Instant::now();
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "always exit 0: {output:?}");
        (output, began.elapsed())
    }

    /// A directory with a socket in it, which a daemon offers to whoever asks.
    fn offer(&self) -> UnixListener {
        let view = self.path("view");
        std::fs::create_dir(&view).unwrap();
        let socket = UnixListener::bind(view.join("sock")).unwrap();
        self.daemon(move |stream| drop(answer(&stream, &view)));
        socket
    }

    /// What is printed for a build that is offered the cache.
    fn offered(&self) -> String {
        let [view, client] = ["view", "cacheprog-client"].map(|name| self.path(name));
        format!("extra-sandbox-paths\n/gocache={}\n/gocache-client={}\n\n", view.display(), client.display())
    }

    fn run(&self) -> (Output, Duration) {
        self.hook(&[&self.path("x.drv"), &self.path("x.drv.chroot/root")])
    }
}

/// A daemon's answer: this directory.
fn answer(stream: &UnixStream, directory: &Path) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let answer = Answer::Registered { directory: directory.to_str().unwrap().to_owned() };
    proto::wire::write_json_line(stream, &answer).unwrap();
    line
}

#[test]
fn a_build_that_wants_it_is_offered_the_directory_and_the_client() {
    let nix = Nix::new(WANTS);
    let view = nix.path("view");
    std::fs::create_dir(&view).unwrap();
    let _socket = UnixListener::bind(view.join("sock")).unwrap();
    let (asked, heard) = std::sync::mpsc::sync_channel(1);
    nix.daemon(move |stream| asked.send(answer(&stream, &view)).unwrap());
    let (output, _) = nix.run();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), nix.offered());
    assert!(output.stderr.is_empty());
    let Envelope { request: Control::Register(registration), .. } =
        serde_json::from_str(&heard.recv().unwrap()).unwrap()
    else {
        panic!()
    };
    assert_eq!(registration.derivation, nix.path("x.drv").to_str().unwrap());
    assert_eq!(registration.chroot.as_deref(), nix.path("x.drv.chroot/root").to_str());
    // No Nix is among our ancestors, so there is no process of it to watch.
    assert_eq!(registration.descriptors, [Descriptor::Chroot]);
}

#[test]
fn the_module_proxy_is_offered_where_it_is_there_and_can_run() {
    let nix = Nix::new(WANTS);
    let view = nix.path("view");
    std::fs::create_dir(&view).unwrap();
    let _socket = UnixListener::bind(view.join("sock")).unwrap();
    nix.daemon(move |stream| drop(answer(&stream, &view)));
    let modproxy = nix.path("modproxy");
    let offered = || String::from_utf8(nix.run().0.stdout).unwrap();
    assert!(offered().ends_with("/cacheprog-client\n\n"));
    std::fs::write(&modproxy, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&modproxy, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(offered().ends_with("/cacheprog-client\n\n"), "builds could not run it");
    std::fs::set_permissions(&modproxy, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(offered().ends_with(&format!("/cacheprog-client\n/gocache-modproxy={}\n\n", modproxy.display())));
}

#[test]
fn a_build_that_does_not_want_it_is_no_ones_business() {
    let nix = Nix::new(WANTS_NOT);
    let asked = nix.count();
    let (output, _) = nix.run();
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(asked.load(SeqCst), 0, "no socket call for a build that does not opt in");
}

/// Nothing printed, within the deadline, and a line in the journal that says why.
fn nothing(nix: &Nix, why: &str) {
    let (output, took) = nix.run();
    assert!(output.stdout.is_empty(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(why), "{told}");
    assert!(took < Duration::from_secs(10), "{took:?}"); // the deadline of 1 s, and a machine under load
}

#[test]
fn without_a_daemon_nothing_is_offered() {
    nothing(&Nix::new(WANTS), "no daemon answers");
}

#[test]
fn a_daemon_that_never_answers_does_not_hold_the_build_up() {
    let nix = Nix::new(WANTS);
    nix.daemon(|stream| std::thread::sleep(Duration::from_secs(if stream.peer_addr().is_ok() { 60 } else { 0 })));
    nothing(&nix, "");
}

#[test]
fn a_daemon_whose_queue_is_full_does_not_hold_the_build_up() {
    let nix = Nix::new(WANTS);
    let _listener = UnixListener::bind(nix.path("control")).unwrap(); // accepts nobody
    let flags = rustix::net::SocketFlags::NONBLOCK;
    let address = rustix::net::SocketAddrUnix::new(nix.path("control")).unwrap();
    let mut waiting = Vec::new();
    loop {
        let (family, kind) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM);
        let socket = rustix::net::socket_with(family, kind, flags, None).unwrap();
        if rustix::net::connect(&socket, &address).is_err() {
            break;
        }
        waiting.push(socket);
    }
    nothing(&nix, "no daemon answers");
}

#[test]
fn answers_that_make_no_sense_are_not_passed_on() {
    for nonsense in ["", "{}\n", "\"x\"\n", "{\"registered\":{\"directory\":\"relative\"}}\n", "{\"error\":\"full\"}\n"]
    {
        let nix = Nix::new(WANTS);
        nix.daemon(move |mut stream| {
            drop(BufReader::new(&stream).read_line(&mut String::new()));
            drop(stream.write_all(nonsense.as_bytes()));
        });
        nothing(&nix, "goes without a cache");
    }
}

#[test]
fn a_directory_that_nix_could_not_mount_is_not_offered() {
    for name in ["gone", "without-socket", "two\nlines"] {
        let nix = Nix::new(WANTS);
        let view = nix.path(name);
        if name != "gone" {
            std::fs::create_dir(&view).unwrap();
        }
        let _socket = (name == "two\nlines").then(|| UnixListener::bind(view.join("sock")).unwrap());
        nix.daemon(move |stream| drop(answer(&stream, &view)));
        nothing(&nix, "cannot be mounted");
    }
}

#[test]
fn a_client_that_a_build_could_not_run_is_not_offered() {
    let nix = Nix::new(WANTS);
    let asked = nix.count();
    std::fs::set_permissions(nix.path("cacheprog-client"), std::fs::Permissions::from_mode(0o744)).unwrap();
    nothing(&nix, "cannot be offered as the client");
    std::fs::remove_file(nix.path("cacheprog-client")).unwrap();
    nothing(&nix, "cannot be offered as the client");
    std::fs::create_dir(nix.path("cacheprog-client")).unwrap();
    nothing(&nix, "cannot be offered as the client");
    assert_eq!(asked.load(SeqCst), 0, "the client is looked at first");
}

/// Needs root, to give a directory to another user.
#[test]
fn what_lies_in_another_users_closed_directory_is_not_offered() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let nix = Nix::new(WANTS);
    let home = nix.path("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::rename(nix.path("cacheprog-client"), home.join("cacheprog-client")).unwrap();
    std::os::unix::fs::symlink(home.join("cacheprog-client"), nix.path("cacheprog-client")).unwrap();
    std::os::unix::fs::chown(&home, Some(4242), Some(4242)).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    nothing(&nix, "is closed to other users");
}

#[test]
fn odd_derivations_are_left_alone() {
    for odd in ["", "Derive(", &WANTS[..90], "\x7fELF", &WANTS.replace("Derive", "Derive\u{0}")] {
        let nix = Nix::new(odd);
        let asked = nix.count();
        let (output, _) = nix.run();
        assert!(output.stdout.is_empty(), "{odd:?}");
        assert_eq!(asked.load(SeqCst), 0, "{odd:?}");
    }
    let nix = Nix::new(WANTS);
    for args in
        [&[][..], &[Path::new("")], &[Path::new("/"), Path::new("")], &[Path::new("/dev/null"), Path::new("/dev/null")]]
    {
        let (output, _) = nix.hook(args);
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
