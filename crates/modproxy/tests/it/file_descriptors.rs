//! A proxy without free file descriptors.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::fake_upstream::Upstream;
use crate::goproxy_list::Serving;
use crate::{get, go_mod, wait_until, whole};

const MOD: &str = "a.test/@v/v1.0.0.mod";

#[test]
fn without_file_descriptors_it_warns_once_and_accepts_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::with_files(&[(MOD, go_mod("a.test"))]);
    let log = dir.path().join("log");
    let mut child = Command::new("/bin/sh")
        .args(["-c", r#"ulimit -n 24; exec "$0" serve --listen 127.0.0.1:0 --upstream "$1" --store "$2""#])
        .args([env!("CARGO_BIN_EXE_modproxy"), &upstream.url()])
        .arg(dir.path().join("store"))
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let proxy = line.trim().strip_prefix("http://").unwrap().parse().unwrap();
    let _serving = Serving(child, proxy);

    let held: Vec<_> = (0..40).map(|_| TcpStream::connect(proxy).unwrap()).collect();
    let read_log = || std::fs::read_to_string(&log).unwrap();
    wait_until(|| read_log().contains("cannot accept connections"));
    std::thread::sleep(Duration::from_millis(500)); // some more attempts
    drop(held);
    wait_until(|| get(proxy, MOD) == whole(&go_mod("a.test")));
    let lines: Vec<_> =
        read_log().lines().filter(|line| line.contains("cannot accept connections")).map(str::to_owned).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
}
