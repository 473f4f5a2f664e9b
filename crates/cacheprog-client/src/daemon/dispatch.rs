//! Sends requests to the daemon. The fallback answers those that cannot be sent, and those that wait on a connection that ends.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use proto::gocmd::Hit;
use proto::wire::{Hello, Request};
use transport::{ConnectError, Connection};

use crate::mutex::{lock, try_lock};
use crate::put_body::PutBody;
use crate::sharing::shares::Share;

use super::fallback::Fallback;
use super::in_flight::{InFlight, InFlightRequest, Registered, connect};
use super::operation::Operation;

/// What all threads of a session send requests with.
#[derive(Debug)]
pub(super) struct Dispatcher {
    pub(super) socket: PathBuf,
    pub(super) hello: Hello,
    pub(super) in_flight: InFlight,
    pub(super) fallback: Fallback,
    /// Held while one request is registered and sent, or answered locally because it cannot be sent.
    pub(super) sending: Mutex<()>,
}

impl Dispatcher {
    /// Opens a connection, on which requests are sent from now on.
    pub(super) fn connect(&self) -> Result<Arc<Connection>, ConnectError> {
        let connection = Arc::new(connect(&self.socket, &self.hello)?);
        self.in_flight.set(connection.clone());
        Ok(connection)
    }

    /// Sends a request, or answers it locally where that is not possible.
    pub(super) fn request(&self, id: i64, operation: Operation) {
        let message = operation.message();
        // Nothing may follow a request that was cut off.
        let _turn = lock(&self.sending);
        match self.in_flight.register(id, operation) {
            Ok(Registered { connection, wire_id, notices: mut frames }) => {
                message.write(wire_id, &mut frames);
                if send(&connection, &frames, message.body.as_deref()).is_err() {
                    self.close(&connection);
                } else if message.body.is_some() {
                    self.in_flight.body_sent();
                }
            }
            Err(operation) => self.fallback.answer_unanswered(id, &operation),
        }
    }

    /// Answers with what the daemon offered, and tells the daemon that it is used.
    pub(super) fn accept(&self, request: &InFlightRequest, hit: &Hit, candidate: usize) {
        let accepted = Request::Accepted(u8::try_from(candidate).unwrap_or(u8::MAX));
        self.in_flight.queue_notice(&request.connection, request.wire_id, &accepted);
        if let Operation::Get(action) = &request.operation {
            self.fallback.hits.remember(*action, &hit.path);
        }
        self.fallback.responder.hit(request.id, hit);
    }

    /// Lets other builds use entries that were put: those that the daemon has, and those that the spool keeps for it.
    pub(super) fn share(&self, shares: Vec<Share>) {
        for Share { action, output, condition } in shares {
            self.fallback.share(&action, output, condition.as_ref());
            self.tell(&Request::Share { action, output, condition });
        }
        self.send_notices();
    }

    /// Tells the daemon something that it does not reply to, if it is there.
    pub(super) fn tell(&self, notice: &Request) {
        if let Some(connection) = self.in_flight.current() {
            self.in_flight.queue_notice(&connection, connection.next_id(), notice);
        }
    }

    /// Refuses what the daemon offered, and answers locally.
    pub(super) fn reject(&self, request: &InFlightRequest) {
        self.in_flight.queue_notice(&request.connection, request.wire_id, &Request::Rejected);
        self.fallback.answer_locally(request.id, &request.operation);
    }

    /// Ends a connection. The requests that wait for it are answered locally.
    pub(super) fn close(&self, connection: &Arc<Connection>) {
        self.answer_all_locally(self.in_flight.close(connection));
    }

    pub(super) fn answer_all_locally(&self, requests: Vec<InFlightRequest>) {
        for request in requests {
            self.fallback.answer_unanswered(request.id, &request.operation);
            self.in_flight.finish_one();
        }
    }

    /// Sends a request that costs the daemon nothing to answer. False while another request is being sent: the daemon is
    /// reading that one.
    pub(super) fn probe(&self, connection: &Arc<Connection>) -> bool {
        let Some(_turn) = try_lock(&self.sending) else { return false };
        let mut frame = Vec::new();
        Request::Summary.write(connection.next_id(), &mut frame);
        self.send_or_close(connection, &frame);
        true
    }

    /// Sends the notices that wait for a request, unless one is being sent.
    pub(super) fn send_notices(&self) {
        if let Some(_turn) = try_lock(&self.sending)
            && let Some((connection, notices)) = self.in_flight.take_notices()
        {
            self.send_or_close(&connection, &notices);
        }
    }

    /// At the end: tells the daemon, if it is there, what it was not told yet. Its counters need that.
    pub(super) fn send_last_notices(&self) {
        if let Some(counts) = self.fallback.take_counts() {
            self.tell(&counts);
        }
        let _turn = lock(&self.sending);
        if let Some((connection, notices)) = self.in_flight.take_notices() {
            drop(send(&connection, &notices, None)); // if the daemon is gone again, the counts are lost
        }
    }

    /// Nothing may follow a frame that was cut off.
    fn send_or_close(&self, connection: &Arc<Connection>, frames: &[u8]) {
        if send(connection, frames, None).is_err() {
            self.close(connection);
        }
    }
}

fn send(connection: &Connection, frames: &[u8], body: Option<&PutBody>) -> std::io::Result<()> {
    let mut stream = &connection.stream;
    stream.write_all(frames)?;
    body.map_or(Ok(()), |body| body.send(&mut stream))
}
