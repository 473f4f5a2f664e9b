use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64_simd::STANDARD;

use crate::fake_go::Go;
use crate::output;

pub(crate) fn start(dir: &Path) -> Go {
    Go::start(dir, &["--store", dir.join("store").to_str().unwrap()], &[])
}

#[test]
fn the_next_process_gets_what_one_puts() {
    let dir = tempfile::tempdir().unwrap();
    let bodies: [&[u8]; 5] = [b"", b"x", b"go index v2\nmtimes mean something here", &[7; 65_537], &[9; 3_000_001]];
    let mut go = start(dir.path());
    for (n, body) in bodies.iter().enumerate() {
        assert_eq!(go.get(n as u8), None);
        let path = go.put(n as u8, body);
        assert!(path.starts_with(dir.path().join("gocache").to_str().unwrap()), "safe from go build -o: {path}");
        assert_eq!(go.get(n as u8).unwrap(), *body);
    }
    go.finish();
    let mut go = start(dir.path());
    for (n, body) in bodies.iter().enumerate() {
        assert_eq!(go.get(n as u8).unwrap(), *body);
    }
    go.finish();
}

#[test]
fn without_a_flag_or_a_socket_the_store_is_in_the_cache_directory() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("xdg");
    let mut go = Go::start(dir.path(), &[], &[("XDG_CACHE_HOME", cache.to_str().unwrap())]);
    go.put(1, b"body");
    go.finish();
    assert!(cache.join("nix-gocacheprog/objects").is_dir());
    assert_eq!(cache.join("nix-gocacheprog").metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let mut go = Go::start(dir.path(), &[], &[("HOME", dir.path().to_str().unwrap())]);
    go.put(1, b"body");
    go.finish();
    assert!(dir.path().join(".cache/nix-gocacheprog/objects").is_dir());
}

#[test]
fn a_stale_result_is_replaced_with_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let time = |go: &mut Go| {
        let id = go.ask_get(1);
        go.answer(id)["Time"].as_str().unwrap().to_owned()
    };
    let mut go = start(dir.path());
    go.put(1, b"ok m 0.01s");
    go.finish();
    let mut go = start(dir.path());
    let before = time(&mut go);
    go.put(1, b"ok m 0.02s");
    go.finish();
    let mut go = start(dir.path());
    assert_eq!(go.get(1).unwrap(), b"ok m 0.02s");
    let after = time(&mut go);
    assert!(after > before, "{after} {before}");
    go.put(1, b"ok m 0.02s"); // the same again: go clean -testcache needs the later time
    go.finish();
    let mut go = start(dir.path());
    assert!(time(&mut go) > after);
}

#[test]
fn the_protocol_of_go_1_21_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    let (id, hash) = (STANDARD.encode_to_string([1; 32]), output(b"body").to_base64());
    let header =
        format!("{{\"ID\":1,\"Command\":\"put\",\"ActionID\":\"{id}\",\"ObjectID\":\"{hash}\",\"BodySize\":4}}");
    go.raw(format!("{header}\n\n\"Ym9keQ==\"\n").as_bytes());
    go.expect_ids(1);
    go.stored(1);
    assert_eq!(go.get(1).unwrap(), b"body");
    go.finish();
}

#[test]
fn invalid_requests_get_an_error_and_nothing_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    let a = STANDARD.encode_to_string([1; 32]);
    let cases = [
        (r#"{"ID":1,"Command":"get","ActionID":"AAAA"}"#.to_owned(), "ActionID has 3 bytes, not 32"),
        (
            format!(r#"{{"ID":2,"Command":"put","ActionID":"{a}","OutputID":"{a}","BodySize":3}}"#) + "\n\n\"QUJD\"",
            "sha256",
        ),
        (
            format!(r#"{{"ID":3,"Command":"put","ActionID":"{a}","OutputID":"{a}","BodySize":4}}"#) + "\n\n\"QUJD\"",
            "declared 4 bytes",
        ),
        (
            format!(r#"{{"ID":4,"Command":"put","ActionID":"{a}","OutputID":"{a}","BodySize":2}}"#) + "\n\n\"QUJD\"",
            "declared 2 bytes",
        ),
        (
            format!(r#"{{"ID":5,"Command":"put","ActionID":"{a}","OutputID":"{a}","BodySize":3}}"#) + "\n\n\"Q*JD\"",
            "not base64",
        ),
        (r#"{"ID":6,"Command":"evict"}"#.to_owned(), "unknown command"),
    ];
    for (n, (request, expected)) in cases.iter().enumerate() {
        go.raw(format!("{request}\n\n").as_bytes());
        go.expect_ids(n as i64 + 1);
        let answer = go.answer(n as i64 + 1);
        assert!(answer["Err"].as_str().unwrap().contains(expected), "{answer}");
    }
    go.expect_ids(10);
    assert_eq!(go.get(1), None);
    go.put(2, b"good");
    assert_eq!(go.get(2).unwrap(), b"good");
    go.finish();
    assert_eq!(std::fs::read_dir(dir.path().join("store/tmp")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(dir.path().join("store/objects")).unwrap().count(), 1);
}

#[test]
fn a_put_that_go_abandons_is_not_answered() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    let (id, hash) = (STANDARD.encode_to_string([1; 32]), output(&[0; 300]).to_base64());
    go.raw(format!("{{\"ID\":77,\"Command\":\"put\",\"ActionID\":\"{id}\",\"OutputID\":\"{hash}\",\"BodySize\":300}}\n\n\"AAAAAAAA").as_bytes());
    assert_eq!(go.get(1), None, "an answer to 77 would be unknown");
    go.finish();
}

#[test]
fn go_killed_within_a_body_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    let (id, hash) = (STANDARD.encode_to_string([1; 32]), output(&[0; 300_000]).to_base64());
    go.raw(format!("{{\"ID\":1,\"Command\":\"put\",\"ActionID\":\"{id}\",\"OutputID\":\"{hash}\",\"BodySize\":300000}}\n\n\"AAAAAAAA").as_bytes());
    go.finish();
    assert_eq!(std::fs::read_dir(dir.path().join("store/tmp")).unwrap().count(), 0);
}

#[test]
fn where_the_store_cannot_be_used_the_spool_is_used() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    std::fs::create_dir(dir.path().join("other")).unwrap();
    std::fs::write(dir.path().join("other/format"), "another").unwrap();
    for store in ["file/store", "file", "other", "two\nlines"] {
        let store = dir.path().join(store);
        let mut go = Go::start(dir.path(), &["--store", store.to_str().unwrap()], &[]);
        for (n, body) in [b"x".as_slice(), &[7; 100_000]].into_iter().enumerate() {
            let path = go.put(n as u8, body);
            assert!(path.starts_with(dir.path().join("gocache").to_str().unwrap()), "{path}");
            assert_eq!(go.get(n as u8).unwrap(), body);
        }
        go.finish();
    }
    assert!(!dir.path().join("two\nlines").exists());
}

#[test]
fn puts_that_a_full_store_has_no_room_for_are_found_again() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    go.put(1, b"before");
    // As on a full disk no new file can be made. Root may write to any directory, so this is no directory any more.
    let tmp = dir.path().join("store/tmp");
    std::fs::remove_dir(&tmp).unwrap();
    std::fs::write(&tmp, "").unwrap();
    std::fs::set_permissions(&tmp, std::fs::Permissions::from_mode(0o400)).unwrap();
    go.put(2, b"a list of sources"); // go list -compiled fails if it does not find this
    assert_eq!(go.get(2).unwrap(), b"a list of sources");
    let id = go.ask_put(3, &[7; 100_000]);
    go.stored(id);
    assert_eq!(go.get(3), None);
    assert_eq!(go.get(1).unwrap(), b"before");
    go.finish();
}

#[test]
fn interrupts_are_for_the_go_command() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    go.put(1, b"body");
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::QUIT] {
        rustix::process::kill_process(go.pid(), signal).unwrap();
    }
    assert_eq!(go.get(1).unwrap(), b"body");
    assert!(go.is_running());
    go.finish();
}

#[test]
fn close_is_answered_though_it_was_not_declared() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    go.raw(b"{\"ID\":5,\"Command\":\"close\"}\n\n");
    go.expect_ids(5);
    assert_eq!(go.answer(5), serde_json::json!({"ID": 5}));
    go.finish();
}

#[test]
fn env_outside_a_sandbox_fails_and_gives_a_user_the_reason() {
    let env = |args: &[&str], more: &[(&str, &str)]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cacheprog-client"));
        command.arg("env").args(args).env_clear().env("NIX_GOCACHEPROG_HOST", "/does/not/exist");
        let output = command.envs(more.iter().copied()).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let reason = "nix-gocacheprog: no session: no daemon at /does/not/exist: No such file or directory (os error 2); set \
                  NIX_GOCACHEPROG_HOST, or see docs/how-to/without-a-sandbox.md\n";
    assert_eq!(env(&[], &[]), reason);
    let phase = "postConfigure"; // a setup hook's: nothing is for the log of a build
    assert_eq!(env(&[phase], &[]), "");
    assert_eq!(env(&[phase], &[("NIX_GOCACHEPROG_VERBOSE", "1")]), reason);
    let wrong = std::process::Command::new(env!("CARGO_BIN_EXE_cacheprog-client")).arg("--frob").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--frob"));
}

#[test]
fn standard_output_has_answers_only() {
    let dir = tempfile::tempdir().unwrap();
    let go = start(dir.path());
    let descriptors = format!("/proc/{}/fd", go.pid().as_raw_nonzero());
    assert_eq!(std::fs::read_link(format!("{descriptors}/1")).unwrap(), Path::new("/dev/null"));
    go.finish();
}

#[test]
fn a_go_command_that_stops_reading_gets_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    go.stop_reading();
    for n in 0..50 {
        go.ask_get(n);
        go.ask_put(n, b"body");
    }
    assert_eq!(go.end(), (Some(0), String::new()));
}

#[test]
fn a_body_of_forty_megabytes_takes_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut go = start(dir.path());
    go.put(1, &vec![7; 40 << 20]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", go.pid().as_raw_nonzero())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 8 << 10, "{kib} KiB");
    go.finish();
}

#[test]
fn a_wrong_size_is_warned_of_in_one_line_and_fails_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = |verbose| {
        let env = [("NIX_GOCACHEPROG_MAX_SIZE", "much"), ("NIX_GOCACHEPROG_VERBOSE", verbose)];
        let mut go = Go::start(dir.path(), &["--store", dir.path().join("store").to_str().unwrap()], &env);
        go.put(1, b"body");
        let (code, log) = go.end();
        assert_eq!(code, Some(0));
        log
    };
    for wrong in [log("1"), log("0")] {
        assert!(wrong.starts_with("nix-gocacheprog: NIX_GOCACHEPROG_MAX_SIZE: write a size such as 50GiB"), "{wrong}");
        assert!(wrong.ends_with("; using the default\n") && wrong.lines().count() == 1, "{wrong}");
    }
}

#[test]
fn once_a_day_a_store_is_evicted_to_its_limit_after_the_last_answer() {
    let dir = tempfile::tempdir().unwrap();
    let env = [("NIX_GOCACHEPROG_MAX_SIZE", "64MiB")];
    let run = || Go::start(dir.path(), &["--store", dir.path().join("store").to_str().unwrap()], &env);
    let totals =
        || store::Store::open(&dir.path().join("store"), store::Access::Owner).unwrap().evictor().count().unwrap();
    let mut go = run();
    let bodies: Vec<_> = (0..4u8).map(|n| vec![n; 17 << 20]).collect();
    bodies.iter().zip(0..).for_each(|(body, n)| drop(go.put(n, body)));
    go.finish();
    assert_eq!(totals().objects, 4, "a new store is maintained after its first day");
    let tended = dir.path().join("store/tended");
    let yesterday = tended.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(25 * 3600);
    let age = |path: &Path| std::fs::File::open(path).unwrap().set_modified(yesterday).unwrap();
    age(&tended);
    files(&dir.path().join("store/records")).iter().for_each(|record| age(record));
    let mut go = run();
    assert_eq!(go.get(3).unwrap(), bodies[3]);
    go.finish();
    let left = totals();
    assert!(left.objects < 4 && left.bytes <= 64 << 20, "{left:?}");
    assert!(left.objects > 0, "what was used today stays");
    assert!(tended.metadata().unwrap().modified().unwrap() > yesterday);
    assert!(dir.path().join("store/synced").exists());
    // Maintenance runs once a day: a put now stays, at any size.
    let mut go = run();
    let hits = (0..4).filter(|&n| go.get(n).is_some()).count() as u64;
    assert_eq!(hits, left.entries);
    go.put(5, &vec![5; 17 << 20]);
    go.finish();
    assert_eq!(totals().entries, left.entries + 1);
}

pub(crate) fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
