//! A store that machines share: what one daemon puts after a build, another one has when a build of that name is registered.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use proto::ActionId;
use proto::control::{RemoteStatus, Requester};
use proto::wire::{Reply, Request};
use remote::keys::SecretKey;
use remote_sync::objects::{Body, ObjectError, Objects};
use remote_sync::socket::answer;
use testkit::{Daemon, Session, content};

use crate::verification::honest;

const GOROOT: &str = "/nix/store/0-go-1.26.8/share/go";

/// What an engine does to the bytes of a name.
type Change = fn(&str, Vec<u8>) -> Vec<u8>;

/// An engine in memory. It may be told to change what it gives, or to take its time.
#[derive(Debug, Default)]
struct Engine {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    change: Mutex<Option<Change>>,
    delay: Mutex<Duration>,
    is_broken: AtomicBool,
    requests: Mutex<Vec<String>>,
}

impl Objects for Engine {
    fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Body<'_>>, ObjectError> {
        self.requests.lock().unwrap().push(format!("GET {name}"));
        if self.is_broken.load(Relaxed) {
            return Err("the bucket does not exist".into());
        }
        if name.starts_with("o/") {
            thread::sleep(*self.delay.lock().unwrap());
        }
        let Some(mut bytes) = self.objects.lock().unwrap().get(name).cloned() else { return Ok(None) };
        if let Some(range) = range {
            bytes = bytes[range.start as usize..range.end as usize].to_vec();
        }
        if let Some(change) = *self.change.lock().unwrap() {
            bytes = change(name, bytes);
        }
        Ok(Some(Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn put(&self, name: &str, body: &[u8]) -> Result<(), ObjectError> {
        self.requests.lock().unwrap().push(format!("PUT {name}"));
        self.objects.lock().unwrap().insert(name.to_owned(), body.to_vec());
        Ok(())
    }
}

/// Answers at a socket, as cacheprog-remote does.
fn serve(dir: &Path) -> (Arc<Engine>, PathBuf) {
    let (engine, socket) = (Arc::<Engine>::default(), dir.join("remote.sock"));
    let listener = UnixListener::bind(&socket).unwrap();
    let serving = engine.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let engine = serving.clone();
            thread::spawn(move || drop(answer(&stream, &*engine)));
        }
    });
    (engine, socket)
}

fn public_key(seed: u8) -> String {
    SecretKey::from_seed("ci-1", &[seed; 32]).unwrap().public().to_string()
}

/// A machine whose settings have this of the remote store.
fn machine(dir: &Path, name: &str, socket: &Path, more: &str) -> Daemon {
    let settings = format!("[remote]\nurl = 's3://bucket/go'\nsocket = {socket:?}\n{more}");
    let config = dir.join(format!("{name}.toml"));
    fs::write(&config, settings).unwrap();
    Daemon::start_with(&["--config", config.to_str().unwrap()])
}

/// One that puts what its builds used, signed by the key of this seed.
fn writer(dir: &Path, socket: &Path, seed: u8) -> Daemon {
    let file = dir.join(format!("secret-{seed}"));
    fs::write(&file, SecretKey::from_seed("ci-1", &[seed; 32]).unwrap().text(&[seed; 32])).unwrap();
    machine(dir, &format!("writer-{seed}"), socket, &format!("write = ['app']\nsecret-key-file = {file:?}\n"))
}

fn reader(dir: &Path, name: &str, socket: &Path, seeds: &[u8]) -> Daemon {
    let keys: Vec<_> = seeds.iter().map(|seed| public_key(*seed)).collect();
    machine(dir, name, socket, &format!("trusted-public-keys = {keys:?}\n"))
}

/// A build puts these, and ends.
fn build(daemon: &Daemon, name: &str, outputs: &[u8]) {
    let mut session = Session::open(&daemon.register(name), GOROOT);
    outputs.iter().for_each(|n| assert_eq!(session.get(*n), Reply::Miss));
    outputs.iter().for_each(|n| drop(session.put(*n, &honest(*n))));
    drop(session);
    daemon.end_build(name);
}

fn status(daemon: &Daemon) -> RemoteStatus {
    daemon.status().remote.unwrap()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("it never came to this: {what}");
}

/// What a build of this name is served of these.
fn served(daemon: &Daemon, name: &str, outputs: &[u8]) -> Vec<u8> {
    served_after(daemon, name, outputs, 0)
}

/// The same, when so many entries were fetched: a get waits only a little, and the machine may be busy.
fn served_after(daemon: &Daemon, name: &str, outputs: &[u8], fetched: u64) -> Vec<u8> {
    let view = daemon.register(name);
    let mut session = Session::open(&view, GOROOT);
    wait_until("it is fetched", || fetched == 0 || status(daemon).fetched >= fetched);
    let mut hits = Vec::new();
    for n in outputs {
        let reply = session.get(*n);
        if reply != Reply::Miss {
            assert_eq!(content(&view, reply), honest(*n));
            hits.push(*n);
        }
    }
    hits
}

#[test]
fn a_build_on_a_fresh_machine_has_what_a_trusted_machine_built() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, socket) = serve(dir.path());
    let first = writer(dir.path(), &socket, 1);
    build(&first, "app-1.0", &[1, 2, 3]);
    wait_until("the build's outputs are put", || status(&first).uploads == 1 && status(&first).waiting == 0);
    build(&first, "other-1.0", &[4]);
    engine.requests.lock().unwrap().clear();

    let fresh = reader(dir.path(), "fresh", &socket, &[1]);
    // The name counts without its version.
    assert_eq!(served_after(&fresh, "app-2.0", &[1, 2, 3, 9], 3), [1, 2, 3]);
    assert_eq!(engine.requests.lock().unwrap().len(), 3, "a head, an index, a file");
    let fetched = status(&fresh);
    assert_eq!((fetched.fetched, fetched.trouble), (3, None));
    // Builds of other names have them by their actions, as on one machine; nothing is there under their name.
    assert_eq!(served(&fresh, "third", &[1, 4]), [1]);
    assert_eq!(served(&fresh, "app-3.0", &[2]), [2]);
    assert_eq!(status(&fresh).fetched, 3, "nothing is fetched twice");

    let stranger = reader(dir.path(), "stranger", &socket, &[2]);
    assert_eq!(served(&stranger, "app-2.0", &[1, 2, 3]), [0; 0], "who trusts another key has none of it");
}

#[test]
fn a_get_waits_for_what_is_on_its_way_and_no_longer_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, socket) = serve(dir.path());
    let first = writer(dir.path(), &socket, 1);
    let mut session = Session::open(&first.register("app"), GOROOT);
    assert_eq!(session.get(1), Reply::Miss);
    thread::sleep(Duration::from_secs(1)); // what compiling cost
    session.put(1, &honest(1));
    session.put(2, &honest(2)); // of this nothing is known: nothing is waited for
    drop(session);
    first.end_build("app");
    wait_until("it is put", || status(&first).uploads == 1);
    *engine.delay.lock().unwrap() = Duration::from_millis(50);
    let fresh = reader(dir.path(), "fresh", &socket, &[1]);
    assert_eq!(served(&fresh, "app", &[1]), [1], "it comes sooner than it is compiled");
    *engine.delay.lock().unwrap() = Duration::from_secs(20);
    let far = reader(dir.path(), "far", &socket, &[1]);
    assert_eq!(served(&far, "app", &[1, 2, 1, 1]), [0; 0]);
}

#[test]
fn wrong_bytes_and_a_program_that_is_gone_are_misses() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, socket) = serve(dir.path());
    let first = writer(dir.path(), &socket, 1);
    build(&first, "app", &[1, 2]);
    wait_until("it is put", || status(&first).uploads == 1);
    // cacheprog-remote is trusted with nothing.
    let changes: [Change; 3] = [
        |name, bytes| change(name, bytes, "h/"),
        |name, bytes| change(name, bytes, "p/"),
        |name, bytes| change(name, bytes, "o/"),
    ];
    for (n, changed) in changes.into_iter().enumerate() {
        *engine.change.lock().unwrap() = Some(changed);
        let fresh = reader(dir.path(), &format!("fresh-{n}"), &socket, &[1]);
        assert_eq!(served(&fresh, "app", &[1, 2]), [0; 0], "{n}");
        wait_until("it is told", || status(&fresh).trouble.is_some());
    }
    let alone = reader(dir.path(), "alone", &dir.path().join("none.sock"), &[1]);
    assert_eq!(served(&alone, "app", &[1, 2]), [0; 0]);
    wait_until("it is told", || status(&alone).trouble.is_some());
}

#[test]
fn a_remote_store_that_refuses_is_asked_once_for_a_build() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, socket) = serve(dir.path());
    engine.is_broken.store(true, Relaxed);
    let fresh = reader(dir.path(), "fresh", &socket, &[1]);
    let view = fresh.register("app");
    let mut sessions = [(); 3].map(|()| Session::open(&view, GOROOT));
    wait_until("it is told", || status(&fresh).trouble.is_some());
    (0..100).for_each(|n| assert_eq!(sessions[usize::from(n % 3)].get(n), Reply::Miss));
    assert_eq!(engine.requests.lock().unwrap().len(), 1);
}

fn change(name: &str, mut bytes: Vec<u8>, of: &str) -> Vec<u8> {
    if name.starts_with(of) {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    bytes
}

#[test]
fn what_a_key_signed_goes_with_the_key_and_what_was_built_here_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (_engine, socket) = serve(dir.path());
    let first = writer(dir.path(), &socket, 1);
    build(&first, "app", &[1, 2]);
    wait_until("it is put", || status(&first).uploads == 1);
    let mut here = reader(dir.path(), "here", &socket, &[1]);
    assert_eq!(served_after(&here, "app", &[1, 2], 2), [1, 2]);
    let mut session = Session::open(&here.register("another"), GOROOT);
    session.put(2, &honest(2));
    drop(session);
    here.stop();
    fs::write(dir.path().join("here.toml"), "").unwrap();
    here.start_again();
    assert_eq!(served(&here, "third", &[1, 2]), [2]);
    assert_eq!(here.status().entries, 1, "the other is removed, not only hidden");
}

#[test]
fn what_could_not_be_put_waits_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("remote.sock");
    let mut first = writer(dir.path(), &socket, 1);
    build(&first, "app", &[1]);
    wait_until("it is tried", || status(&first).trouble.is_some());
    assert_eq!(status(&first).waiting, 1);
    first.stop();
    let (_engine, _) = serve(dir.path());
    first.start_again();
    wait_until("it is put", || status(&first).uploads == 1 && status(&first).waiting == 0);
}

#[test]
fn what_builds_of_other_users_put_is_not_signed() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, socket) = serve(dir.path());
    let first = writer(dir.path(), &socket, 1);
    let view = first.register_for("app", Requester::User { uid: 30_101, forwards: false }, true);
    let mut session = Session::open(&view, GOROOT);
    session.put(1, &honest(1));
    drop(session);
    first.end_build("app");
    build(&first, "app-2", &[2]);
    wait_until("what the writer put is put", || status(&first).uploads == 1);
    let fresh = reader(dir.path(), "fresh", &socket, &[1]);
    assert_eq!(served(&fresh, "app", &[1, 2]), [2]);
    assert_eq!(engine.objects.lock().unwrap().keys().filter(|name| name.starts_with("h/")).count(), 1);
}

/// What a build on another machine puts, and a build of that name fetches here, which asks for none of it.
fn useless_prefetch(writer: &Daemon, reader: &Daemon, round: u8) {
    let (name, outputs): (_, Vec<_>) = (format!("app-{round}"), (64 * (round - 1)..64 * round).collect());
    build(writer, &name, &outputs);
    wait_until("it is put", || status(writer).uploads == u64::from(round) && status(writer).waiting == 0);
    assert_eq!(served_after(reader, &name, &[], 64 * u64::from(round)), [0; 0]);
    reader.end_build(&name);
    wait_until("the build is over", || reader.status().builds.live.is_empty());
}

#[test]
fn after_three_prefetches_of_no_use_comes_what_a_build_asks_for_and_nothing_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let (engine, socket) = serve(dir.path());
    let (first, mut fresh) = (writer(dir.path(), &socket, 1), reader(dir.path(), "fresh", &socket, &[1]));
    (1..=3).for_each(|round| useless_prefetch(&first, &fresh, round));

    let mut session = Session::open(&first.register("app-4"), GOROOT);
    assert_eq!(session.get(200), Reply::Miss);
    thread::sleep(Duration::from_secs(1)); // what compiling cost
    (192..=250).for_each(|n| drop(session.put(n, &honest(n))));
    drop(session);
    first.end_build("app-4");
    wait_until("it is put", || status(&first).uploads == 4);
    engine.requests.lock().unwrap().clear();
    let requests = |of: &str| engine.requests.lock().unwrap().iter().filter(|one| one.starts_with(of)).count();

    let view = fresh.register("app-4");
    let mut session = Session::open(&view, GOROOT);
    wait_until("the index is read", || requests("GET p/") == 1);
    session.send(Request::Get { action: ActionId([[1; 16], [2; 16]].concat().try_into().unwrap()) }, b"");
    assert_eq!((session.reply(), requests("GET o/")), (Reply::Miss, 0), "no index names it");
    wait_until("it is fetched when it is asked for", || session.get(200) != Reply::Miss); // a get waits a second at most
    assert_eq!(content(&view, session.get(200)), honest(200));
    wait_until("the rest of its frame is put", || status(&fresh).fetched == 3 * 64 + 59);
    assert_eq!(content(&view, session.get(201)), honest(201), "it is in the same frame");
    assert_eq!(requests("GET o/"), 1);
    drop(session);
    assert!(fresh.stop().contains("from now on they get what they ask for, and nothing ahead"));
}
