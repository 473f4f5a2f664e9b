//! The thread that reads the daemon's answers and passes them on, and connects again when the daemon was away.

use std::io::{BufRead, BufReader, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use proto::gocmd::Hit;
use proto::limits;
use proto::wire::{Refusal, Reply, Request};
use transport::Connection;

use crate::daemon::in_flight::{Ask, Found, LOOK_UP, Pending, Taken, connect};
use crate::read_your_writes::is_there;
use crate::locks::try_lock;

use super::session::Shared;
use super::test_result_jobs::Job;

/// Pauses between attempts to reach the daemon again: a restart takes 65 to 300 ms (docs/facts/nix.md, "Daemon and sandbox").
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Pauses after a daemon was given up because it said nothing: longer each time.
const AFTER_SILENCE: Duration = Duration::from_secs(4);
const LONGEST_SILENCE: Duration = Duration::from_secs(64);

/// How a connection ended.
enum Ended {
    /// It broke, after at least one answer or before any.
    Broken { answered: bool },
    /// The daemon said nothing, or was late again and again.
    Dead,
}

impl Shared {
    /// Reads answers for ever, from one connection after the other. It ends with the process.
    pub(super) fn read_answers(&self, mut connection: Option<Arc<Connection>>) {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(connection) = connection.take() {
                // A fault in there must not leave all that is asked later without an answer.
                let ended = catch_unwind(AssertUnwindSafe(|| self.read_from(&connection)));
                let ended = ended.unwrap_or(Ended::Broken { answered: false });
                self.fail(&connection);
                pause = match ended {
                    Ended::Broken { answered: true } => FIRST_PAUSE,
                    Ended::Broken { answered: false } => pause,
                    // It may say hello and hang again: each time costs whoever asks a wait.
                    Ended::Dead => {
                        self.silence.note();
                        (pause * 2).max(AFTER_SILENCE)
                    }
                };
            }
            thread::sleep(pause);
            pause = (pause * 2).min(if pause < AFTER_SILENCE { LONGEST_PAUSE } else { LONGEST_SILENCE });
            if let Ok(new) = connect(&self.socket, &self.hello) {
                let new = Arc::new(new);
                self.link.set(new.clone());
                connection = Some(new);
            }
        }
    }

    /// Passes answers on until the connection ends or the daemon is given up.
    fn read_from(&self, connection: &Arc<Connection>) -> Ended {
        let mut input = BufReader::with_capacity(4096, &connection.stream);
        let (mut answered, mut looked) = (false, Instant::now());
        loop {
            let has_come = match input.fill_buf().map(<[u8]>::is_empty) {
                Ok(false) => true,
                Ok(true) => return Ended::Broken { answered },
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ended::Broken { answered },
            };
            let now = Instant::now();
            if !has_come || now.duration_since(looked) >= LOOK_UP {
                looked = now;
                if self.gives_up(connection, now) {
                    return Ended::Dead;
                }
            }
            if !has_come {
                continue;
            }
            // Within a frame there is no waiting: a daemon writes each in one piece.
            let Ok(Some((wire_id, reply))) = Reply::read(&mut input) else { return Ended::Broken { answered } };
            match self.link.take(connection, wire_id, now) {
                Taken::Pending(pending) => {
                    self.answer(*pending, reply);
                    if !std::mem::replace(&mut answered, true) {
                        self.silence.is_over();
                    }
                }
                Taken::Late if self.is_offer(&reply) => {
                    self.link.tell(connection, wire_id, &Request::Rejected);
                }
                Taken::Late => {}
                Taken::Nobodys => return Ended::Broken { answered },
            }
        }
    }

    /// Answers what the daemon is late with. Whether the daemon itself is to be given up.
    fn gives_up(&self, connection: &Arc<Connection>, now: Instant) -> bool {
        let (mut late, found) = self.link.look(connection, now);
        if matches!(found, Found::Dead) {
            late.extend(self.link.fail(connection)); // first: whoever is answered may ask again
        }
        self.settle_all(late);
        match found {
            Found::Dead => return true,
            Found::Silence if !self.probes(connection) => self.link.was_not_probed(),
            Found::Silence | Found::Well => {}
        }
        self.send_notices();
        false
    }

    /// Asks what costs nothing to answer. False where a request is being sent: that is what the daemon is at.
    fn probes(&self, connection: &Arc<Connection>) -> bool {
        let Some(_turn) = try_lock(&self.sending) else { return false };
        let mut frame = Vec::new();
        Request::Summary.write(connection.next_id(), &mut frame);
        self.send_or_fail(connection, &frame);
        true
    }

    /// Sends what waited for a request to go with, unless one is being sent.
    fn send_notices(&self) {
        if let Some(_turn) = try_lock(&self.sending)
            && let Some((connection, notices)) = self.link.take_notices()
        {
            self.send_or_fail(&connection, &notices);
        }
    }

    /// Nothing may follow what was cut off.
    fn send_or_fail(&self, connection: &Arc<Connection>, frames: &[u8]) {
        if super::session::send(connection, frames, None).is_err() {
            self.fail(connection);
        }
    }

    /// Answers a request to which the daemon replied.
    fn answer(&self, pending: Pending, reply: Reply) {
        match (&pending.ask, reply) {
            (Ask::Get(_), Reply::HitIf { inputs, output, size, time }) if size <= limits::TEST_BODY => {
                let hit = Hit { output, size, time: time.into(), path: pending.connection.path(&output) };
                let list = pending.connection.path(&inputs).into();
                self.hand_over(Job::Offer { pending, hit, list });
            }
            (_, reply) => {
                // A fault in here must not leave cmd/go waiting.
                if catch_unwind(AssertUnwindSafe(|| self.pass_on(&pending, reply))).is_err() {
                    self.settle(pending.id, &pending.ask);
                }
                self.link.answered();
            }
        }
    }

    fn pass_on(&self, pending: &Pending, reply: Reply) {
        let path = |output| pending.connection.path(&output);
        match (&pending.ask, reply) {
            (Ask::Get(action), Reply::Hit { output, size, time }) => {
                let hit = Hit { output, size, time: time.into(), path: path(output) };
                let is_there = is_there(&hit);
                match &self.plain {
                    None if is_there => self.answers.hit(pending.id, &hit),
                    None => self.settle(pending.id, &pending.ask),
                    Some(plain) if is_there && plain.admits(action, &hit) => {
                        self.link.tell(&pending.connection, pending.wire_id, &Request::Accepted(0));
                        self.answers.hit(pending.id, &hit);
                    }
                    Some(_) => self.reject(pending),
                }
            }
            // Too large for a test's result; or under a condition, and this client knows no digests yet: nobody puts under one.
            (Ask::Get(_), Reply::HitIf { .. } | Reply::Conditional { .. }) => self.reject(pending),
            (Ask::Put(put, ..), Reply::Stored { time }) => {
                let hit = Hit { output: put.output, size: put.size, time: time.into(), path: path(put.output) };
                if is_there(&hit) {
                    self.own.remember(put.action, hit.clone());
                    self.answers.stored(pending.id, &hit.path);
                } else {
                    self.settle(pending.id, &pending.ask); // the build's directory was removed, say
                }
            }
            (Ask::Put(..), Reply::Refused(Refusal::Digest)) => {
                self.answers.error(pending.id, &proto::RequestError::BodyDigest.to_string());
            }
            // Nothing found, no space, or an answer of the wrong kind.
            (Ask::Get(_), Reply::Miss | Reply::Stored { .. } | Reply::Refused(_))
            | (
                Ask::Put(..),
                Reply::Miss
                | Reply::Hit { .. }
                | Reply::HitIf { .. }
                | Reply::Conditional { .. }
                | Reply::Refused(Refusal::Storage),
            )
            | (_, Reply::Summary(_) | Reply::Why(_)) => self.settle(pending.id, &pending.ask),
        }
    }

    /// Whether the daemon waits to be told what came of a reply. In transparent mode that is so with each hit.
    fn is_offer(&self, reply: &Reply) -> bool {
        match reply {
            Reply::HitIf { .. } | Reply::Conditional { .. } => true,
            Reply::Hit { .. } => self.plain.is_some(),
            Reply::Miss | Reply::Stored { .. } | Reply::Refused(_) | Reply::Summary(_) | Reply::Why(_) => false,
        }
    }

    /// What was offered does not hold.
    pub(super) fn reject(&self, pending: &Pending) {
        self.link.tell(&pending.connection, pending.wire_id, &Request::Rejected);
        self.settle(pending.id, &pending.ask);
    }

    /// Ends a connection: what waits for it is answered without the daemon.
    pub(super) fn fail(&self, connection: &Arc<Connection>) {
        self.settle_all(self.link.fail(connection));
    }

    fn settle_all(&self, all: Vec<Pending>) {
        for pending in all {
            self.unanswered.fetch_add(1, Relaxed);
            self.settle(pending.id, &pending.ask);
            self.link.answered();
        }
    }
}
