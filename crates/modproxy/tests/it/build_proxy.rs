//! The proxy that the setup hook starts for one build: its life follows the build's shell.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::fake_upstream::Upstream;
use crate::{get, go_mod, status, whole};

/// A shell whose go command has this GOPROXY. It runs the commands that it reads from its standard input.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

impl Shell {
    fn new(dir: &Path, list: &str) -> Self {
        let go = dir.join("go");
        std::fs::write(&go, format!("#!/bin/sh\necho '{list}'; echo sum.test; echo netrc\n")).unwrap();
        std::fs::set_permissions(&go, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = Command::new("/bin/sh")
            .env("PATH", format!("{}:/usr/bin:/bin", dir.display()))
            .env("MODPROXY", env!("CARGO_BIN_EXE_modproxy"))
            .env("NIX_GOCACHEPROG_SOCKET", dir.join("no.sock"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn run(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Runs what the setup hook runs; returns its output.
    fn start_proxy(&mut self) -> String {
        self.run(r#"if list=$("$MODPROXY" beside $$); then echo "$list"; else echo none; fi"#)
    }
}

#[test]
fn the_proxy_listens_when_beside_returns_and_ends_with_the_shell() {
    let dir = tempfile::tempdir().unwrap();
    let path = "a.test/@v/v1.0.0.mod";
    let upstream = Upstream::with_files(&[(path, go_mod("a.test"))]);
    let own = format!("{}|https://b.test,direct", upstream.url());
    let mut shell = Shell::new(dir.path(), &own);
    let list = shell.start_proxy();
    let (ours, rest) = list.split_once('|').unwrap();
    assert_eq!(rest, own, "the build's own list follows");
    let (address, secret) = ours.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let address = address.parse::<std::net::SocketAddr>().unwrap();
    assert!(address.ip().is_loopback() && secret.len() == 32, "{ours}");
    assert_eq!(get(address, &format!("{secret}/{path}")), whole(&go_mod("a.test")));
    assert_eq!(status(&get(address, path)), Some(404), "without the secret");
    assert_eq!(status(&get(address, &format!("{}/{path}", "0".repeat(32)))), Some(404));
    assert_eq!(upstream.requests().len(), 1);
    drop(shell.input);
    shell.child.wait().unwrap();
    for _ in 0..500 {
        if TcpStream::connect(address).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the proxy outlives the build");
}

#[test]
fn beside_prints_nothing_where_the_list_begins_with_no_server() {
    for list in ["off", "direct", "direct,https://a.test", "file:///srv", "word", ""] {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Shell::new(dir.path(), list).start_proxy(), "none", "{list}");
    }
}

#[test]
fn beside_prints_nothing_without_a_go_command() {
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Shell::new(dir.path(), "https://a.test");
    std::fs::write(dir.path().join("go"), "#!/bin/sh\nexit 1\n").unwrap();
    assert_eq!(shell.start_proxy(), "none");
}
