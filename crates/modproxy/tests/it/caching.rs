//! Which files are cached, when they are served, and what happens to damaged ones.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use modproxy::settings::CacheBackend;

use crate::fake_upstream::{Behavior, Upstream};
use crate::upstream_faults::is_refused;
use crate::{get, go_mod, info, packed, read, send_request, settings, start, status, sums, wait_until, whole};

const ZIP: &str = "a.test/@v/v1.0.0.zip";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (ZIP, packed("a.test", "v1.0.0", 300_000)),
        ("a.test/@v/v1.0.0.mod", go_mod("a.test")),
        ("a.test/@v/v1.0.0.info", info("v1.0.0")),
        ("a.test/!x/@v/v1.0.0-!r!c1.mod", go_mod("a.test/X")),
        ("sumdb/sum.test/tile/8/0/001", vec![7; 8192]),
    ]
}

/// A URL at which no server listens.
fn unused_url() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[test]
fn immutable_files_are_fetched_once() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::with_files(&files());
    for _ in 0..2 {
        let mut settings = settings(&upstream.url(), dir.path());
        settings.serves_sumdb = true;
        let proxy = start(settings);
        for (path, bytes) in files() {
            assert_eq!(get(proxy, path), whole(&bytes), "{path}");
            wait_until_cached(dir.path(), &bytes);
            assert_eq!(get(proxy, path), whole(&bytes), "{path}");
        }
    }
    let mut requests = upstream.requests();
    requests.sort();
    let mut paths: Vec<_> = files().into_iter().map(|(path, _)| path.to_owned()).collect();
    paths.sort();
    assert_eq!(requests, paths);
}

/// A download is cached after its response.
pub(crate) fn wait_until_cached(dir: &Path, bytes: &[u8]) {
    let output = proto::OutputId(<sha2::Sha256 as sha2::Digest>::digest(bytes).into());
    let object = dir.join("store").join(store::Store::object_name(&output));
    wait_until(|| object.is_file() && has_records(dir));
    std::thread::sleep(std::time::Duration::from_millis(20)); // the record comes after the object
}

pub(crate) fn has_records(dir: &Path) -> bool {
    fs::read_dir(dir.join("store/records")).is_ok_and(|mut list| list.next().is_some())
}

#[test]
fn changeable_answers_are_requested_each_time_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|request| match (request.path.as_str(), request.earlier) {
        ("a.test/@latest", _) => Behavior::Status(404),
        ("a.test/@v/list", 0 | 1) => Behavior::Send(b"v1.0.0\n".to_vec()),
        _ => Behavior::Close,
    });
    let proxy = start(settings(&upstream.url(), dir.path()));
    let paths = ["a.test/@v/list", "a.test/@latest", "a.test/@v/master.info"];
    for _ in 0..2 {
        assert_eq!(get(proxy, paths[0]), whole(b"v1.0.0\n"));
        assert_eq!(status(&get(proxy, paths[1])), Some(404));
    }
    assert_eq!(status(&get(proxy, paths[2])), Some(502), "no remembered answer");
    assert_eq!(get(proxy, paths[0]), whole(b"v1.0.0\n"), "now the upstream fails");
    assert_eq!(upstream.requests().iter().filter(|path| *path == paths[0]).count(), 2 + 4, "with four attempts");
}

#[test]
fn the_last_answer_is_served_while_the_upstream_cannot_be_reached() {
    let dir = tempfile::tempdir().unwrap();
    // The same address with and without a server: a remembered answer belongs to the address.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let proxy = start(settings(&url, dir.path()));
    let answering = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut request = [0; 2000];
        std::io::Read::read(&mut &stream, &mut request).unwrap();
        std::io::Write::write_all(
            &mut &stream,
            b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nv1.0.0\n",
        )
        .unwrap();
    });
    assert_eq!(get(proxy, "a.test/@v/list"), whole(b"v1.0.0\n"));
    answering.join().unwrap();
    wait_until(|| has_records(dir.path())); // the answer is remembered after the response
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(get(proxy, "a.test/@v/list"), whole(b"v1.0.0\n"));
    assert_eq!(status(&get(proxy, "b.test/@v/list")), Some(502));
    assert_eq!(
        status(&get(start(settings(&unused_url(), dir.path())), "a.test/@v/list")),
        Some(502),
        "another address"
    );
}

#[test]
fn one_download_serves_all_requests_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let zip = packed("a.test", "v1.0.0", 600_000);
    let (go_on, until) = mpsc::sync_channel(1);
    let (until, given) = (Arc::new(Mutex::new(until)), zip.clone());
    let upstream = Upstream::start(move |_| Behavior::PauseAt(400_000, given.clone(), until.clone()));
    let proxy = start(settings(&upstream.url(), dir.path()));
    let mut first = send_request(proxy, ZIP);
    let mut begun = [0; 300_000];
    std::io::Read::read_exact(&mut first, &mut begun).unwrap(); // before the upstream has sent everything
    let others: Vec<_> = (0..8).map(|_| send_request(proxy, ZIP)).collect();
    go_on.send(()).unwrap();
    for mut other in others {
        assert_eq!(read(&mut other), whole(&zip));
    }
    assert_eq!(upstream.requests(), [ZIP]);
}

#[test]
fn a_damaged_cached_file_is_fetched_and_cached_again() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::with_files(&files());
    let proxy = start(settings(&upstream.url(), dir.path()));
    let zip = packed("a.test", "v1.0.0", 300_000);
    assert_eq!(get(proxy, ZIP), whole(&zip));
    wait_until_cached(dir.path(), &zip);
    let output = proto::OutputId(<sha2::Sha256 as sha2::Digest>::digest(&zip).into());
    let object = dir.path().join("store").join(store::Store::object_name(&output));
    let modified = fs::metadata(&object).unwrap().modified().unwrap();
    let mut damaged = zip.clone();
    damaged[150_000] ^= 1;
    fs::remove_file(&object).unwrap();
    fs::write(&object, &damaged).unwrap();
    fs::File::open(&object).unwrap().set_modified(modified).unwrap(); // so that the store does not notice
    assert_eq!(get(proxy, ZIP), whole(&zip));
    wait_until(|| fs::read(&object).is_ok_and(|bytes| bytes == zip));
    assert_eq!(get(proxy, ZIP), whole(&zip));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn only_files_with_the_hash_of_go_sum_are_cached_and_served() {
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("module");
    fs::create_dir(&module).unwrap();
    fs::write(module.join("go.mod"), "module m\n").unwrap();
    fs::write(module.join("go.sum"), sums("a.test", "v1.0.0", 300_000)).unwrap();
    let poisoned = Upstream::with_files(&[
        (ZIP, packed("a.test", "v1.0.0", 300_001)),
        ("a.test/@v/v1.0.0.mod", go_mod("evil.test")),
    ]);
    let in_build = |list: &str| {
        let mut settings = settings(list, dir.path());
        settings.module_dir = Some(module.clone());
        start(settings)
    };
    let proxy = in_build(&poisoned.url());
    assert!(is_refused(&get(proxy, ZIP)));
    assert_eq!(status(&get(proxy, "a.test/@v/v1.0.0.mod")), Some(502));
    assert!(!has_records(dir.path()));

    // A build without go.sum caches it; it is not served to a build with go.sum.
    let without_sums = start(settings(&poisoned.url(), dir.path()));
    let zip = packed("a.test", "v1.0.0", 300_001);
    assert_eq!(get(without_sums, ZIP), whole(&zip));
    wait_until_cached(dir.path(), &zip);
    assert!(is_refused(&get(proxy, ZIP)));
    let good = in_build(&Upstream::with_files(&files()).url());
    assert_eq!(get(good, ZIP), whole(&packed("a.test", "v1.0.0", 300_000)));
}

#[test]
fn hashes_from_the_checksum_database_are_used_like_go_sum() {
    let dir = tempfile::tempdir().unwrap();
    let note = "\n\ngo.sum database tree\n9\nroot\n\n\u{2014} sum.test signature\n";
    let lookup = format!("7\n{}{}", sums("a.test", "v1.0.0", 300_000).trim_end(), note);
    let upstream = Upstream::with_files(&[
        (ZIP, packed("a.test", "v1.0.0", 300_001)),
        ("sumdb/sum.test/lookup/a.test@v1.0.0", lookup.clone().into_bytes()),
        ("sumdb/sum.test/supported", Vec::new()),
    ]);
    let proxy = |serves_sumdb| {
        let mut settings = settings(&upstream.url(), dir.path());
        (settings.serves_sumdb, settings.sumdb) = (serves_sumdb, Some("sum.test".to_owned()));
        start(settings)
    };
    let (host, build) = (proxy(true), proxy(false));
    assert_eq!(
        status(&get(build, "sumdb/sum.test/supported")),
        Some(404),
        "the go command could not do without the proxy afterwards"
    );
    assert_eq!(get(host, "sumdb/sum.test/supported"), whole(b""));
    assert_eq!(get(host, "sumdb/sum.test/lookup/a.test@v1.0.0"), whole(lookup.as_bytes()));
    wait_until_cached(dir.path(), lookup.as_bytes());
    assert!(is_refused(&get(host, ZIP)));
}

#[test]
fn without_a_cache_everything_is_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::with_files(&files());
    for backend in [
        CacheBackend::Disabled,
        CacheBackend::Daemon(dir.path().join("no.sock")),
        CacheBackend::Embedded("/proc/no/store".into()),
    ] {
        let mut settings = settings(&upstream.url(), dir.path());
        settings.cache = backend;
        let proxy = start(settings);
        for _ in 0..2 {
            assert_eq!(get(proxy, ZIP), whole(&packed("a.test", "v1.0.0", 300_000)));
        }
    }
    assert_eq!(upstream.requests().len(), 6);
    let mut settings = settings(&upstream.url(), dir.path());
    settings.spool_dir = "/proc/no/spool".into();
    assert_eq!(
        status(&get(start(settings), ZIP)),
        Some(502),
        "without space for the download the rest of the list is asked"
    );
}
