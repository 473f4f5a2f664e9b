use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use modproxy::settings::Keep;

use crate::faults::is_refused;
use crate::upstream::{Does, Upstream};
use crate::{ask, get, go_mod, info, packed, read, settings, start, status, sums, wait_until, whole};

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

/// An address at which nobody listens.
fn nobody() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[test]
fn what_never_changes_is_asked_for_once() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::with(&files());
    for _ in 0..2 {
        let mut settings = settings(&upstream.url(), dir.path());
        settings.offers_sumdb = true;
        let proxy = start(settings);
        for (path, bytes) in files() {
            assert_eq!(get(proxy, path), whole(&bytes), "{path}");
            wait_for_kept(dir.path(), &bytes);
            assert_eq!(get(proxy, path), whole(&bytes), "{path}");
        }
    }
    let mut asked = upstream.asked();
    asked.sort();
    let mut paths: Vec<_> = files().into_iter().map(|(path, _)| path.to_owned()).collect();
    paths.sort();
    assert_eq!(asked, paths);
}

/// A download is kept after it was answered.
fn wait_for_kept(dir: &Path, bytes: &[u8]) {
    let output = proto::OutputId(<sha2::Sha256 as sha2::Digest>::digest(bytes).into());
    let object = dir.join("store").join(store::Store::object_name(&output));
    wait_until(|| object.is_file() && is_kept(dir));
    std::thread::sleep(std::time::Duration::from_millis(20)); // the record comes after the object
}

fn is_kept(dir: &Path) -> bool {
    fs::read_dir(dir.join("store/records")).is_ok_and(|mut list| list.next().is_some())
}

#[test]
fn what_changes_is_asked_for_each_time_and_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|ask| match (ask.path.as_str(), ask.before) {
        ("a.test/@latest", _) => Does::Status(404),
        ("a.test/@v/list", 0 | 1) => Does::Gives(b"v1.0.0\n".to_vec()),
        _ => Does::HangsUp,
    });
    let proxy = start(settings(&upstream.url(), dir.path()));
    let paths = ["a.test/@v/list", "a.test/@latest", "a.test/@v/master.info"];
    for _ in 0..2 {
        assert_eq!(get(proxy, paths[0]), whole(b"v1.0.0\n"));
        assert_eq!(status(&get(proxy, paths[1])), Some(404));
    }
    assert_eq!(status(&get(proxy, paths[2])), Some(502), "never seen");
    assert_eq!(get(proxy, paths[0]), whole(b"v1.0.0\n"), "now the upstream is in trouble");
    assert_eq!(upstream.asked().iter().filter(|path| *path == paths[0]).count(), 2 + 4, "and it was tried");
}

#[test]
fn an_upstream_that_cannot_be_reached_is_stood_in_for() {
    let dir = tempfile::tempdir().unwrap();
    // The same address with and without somebody there: what was seen belongs to the address.
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
    wait_until(|| is_kept(dir.path())); // what was seen is kept after it was answered
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(get(proxy, "a.test/@v/list"), whole(b"v1.0.0\n"));
    assert_eq!(status(&get(proxy, "b.test/@v/list")), Some(502));
    assert_eq!(status(&get(start(settings(&nobody(), dir.path())), "a.test/@v/list")), Some(502), "another address");
}

#[test]
fn one_download_serves_all_who_ask_and_reaches_them_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let zip = packed("a.test", "v1.0.0", 600_000);
    let (go_on, until) = mpsc::sync_channel(1);
    let (until, given) = (Arc::new(Mutex::new(until)), zip.clone());
    let upstream = Upstream::start(move |_| Does::WaitsAt(400_000, given.clone(), until.clone()));
    let proxy = start(settings(&upstream.url(), dir.path()));
    let mut first = ask(proxy, ZIP);
    let mut begun = [0; 300_000];
    std::io::Read::read_exact(&mut first, &mut begun).unwrap(); // the upstream has not given all yet
    let others: Vec<_> = (0..8).map(|_| ask(proxy, ZIP)).collect();
    go_on.send(()).unwrap();
    for mut other in others {
        assert_eq!(read(&mut other), whole(&zip));
    }
    assert_eq!(upstream.asked(), [ZIP]);
}

#[test]
fn a_kept_file_that_was_damaged_is_fetched_again_and_mended() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::with(&files());
    let proxy = start(settings(&upstream.url(), dir.path()));
    let zip = packed("a.test", "v1.0.0", 300_000);
    assert_eq!(get(proxy, ZIP), whole(&zip));
    wait_for_kept(dir.path(), &zip);
    let output = proto::OutputId(<sha2::Sha256 as sha2::Digest>::digest(&zip).into());
    let object = dir.path().join("store").join(store::Store::object_name(&output));
    let modified = fs::metadata(&object).unwrap().modified().unwrap();
    let mut damaged = zip.clone();
    damaged[150_000] ^= 1;
    fs::remove_file(&object).unwrap();
    fs::write(&object, &damaged).unwrap();
    fs::File::open(&object).unwrap().set_modified(modified).unwrap(); // so that the store cannot tell
    assert_eq!(get(proxy, ZIP), whole(&zip));
    wait_until(|| fs::read(&object).is_ok_and(|bytes| bytes == zip));
    assert_eq!(get(proxy, ZIP), whole(&zip));
    assert_eq!(upstream.asked().len(), 2);
}

#[test]
fn only_what_go_sum_names_is_kept_and_served() {
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("module");
    fs::create_dir(&module).unwrap();
    fs::write(module.join("go.mod"), "module m\n").unwrap();
    fs::write(module.join("go.sum"), sums("a.test", "v1.0.0", 300_000)).unwrap();
    let poisoned =
        Upstream::with(&[(ZIP, packed("a.test", "v1.0.0", 300_001)), ("a.test/@v/v1.0.0.mod", go_mod("evil.test"))]);
    let in_build = |list: &str| {
        let mut settings = settings(list, dir.path());
        settings.module = Some(module.clone());
        start(settings)
    };
    let proxy = in_build(&poisoned.url());
    assert!(is_refused(&get(proxy, ZIP)));
    assert_eq!(status(&get(proxy, "a.test/@v/v1.0.0.mod")), Some(502));
    assert!(!is_kept(dir.path()));

    // Kept by a build that knows no better, it is not served to one that does.
    let careless = start(settings(&poisoned.url(), dir.path()));
    let zip = packed("a.test", "v1.0.0", 300_001);
    assert_eq!(get(careless, ZIP), whole(&zip));
    wait_for_kept(dir.path(), &zip);
    assert!(is_refused(&get(proxy, ZIP)));
    let good = in_build(&Upstream::with(&files()).url());
    assert_eq!(get(good, ZIP), whole(&packed("a.test", "v1.0.0", 300_000)));
}

#[test]
fn what_the_checksum_database_said_counts_as_go_sum_does() {
    let dir = tempfile::tempdir().unwrap();
    let note = "\n\ngo.sum database tree\n9\nroot\n\n\u{2014} sum.test signature\n";
    let lookup = format!("7\n{}{}", sums("a.test", "v1.0.0", 300_000).trim_end(), note);
    let upstream = Upstream::with(&[
        (ZIP, packed("a.test", "v1.0.0", 300_001)),
        ("sumdb/sum.test/lookup/a.test@v1.0.0", lookup.clone().into_bytes()),
        ("sumdb/sum.test/supported", Vec::new()),
    ]);
    let proxy = |offers_sumdb| {
        let mut settings = settings(&upstream.url(), dir.path());
        (settings.offers_sumdb, settings.sumdb) = (offers_sumdb, Some("sum.test".to_owned()));
        start(settings)
    };
    let (host, build) = (proxy(true), proxy(false));
    assert_eq!(
        status(&get(build, "sumdb/sum.test/supported")),
        Some(404),
        "a go command could not do without us any more"
    );
    assert_eq!(get(host, "sumdb/sum.test/supported"), whole(b""));
    assert_eq!(get(host, "sumdb/sum.test/lookup/a.test@v1.0.0"), whole(lookup.as_bytes()));
    wait_for_kept(dir.path(), lookup.as_bytes());
    assert!(is_refused(&get(host, ZIP)));
}

#[test]
fn where_nothing_can_be_kept_everything_is_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::with(&files());
    for keep in [Keep::Nothing, Keep::Daemon(dir.path().join("no.sock")), Keep::Store("/proc/no/store".into())] {
        let mut settings = settings(&upstream.url(), dir.path());
        settings.keep = keep;
        let proxy = start(settings);
        for _ in 0..2 {
            assert_eq!(get(proxy, ZIP), whole(&packed("a.test", "v1.0.0", 300_000)));
        }
    }
    assert_eq!(upstream.asked().len(), 6);
    let mut settings = settings(&upstream.url(), dir.path());
    settings.spool = "/proc/no/spool".into();
    assert_eq!(status(&get(start(settings), ZIP)), Some(502), "no room on the way: the rest of the list");
}
