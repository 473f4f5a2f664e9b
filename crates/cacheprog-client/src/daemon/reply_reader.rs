//! The thread that reads the daemon's replies. It keeps the deadlines of requests, gives a dead connection up, and connects
//! again.

use std::io::{BufRead, BufReader, ErrorKind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proto::wire::{Reply, Request};
use transport::Connection;

use crate::fault::catch_fault;

use super::circuit_breaker::CircuitBreaker;
use super::in_flight::{CHECK_INTERVAL, DaemonState, ReplyTo};
use super::replies::Replies;

/// Pauses between attempts to reach the daemon again: a restart takes 65 to 300 ms (docs/facts/nix.md, "Daemon and sandbox").
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Pauses after a daemon was given up because it did not reply: longer each time.
const PAUSE_AFTER_DEATH: Duration = Duration::from_secs(4);
const MAX_PAUSE_AFTER_DEATH: Duration = Duration::from_secs(64);

/// The thread's state.
#[derive(Debug)]
pub(super) struct ReplyReader {
    pub(super) replies: Replies,
    pub(super) circuit_breaker: CircuitBreaker,
}

/// How a connection ended.
enum Ended {
    /// It broke, after at least one reply or before any.
    Broken { answered: bool },
    /// The daemon did not reply, or was late again and again.
    Dead,
}

impl ReplyReader {
    /// Reads replies from one connection after the other. It ends with the process.
    pub(super) fn run(&self, mut connection: Option<Arc<Connection>>) {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(connection) = connection.take() {
                // After a fault later requests have to be answered as well.
                let ended = catch_fault(|| self.read_from(&connection));
                self.replies.dispatcher.close(&connection);
                pause = match ended.unwrap_or(Ended::Broken { answered: false }) {
                    Ended::Broken { answered: true } => FIRST_PAUSE,
                    Ended::Broken { answered: false } => pause,
                    // It may accept a session and hang again: each time requests have to wait.
                    Ended::Dead => {
                        self.circuit_breaker.open();
                        (pause * 2).max(PAUSE_AFTER_DEATH)
                    }
                };
            }
            thread::sleep(pause);
            pause = (pause * 2).min(if pause < PAUSE_AFTER_DEATH { MAX_PAUSE } else { MAX_PAUSE_AFTER_DEATH });
            connection = self.replies.dispatcher.connect().ok();
        }
    }

    /// Passes replies on until the connection ends or the daemon is given up.
    fn read_from(&self, connection: &Arc<Connection>) -> Ended {
        let mut input = BufReader::with_capacity(4096, &connection.stream);
        let (mut answered, mut checked) = (false, Instant::now());
        loop {
            let has_come = match input.fill_buf().map(<[u8]>::is_empty) {
                Ok(false) => true,
                Ok(true) => return Ended::Broken { answered },
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ended::Broken { answered },
            };
            let now = Instant::now();
            if !has_come || now.duration_since(checked) >= CHECK_INTERVAL {
                checked = now;
                if self.is_dead(connection, now) {
                    return Ended::Dead;
                }
            }
            if !has_come {
                continue;
            }
            // Within a frame there is no waiting: a daemon writes each in one piece.
            let Ok(Some((wire_id, reply))) = Reply::read(&mut input) else { return Ended::Broken { answered } };
            let in_flight = &self.replies.dispatcher.in_flight;
            match in_flight.take(connection, wire_id, now) {
                ReplyTo::InFlight(request) => {
                    self.replies.answer(*request, reply);
                    if !std::mem::replace(&mut answered, true) {
                        self.circuit_breaker.close();
                    }
                }
                ReplyTo::Late if Replies::is_offer(&reply) => {
                    in_flight.queue_notice(connection, wire_id, &Request::Rejected);
                }
                ReplyTo::Late => {}
                ReplyTo::Unknown => return Ended::Broken { answered },
            }
        }
    }

    /// Answers late requests locally. True if the daemon itself is to be given up.
    fn is_dead(&self, connection: &Arc<Connection>, now: Instant) -> bool {
        let dispatcher = &self.replies.dispatcher;
        let (mut late, daemon) = dispatcher.in_flight.check_deadlines(connection, now);
        if matches!(daemon, DaemonState::Dead) {
            late.extend(dispatcher.in_flight.close(connection)); // first, since cmd/go sends more as soon as it is answered
        }
        dispatcher.answer_all_locally(late);
        match daemon {
            DaemonState::Dead => return true,
            DaemonState::Silent if !dispatcher.probe(connection) => dispatcher.in_flight.cancel_probe(),
            DaemonState::Silent | DaemonState::Responsive => {}
        }
        dispatcher.send_notices();
        false
    }
}
