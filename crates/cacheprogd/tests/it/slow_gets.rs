use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::fanotify::{EventFFlags, Fanotify, FanotifyResponse, InitFlags, MarkFlags, MaskFlags, Response};
use proto::Output;
use proto::wire::Request;
use store::Store;
use testkit::{Daemon, Session, action, content, output};

use crate::layers::{above, layer};

/// Longer than any answer takes: what waits for so long would wait for ever.
const FOR_EVER: Duration = Duration::from_secs(20);

/// Keeps a process that opens a file waiting until it is released (fanotify(7)). Needs root.
struct Hold {
    release: SyncSender<()>,
    opened: Receiver<()>,
    thread: JoinHandle<bool>,
}

impl Hold {
    fn on(path: &Path) -> Self {
        let watch = Fanotify::init(InitFlags::FAN_CLASS_CONTENT, EventFFlags::O_RDONLY).unwrap();
        watch.mark(MarkFlags::FAN_MARK_ADD, MaskFlags::FAN_OPEN_PERM, rustix::fs::CWD, Some(path)).unwrap();
        let (release, released) = sync_channel(1);
        let (tell, opened) = sync_channel(1);
        let thread = thread::spawn(move || {
            let events = watch.read_events().unwrap();
            tell.send(()).unwrap();
            let was_released = released.recv_timeout(FOR_EVER).is_ok();
            for event in &events {
                let response = FanotifyResponse::new(event.fd().unwrap(), Response::FAN_ALLOW);
                watch.write_response(response).unwrap();
            }
            was_released // what opens it later is let through when `watch` is dropped
        });
        Self { release, opened, thread }
    }

    fn is_waited_for(&self) {
        self.opened.recv_timeout(FOR_EVER).unwrap();
    }

    /// Whether that was the end of the wait.
    fn release(self) -> bool {
        let is_in_time = self.release.send(()).is_ok();
        self.thread.join().unwrap() && is_in_time
    }
}

/// Puts a large object (1) and a small one (2), and has something written to the large one's file, so that it must be read.
fn put_and_touch(daemon: &Daemon) -> (Vec<u8>, std::path::PathBuf) {
    let large = vec![7; 3 << 20];
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    session.put(1, &large);
    session.put(2, b"small");
    let path = daemon.state_dir().join(Store::object_name(&output(&large)));
    let file = std::fs::File::options().read(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    (large, path)
}

/// A session of another build than the one that put, while no process can read the large object. `None` without root.
fn held() -> Option<(Daemon, Session, std::path::PathBuf, Hold, Vec<u8>)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let daemon = Daemon::start();
    let (large, path) = put_and_touch(&daemon);
    let view = daemon.register("two");
    let session = Session::open(&view, "/go");
    Some((daemon, session, view, Hold::on(&path), large))
}

#[test]
fn a_get_whose_object_must_be_verified_first_holds_up_no_later_request() {
    let Some((_daemon, mut session, view, hold, large)) = held() else { return };
    let slow = session.send(Request::Get { action: action(1) }, b"");
    hold.is_waited_for();
    let later = session.send(Request::Get { action: action(2) }, b"");
    let put = Request::Put { action: action(3), output: Output { id: output(b"!<arch>\n"), size: 8 } };
    let put = session.send(put, b"!<arch>\n");
    let first = [session.next_reply(), session.next_reply()].map(|(id, _)| id);
    assert!(hold.release(), "nothing was answered while the large object could not be read");
    assert_eq!(first, [later, put]);
    let (id, reply) = session.next_reply();
    assert_eq!((id, content(&view, reply)), (slow, large));
}

#[test]
fn a_large_object_that_is_copied_from_a_layer_holds_up_no_later_request() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (dir, large) = (tempfile::tempdir().unwrap(), vec![7; 3 << 20]);
    let layer = layer(dir.path(), "layer", |session| {
        session.put(1, &large);
        session.put(2, b"small");
    });
    let daemon = above(dir.path(), &[&layer], "");
    let hold = Hold::on(&layer.join(Store::object_name(&output(&large))));
    let view = daemon.register("two");
    let mut session = Session::open(&view, "/go");
    let slow = session.send(Request::Get { action: action(1) }, b"");
    hold.is_waited_for();
    let later = session.send(Request::Get { action: action(2) }, b"");
    let (id, reply) = session.next_reply();
    assert!(hold.release(), "nothing was answered while the large object could not be read");
    assert_eq!((id, content(&view, reply)), (later, b"small".to_vec()));
    let (id, reply) = session.next_reply();
    assert_eq!((id, content(&view, reply)), (slow, large));
}

/// There is no second thread to wait for when the client has gone, and no second answer.
#[test]
fn a_session_ends_although_an_object_is_being_verified() {
    let Some((daemon, mut session, view, hold, large)) = held() else { return };
    for _ in 0..200 {
        session.send(Request::Get { action: action(1) }, b"");
    }
    hold.is_waited_for();
    drop(session);
    assert!(hold.release());
    let mut again = Session::open(&view, "/go");
    assert_eq!(content(&view, again.get(1)), large);
    let over = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(5));
        daemon.status().builds.live.iter().find(|build| build.name == "two").unwrap().sessions == 1
    });
    assert!(over, "the session of a client that has gone stays");
}
