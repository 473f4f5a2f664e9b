//! What a service has besides modules: health, metrics, a log of requests, its URL in a file; and a proxy that asks no upstream.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use modproxy::settings::{CacheBackend, Settings};

use crate::caching::{has_records, wait_until_cached};
use crate::fake_upstream::Upstream;
use crate::{Response, get, go_mod, packed, settings, start, status, wait_until, whole};

const ZIP: &str = "a.test/@v/v1.0.0.zip";
const MOD: &str = "a.test/@v/v1.0.0.mod";
const LIST: &str = "a.test/@v/list";

fn upstream() -> Upstream {
    Upstream::with_files(&[
        (ZIP, packed("a.test", "v1.0.0", 100_000)),
        (MOD, go_mod("a.test")),
        (LIST, b"v1.0.0\n".to_vec()),
    ])
}

fn text(response: Response) -> String {
    match response {
        Response::Whole(_, body) => String::from_utf8(body).unwrap(),
        Response::Truncated => panic!("cut off"),
    }
}

/// The value of a metric, by its name with labels.
#[track_caller]
fn metric(proxy: SocketAddr, name: &str) -> u64 {
    let metrics = text(get(proxy, "metrics"));
    let value = metrics.lines().find_map(|line| line.strip_prefix(&format!("gocacheprog_modproxy_{name} ")));
    value.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

#[test]
fn metrics_count_what_came_of_each_request() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = upstream();
    let proxy = start(settings(&upstream.url(), dir.path()));
    let zip = packed("a.test", "v1.0.0", 100_000);
    assert_eq!(get(proxy, ZIP), whole(&zip));
    wait_until_cached(dir.path(), &zip);
    assert_eq!(get(proxy, ZIP), whole(&zip));
    assert_eq!(status(&get(proxy, "b.test/@v/v1.0.0.mod")), Some(404));
    assert_eq!(status(&get(proxy, "no-module")), Some(404));
    // The thread of a connection counts after its response.
    let counted = |result: &str| metric(proxy, &format!("requests_total{{result=\"{result}\"}}"));
    wait_until(|| ["cached", "downloaded", "not_found", "rejected"].iter().all(|result| counted(result) == 1));
    assert_eq!((counted("failed"), counted("aborted"), counted("remembered")), (0, 0, 0));
    assert_eq!(metric(proxy, "sent_bytes_total"), 2 * zip.len() as u64);
    assert_eq!(metric(proxy, "downloaded_bytes_total"), zip.len() as u64);
    assert_eq!((metric(proxy, "downloads_total"), metric(proxy, "upstream_requests_total")), (2, 2));
    assert_eq!((metric(proxy, "upstream_errors_total"), metric(proxy, "offline")), (0, 0));
    assert!(metric(proxy, "cache_bytes") >= zip.len() as u64 && metric(proxy, "cache_entries") >= 1);
}

#[test]
fn a_proxy_is_healthy_where_it_has_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    let url = upstream().url();
    assert_eq!(get(start(settings(&url, dir.path())), "healthz"), whole(b"ok\n"));
    let without = Settings { cache: CacheBackend::Disabled, ..settings(&url, dir.path()) };
    assert_eq!(status(&get(start(without), "healthz")), Some(503));
}

#[test]
fn offline_what_is_kept_is_served_and_no_upstream_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = upstream();
    let list = format!("{}|https://other.invalid", upstream.url());
    let zip = packed("a.test", "v1.0.0", 100_000);
    let online = start(settings(&list, dir.path()));
    assert_eq!(get(online, LIST), whole(b"v1.0.0\n"));
    wait_until(|| has_records(dir.path()));
    assert_eq!(get(online, ZIP), whole(&zip));
    wait_until_cached(dir.path(), &zip);
    let asked = upstream.requests().len();

    let offline = start(Settings { is_offline: true, ..settings(&list, dir.path()) });
    assert_eq!(get(offline, ZIP), whole(&zip));
    assert_eq!(get(offline, LIST), whole(b"v1.0.0\n"), "the last known answer");
    let refused = get(offline, MOD);
    assert_eq!(status(&refused), Some(502), "and not 404, which means that there is no such file");
    assert!(text(refused).contains("offline"));
    wait_until(|| metric(offline, "requests_total{result=\"failed\"}") == 1);
    assert_eq!(metric(offline, "requests_total{result=\"remembered\"}"), 1);
    assert_eq!((metric(offline, "upstream_requests_total"), metric(offline, "offline")), (0, 1));
    assert_eq!(upstream.requests().len(), asked);
}

#[test]
fn a_service_without_a_go_command_has_its_list_in_a_variable_and_its_url_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = upstream();
    let mut child = Command::new(env!("CARGO_BIN_EXE_modproxy"))
        .args(["serve", "--listen", "localhost:0", "--log-requests", "--store"])
        .arg(dir.path().join("store"))
        .env_clear()
        .env("GOPROXY", upstream.url())
        .env("RUNTIME_DIRECTORY", dir.path())
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let proxy: SocketAddr = url.trim().strip_prefix("http://").unwrap().parse().unwrap();
    wait_until(|| fs::read_to_string(dir.path().join("url")).is_ok_and(|file| file == url));
    assert_eq!(get(proxy, MOD), whole(&go_mod("a.test")));
    wait_until(|| metric(proxy, "requests_total{result=\"downloaded\"}") == 1);
    child.kill().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    child.wait().unwrap();
    let size = go_mod("a.test").len();
    assert!(log.contains(&format!("{MOD}: downloaded, {size} bytes, ")), "{log}");
    assert!(!log.contains("metrics"), "{log}");
}
