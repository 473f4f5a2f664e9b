use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use proto::wire::Reply;
use testkit::{Daemon, Session, content, lose_bytes};

#[test]
fn live_builds_survive_a_stop_and_a_kill() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    session.put(1, b"shared");
    session.put(2, b"go index v2\nprivate");
    for kill in [true, false] {
        if kill {
            daemon.kill();
        } else {
            let log = daemon.stop();
            assert!(log.contains("cacheprogd stopped"), "{log}");
        }
        assert!(session.is_over());
        assert!(std::os::unix::net::UnixStream::connect(view.join("sock")).is_err());
        daemon.start_again();
        session = Session::open(&view, "/go");
        assert_eq!(content(&view, session.get(1)), b"shared");
        assert_eq!(content(&view, session.get(2)), b"go index v2\nprivate");
    }
    let status = daemon.status();
    assert_eq!(status.builds.live.len(), 1);
    assert_eq!(status.builds.live[0].name, "one");
    assert_eq!(status.builds.live[0].counts.hits, 4, "a clean stop keeps the counters");
}

#[test]
fn builds_that_ended_while_the_daemon_was_down_are_removed_after_their_minimum_life() {
    let mut daemon = Daemon::start();
    let (young, old) = (daemon.register("young"), daemon.register("old"));
    daemon.kill();
    for name in ["young", "old"] {
        std::fs::remove_dir_all(daemon.dir.path().join(format!("{name}.drv.chroot"))).unwrap();
    }
    let state = old.parent().unwrap().join("build.json");
    let mut saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    saved["started"] = (saved["started"].as_u64().unwrap() - 61).into();
    std::fs::write(&state, saved.to_string()).unwrap();
    daemon.start_again();
    for _ in 0..100 {
        if !old.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(!old.parent().unwrap().exists());
    assert!(young.exists(), "Nix may not have mounted it yet");
    let has_ended = |daemon: &Daemon, name| daemon.status().builds.ended.iter().any(|build| build.name == name);
    assert!(has_ended(&daemon, "old") && has_ended(&daemon, "young"), "both are over, whatever is left of them");
    daemon.stop();
    daemon.start_again();
    assert!(has_ended(&daemon, "old"), "history survives");
}

#[test]
fn a_directory_without_its_state_and_one_of_another_boot_are_removed() {
    let mut daemon = Daemon::start();
    let (torn, boot) = (daemon.register("torn"), daemon.register("boot"));
    daemon.kill();
    std::fs::write(torn.parent().unwrap().join("build.json"), "{\"name\"").unwrap();
    let state = boot.parent().unwrap().join("build.json");
    let mut saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    saved["boot"] = "another".into();
    std::fs::write(&state, saved.to_string()).unwrap();
    daemon.start_again();
    assert!(!torn.exists() && !boot.exists());
    assert!(daemon.status().builds.live.is_empty());
}

#[test]
fn a_second_daemon_on_the_state_directory_is_refused() {
    let daemon = Daemon::start();
    let other = daemon.dir.path().join("other.sock");
    let output = Command::new(env!("CARGO_BIN_EXE_cacheprogd"))
        .args(["serve", "--control-socket"])
        .arg(&other)
        .arg("--state-dir")
        .arg(daemon.state_dir())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use by another daemon"));
    assert!(!other.exists());
}

#[test]
fn wrong_settings_end_a_daemon_with_the_status_for_which_systemd_does_not_start_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("settings.toml");
    for (text, told) in [
        ("[trust]\nmax-age = \"9d\"\n", "`max-age` belongs above the first [section]"),
        ("min-free = \"900TiB\"\n", "leaves no room for the cache on a disk of"),
    ] {
        std::fs::write(&settings, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_cacheprogd"))
            .args(["serve", "--control-socket"])
            .arg(dir.path().join("control.sock"))
            .arg("--state-dir")
            .arg(dir.path().join("state"))
            .arg("--config")
            .arg(&settings)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78));
        assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{output:?}");
    }
    for unit in ["system", "user"] {
        let unit = format!("{}/../cacheprogctl/units/{unit}/nix-gocacheprog.service", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(unit).unwrap().contains("\nRestartPreventExitStatus=78\n"));
    }
}

/// Who held it would keep the daemon from starting. Needs root, to be another user.
#[test]
fn another_user_cannot_hold_the_lock_of_the_state_directory() {
    let Some(mut daemon) = Daemon::start_for_other_users() else { return };
    let lock = daemon.state_dir().join("lock");
    for mode in [0o600, 0o644] {
        // As a daemon of an earlier version left it.
        std::fs::set_permissions(&lock, PermissionsExt::from_mode(mode)).unwrap();
        daemon.stop();
        daemon.start_again();
        daemon.stop();
        let text = "import fcntl,sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX); print('held')";
        let mut python = Command::new("python3");
        let held = python.args(["-c", text]).arg(&lock).uid(4242).gid(4242).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&held.stdout), "", "{mode:o}");
        assert!(String::from_utf8_lossy(&held.stderr).contains("Permission denied"), "{held:?}");
        daemon.start_again();
    }
}

#[test]
fn a_state_directory_may_have_a_long_path() {
    // A socket's address holds 108 bytes.
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a-rather-long-directory-name".repeat(6));
    let mut child = Command::new(env!("CARGO_BIN_EXE_cacheprogd"))
        .args(["serve", "--control-socket"])
        .arg(deep.join("control.sock"))
        .arg("--state-dir")
        .arg(&deep)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let there = (0..2000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        deep.join("control.sock").exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(there);
}

#[test]
fn a_hundred_sessions_at_once_are_served() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut sessions: Vec<_> = (0..100).map(|_| Session::open(&view, "/go")).collect();
    for (n, session) in sessions.iter_mut().enumerate() {
        session.put(n as u8, &[n as u8; 1000]);
    }
    for (n, session) in sessions.iter_mut().rev().enumerate() {
        assert!(matches!(session.get(n as u8), Reply::Hit { .. }));
    }
    assert_eq!(daemon.status().builds.live[0].sessions, 100);
}

#[test]
fn a_build_whose_socket_cannot_be_bound_now_is_kept_and_restored_later() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").put(1, b"body");
    daemon.kill();
    // In the way of the new socket, as a full disk would be.
    std::fs::create_dir(view.join(".sock.new")).unwrap();
    daemon.start_again();
    assert!(view.join("o").exists(), "what the build was shown is in use");
    assert!(daemon.status().builds.live.is_empty());
    std::fs::remove_dir(view.join(".sock.new")).unwrap();
    let back = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        daemon.status().builds.live.len() == 1
    });
    assert!(back);
    assert_eq!(content(&view, Session::open(&view, "/go").get(1)), b"body");
}

#[test]
fn what_a_killed_daemon_left_unpublished_is_removed() {
    let mut daemon = Daemon::start();
    daemon.kill();
    let tmp = daemon.state_dir().join("tmp");
    std::fs::create_dir_all(tmp.join("ended-x/view/o")).unwrap();
    std::fs::write(tmp.join(".tmpabc"), "half").unwrap();
    daemon.start_again();
    let gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::fs::read_dir(&tmp).unwrap().count() == 0
    });
    assert!(gone);
}

#[test]
fn a_stopping_daemon_does_not_remove_the_socket_of_another_daemon() {
    let mut daemon = Daemon::start();
    std::fs::remove_file(daemon.control()).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(daemon.control()).unwrap();
    daemon.stop();
    assert!(daemon.control().exists());
}

#[test]
fn after_an_unclean_shutdown_objects_written_last_are_verified_before_they_are_served() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    session.put(1, b"lost in a power cut");
    session.put(2, b"kept");
    daemon.kill();
    lose_bytes(&daemon, b"lost in a power cut");
    daemon.start_again();
    let other = daemon.register("two");
    let mut session = Session::open(&other, "/go");
    assert_eq!(session.get(1), Reply::Miss);
    assert!(matches!(session.get(2), Reply::Hit { .. }));
    session.put(1, b"lost in a power cut");
    assert!(matches!(session.get(1), Reply::Hit { .. }));
    let log = daemon.stop();
    assert!(log.contains("unclean shutdown"), "{log}");
    assert!(daemon.state_dir().join("clean").exists());
    daemon.start_again();
    assert!(!daemon.state_dir().join("clean").exists());
    assert!(!daemon.stop().contains("unclean shutdown"));
}

#[test]
fn an_object_that_was_not_verified_yet_is_verified_by_the_daemon_after_the_next() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/go").put(1, b"lost in a power cut");
    daemon.kill();
    lose_bytes(&daemon, b"lost in a power cut");
    // The build is over: its links go, which changes the object's ctime.
    let state = std::fs::read_dir(daemon.state_dir().join("builds")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(state.join("build.json")).unwrap();
    let mut saved: serde_json::Value = serde_json::from_str(&text).unwrap();
    saved["boot"] = "another boot".into();
    std::fs::write(state.join("build.json"), saved.to_string()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    daemon.start_again();
    daemon.stop();
    daemon.start_again();
    let other = daemon.register("two");
    assert_eq!(Session::open(&other, "/go").get(1), Reply::Miss);
}
