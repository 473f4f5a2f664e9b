//! The hook as a process: what it prints for a build, and that it always exits 0 within its deadline.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests take the roles of Nix and of a failing daemon")]

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

const OPTS_IN: &str =
    r#"Derive([("out","/o","","")],[("/nix/store/0-nix-gocacheprog-hook.drv",["out"])],[],"x","/bin/sh",[],[])"#;
const DOES_NOT_OPT_IN: &str =
    r#"Derive([("out","/o","","")],[("/nix/store/0-other.drv",["out"])],[],"x","/bin/sh",[],[])"#;

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

    /// Starts a daemon that serves each connection with this function.
    fn daemon(&self, serve: impl Fn(UnixStream) + Send + 'static) {
        let listener = UnixListener::bind(self.path("control")).unwrap();
        std::thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    }

    /// Starts a daemon that counts connections and closes them. The hook waits for an answer, so it is counted before it ends.
    fn counting_daemon(&self) -> Arc<AtomicUsize> {
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        self.daemon(move |stream| {
            counted.fetch_add(1, SeqCst);
            drop(stream);
        });
        connections
    }

    /// The hook as Nix calls it: by a path beside which its settings are.
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

    fn run_with(&self, args: &[&Path]) -> (Output, Duration) {
        let began = Instant::now();
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "always exit 0: {output:?}");
        (output, began.elapsed())
    }

    /// Starts a daemon that offers a directory with a socket to every build.
    fn offering_daemon(&self) -> UnixListener {
        let view = self.path("view");
        std::fs::create_dir(&view).unwrap();
        let socket = UnixListener::bind(view.join("sock")).unwrap();
        self.daemon(move |stream| drop(answer(&stream, &view)));
        socket
    }

    /// The output for a build that is offered the cache.
    fn offered(&self) -> String {
        let [view, client] = ["view", "cacheprog-client"].map(|name| self.path(name));
        format!("extra-sandbox-paths\n/gocache={}\n/gocache-client={}\n\n", view.display(), client.display())
    }

    fn run(&self) -> (Output, Duration) {
        self.run_with(&[&self.path("x.drv"), &self.path("x.drv.chroot/root")])
    }
}

/// Reads a request and answers with this directory.
fn answer(stream: &UnixStream, directory: &Path) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    let answer = Answer::Registered { directory: directory.to_str().unwrap().to_owned() };
    proto::wire::write_json_line(stream, &answer).unwrap();
    line
}

#[test]
fn a_build_that_opts_in_is_offered_the_directory_and_the_client() {
    let nix = Nix::new(OPTS_IN);
    let view = nix.path("view");
    std::fs::create_dir(&view).unwrap();
    let _socket = UnixListener::bind(view.join("sock")).unwrap();
    let (send, requests) = std::sync::mpsc::sync_channel(1);
    nix.daemon(move |stream| send.send(answer(&stream, &view)).unwrap());
    let (output, _) = nix.run();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), nix.offered());
    assert!(output.stderr.is_empty());
    let Envelope { request: Control::Register(registration), .. } =
        serde_json::from_str(&requests.recv().unwrap()).unwrap()
    else {
        panic!()
    };
    assert_eq!(registration.derivation, nix.path("x.drv").to_str().unwrap());
    assert_eq!(registration.chroot.as_deref(), nix.path("x.drv.chroot/root").to_str());
    // No ancestor of this test is Nix, so there is no process to watch.
    assert_eq!(registration.descriptors, [Descriptor::Chroot]);
}

#[test]
fn the_module_proxy_is_offered_where_builds_can_run_it() {
    let nix = Nix::new(OPTS_IN);
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
fn a_build_that_does_not_opt_in_is_not_registered() {
    let nix = Nix::new(DOES_NOT_OPT_IN);
    let connections = nix.counting_daemon();
    let (output, _) = nix.run();
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(connections.load(SeqCst), 0, "no connection for a build that does not opt in");
}

/// Asserts that the hook prints nothing, ends within the deadline, and gives this reason on standard error.
fn assert_offers_nothing(nix: &Nix, reason: &str) {
    let (output, elapsed) = nix.run();
    assert!(output.stdout.is_empty(), "{output:?}");
    let warnings = String::from_utf8_lossy(&output.stderr);
    assert!(warnings.contains(reason), "{warnings}");
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}"); // the deadline is 1 s; the machine may be busy
}

#[test]
fn without_a_daemon_nothing_is_offered() {
    assert_offers_nothing(&Nix::new(OPTS_IN), "no daemon answers");
}

#[test]
fn a_daemon_that_never_answers_does_not_delay_the_build() {
    let nix = Nix::new(OPTS_IN);
    nix.daemon(|stream| std::thread::sleep(Duration::from_secs(if stream.peer_addr().is_ok() { 60 } else { 0 })));
    assert_offers_nothing(&nix, "");
}

#[test]
fn a_daemon_with_a_full_queue_does_not_delay_the_build() {
    let nix = Nix::new(OPTS_IN);
    let _listener = UnixListener::bind(nix.path("control")).unwrap(); // accepts no connection
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
    assert_offers_nothing(&nix, "no daemon answers");
}

#[test]
fn invalid_answers_are_not_passed_on() {
    for invalid in ["", "{}\n", "\"x\"\n", "{\"registered\":{\"directory\":\"relative\"}}\n", "{\"error\":\"full\"}\n"]
    {
        let nix = Nix::new(OPTS_IN);
        nix.daemon(move |mut stream| {
            drop(BufReader::new(&stream).read_line(&mut String::new()));
            drop(stream.write_all(invalid.as_bytes()));
        });
        assert_offers_nothing(&nix, "no cache for this build");
    }
}

#[test]
fn a_directory_that_nix_could_not_mount_is_not_offered() {
    for name in ["gone", "without-socket", "two\nlines"] {
        let nix = Nix::new(OPTS_IN);
        let view = nix.path(name);
        if name != "gone" {
            std::fs::create_dir(&view).unwrap();
        }
        let _socket = (name == "two\nlines").then(|| UnixListener::bind(view.join("sock")).unwrap());
        nix.daemon(move |stream| drop(answer(&stream, &view)));
        assert_offers_nothing(&nix, "cannot be mounted");
    }
}

#[test]
fn a_client_that_a_build_could_not_run_is_not_offered() {
    let nix = Nix::new(OPTS_IN);
    let connections = nix.counting_daemon();
    std::fs::set_permissions(nix.path("cacheprog-client"), std::fs::Permissions::from_mode(0o744)).unwrap();
    assert_offers_nothing(&nix, "cannot be offered as the client");
    std::fs::remove_file(nix.path("cacheprog-client")).unwrap();
    assert_offers_nothing(&nix, "cannot be offered as the client");
    std::fs::create_dir(nix.path("cacheprog-client")).unwrap();
    assert_offers_nothing(&nix, "cannot be offered as the client");
    assert_eq!(connections.load(SeqCst), 0, "the client is checked first");
}

/// Needs root, to give a directory to another user.
#[test]
fn a_client_in_another_users_closed_directory_is_not_offered() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let nix = Nix::new(OPTS_IN);
    let home = nix.path("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::rename(nix.path("cacheprog-client"), home.join("cacheprog-client")).unwrap();
    std::os::unix::fs::symlink(home.join("cacheprog-client"), nix.path("cacheprog-client")).unwrap();
    std::os::unix::fs::chown(&home, Some(4242), Some(4242)).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_offers_nothing(&nix, "is closed to other users");
}

#[test]
fn invalid_derivations_and_arguments_are_offered_nothing() {
    for text in ["", "Derive(", &OPTS_IN[..90], "\x7fELF", &OPTS_IN.replace("Derive", "Derive\u{0}")] {
        let nix = Nix::new(text);
        let connections = nix.counting_daemon();
        let (output, _) = nix.run();
        assert!(output.stdout.is_empty(), "{text:?}");
        assert_eq!(connections.load(SeqCst), 0, "{text:?}");
    }
    let nix = Nix::new(OPTS_IN);
    for args in
        [&[][..], &[Path::new("")], &[Path::new("/"), Path::new("")], &[Path::new("/dev/null"), Path::new("/dev/null")]]
    {
        let (output, _) = nix.run_with(args);
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn what_is_not_a_call_of_nix_registers_nothing() {
    let nix = Nix::new(OPTS_IN);
    let connections = nix.counting_daemon();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for (args, stdout, stderr) in [
        (&["--help"][..], "usage: prebuild-hook DRV [CHROOT]", ""),
        (&["-h"], "usage: prebuild-hook DRV [CHROOT]", ""),
        (&["--version"], concat!("prebuild-hook ", env!("CARGO_PKG_VERSION"), "\n"), ""),
        (&["--frob"], "", "usage: prebuild-hook DRV [CHROOT]"),
        (&[], "", "usage: prebuild-hook DRV [CHROOT]"),
    ] {
        let args: Vec<_> = args.iter().map(Path::new).collect();
        let (output, _) = nix.run_with(&args);
        assert!(
            text(&output.stdout).starts_with(stdout) && output.stdout.is_empty() == stdout.is_empty(),
            "{output:?}"
        );
        assert!(
            text(&output.stderr).starts_with(stderr) && output.stderr.is_empty() == stderr.is_empty(),
            "{output:?}"
        );
    }
    assert_eq!(connections.load(SeqCst), 0);
}
