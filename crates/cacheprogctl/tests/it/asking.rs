use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

use proto::wire::Reply;
use serde_json::Value;
use testkit::{Daemon, Session, profile};

use crate::command;

/// Ends a build as Nix does, as if it had been registered a minute ago.
fn end(daemon: &mut Daemon, name: &str) {
    daemon.stop();
    for entry in std::fs::read_dir(daemon.state_dir().join("builds")).unwrap() {
        let state = entry.unwrap().path().join("build.json");
        let mut saved: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
        saved["started"] = (saved["started"].as_u64().unwrap() - 61).into();
        std::fs::write(&state, saved.to_string()).unwrap();
    }
    daemon.start_again();
    std::fs::remove_dir_all(daemon.dir.path().join(format!("{name}.drv.chroot"))).unwrap();
    let over = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let kept = std::fs::read_dir(daemon.state_dir().join("accounts")).unwrap().count() > 0;
        kept && daemon.status().builds.live.is_empty()
    });
    assert!(over);
}

#[test]
fn profiles_and_usage_survive_the_build_and_the_daemon() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one-1.0");
    let mut session = Session::open(&view, "/go");
    assert_eq!(session.get(1), Reply::Miss);
    session.put(1, b"body");
    session.get(1);
    session.put(2, b"go index v2\nprivate");
    end(&mut daemon, "one-1.0");
    let status = daemon.status();
    assert_eq!((status.usage.hour.builds, status.usage.month.counts.gets), (1, 2));
    let short = status.builds.ended[0].short.clone();
    let others = profile(&daemon, &short).unwrap()["others"].as_array().unwrap().clone();
    let field = |n: usize, field: &str| others[n][field].as_str().unwrap_or_default().to_owned();
    assert_eq!((field(0, "came"), field(0, "fate"), field(0, "what")), ("miss".into(), "shared".into(), "rest".into()));
    assert_eq!(
        (field(1, "came"), field(1, "fate"), field(1, "what")),
        ("unasked".into(), "private".into(), "mtime".into())
    );
    daemon.stop();
    daemon.start_again();
    assert_eq!(daemon.status().usage.month.counts.gets, 2);
    let (code, text, error) = command(&daemon, &["why", "one"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(text.contains("first build\t1\t"), "{text}");
    let (code, text, _) = command(&daemon, &["builds", "--json"]);
    assert_eq!(code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["ended"][0]["name"], "one-1.0");
}

#[test]
fn unknown_names_fail_with_the_nearest_names() {
    let daemon = Daemon::start();
    daemon.register("caddy-2.10");
    for arguments in [["why", "cady"], ["builds", "cadi"]] {
        let (code, _, error) = command(&daemon, &arguments);
        assert_eq!(code, Some(1));
        assert!(error.contains("did you mean caddy-2.10?"), "{error}");
    }
}

#[test]
fn without_a_daemon_the_error_has_its_cause_and_a_fix() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"))
        .args(["status", "--control-socket"])
        .arg(dir.path().join("none"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("none: No such file or directory"), "{error}");
    assert!(error.contains("fix: run `systemctl start nix-gocacheprog.socket`"), "{error}");
}

#[test]
fn where_something_listens_and_does_not_answer_the_error_says_what_to_look_at() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let ask = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"));
        let output = command.args(["status", "--control-socket"]).arg(&socket).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("`cacheprogctl check /etc/nix-gocacheprog.toml` tells whether"), "{error}");
        error
    };
    let error = ask();
    assert!(error.contains("control.sock: nothing came within 10 s\n") && !error.contains("os error"), "{error}");
    // As systemd does where the daemon ends without having taken the connection.
    let closing = std::thread::Builder::new().spawn(move || listener.incoming().take(2).for_each(drop));
    assert!(ask().contains("control.sock: the connection was closed\n"));
    closing.unwrap().join().unwrap();
}

#[test]
fn without_a_daemon_the_module_proxy_is_in_the_status() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    std::fs::create_dir(dir.path().join("nix-gocacheprog-modproxy")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::fs::write(dir.path().join("nix-gocacheprog-modproxy/url"), &url).unwrap();
    let answering = std::thread::Builder::new().spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    });
    let output = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"))
        .args(["status", "--json", "--control-socket"])
        .arg(dir.path().join("none"))
        .env("XDG_RUNTIME_DIR", dir.path())
        .output()
        .unwrap();
    answering.unwrap().join().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["modproxy"]["url"], url);
}

/// Needs root, to act as another user; CI and `integration/test` run as root.
#[test]
fn another_user_is_refused_by_the_control_socket() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let daemon = Daemon::start();
    // The modes allow every user: the daemon decides by the credentials. The program is where other users can run it.
    let program = daemon.dir.path().join("cacheprogctl");
    testkit::copy_program(env!("CARGO_BIN_EXE_cacheprogctl"), &program);
    for (path, mode) in [(daemon.dir.path(), 0o755), (&daemon.control(), 0o666), (&program, 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let status = || {
        let mut command = Command::new(&program);
        command.args(["status", "--control-socket"]).arg(daemon.control());
        command
    };
    let refused = status().uid(4242).gid(4242).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("only root and the daemon's own user"), "{error}");
    assert!(status().output().unwrap().status.success(), "and nothing else was in the way");
}
