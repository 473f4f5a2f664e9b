//! A connection of a go command: a hello, then request frames until the client closes it. One thread each reads them; gets whose
//! objects must be verified first have a second one (`slow_gets.rs`), so that replies come in any order. What is replied, handler/
//! decides.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use proto::control::Sender;
use proto::wire::{FirstLine, Hello, Reply, Request, VERSION, Welcome, read_first_line, write_json_line};
use proto::{FrameError, limits};
use store::Exposure;

use super::handler::Effort;
use super::handler::session_handler::{Client, Handler};
use super::share_policy::Class;
use super::slow_gets::{Get, SlowGets};
use crate::builds::build::Build;
use crate::clock;
use crate::context::Context;
use crate::limits::{SESSION_BUFFER, SLOW_REQUEST};
use crate::mutex::lock;
use crate::net::connections::Connection;
use crate::net::deadline::DeadlineStream;
use crate::net::peer_credentials::Peer;
use crate::remote::begin_prefetch::prefetch;
use crate::telemetry::latency::Latency;

/// Serves one client until it ends.
///
/// # Errors
/// What ended the session, unless the client closed it.
pub(crate) fn serve(connection: &Connection, context: &Context, build: &Arc<Build>) -> Result<(), FrameError> {
    let stream = &connection.stream;
    let mut input = BufReader::with_capacity(SESSION_BUFFER, DeadlineStream::new(stream, limits::PEER_TIMEOUT));
    let hello: Hello = match read_first_line(&mut input, limits::HELLO_LINE)? {
        FirstLine::Current(hello) => hello,
        FirstLine::OtherVersion(version) => return refuse_other_version(version, stream, context, build),
    };
    input.get_mut().limit_each(limits::PEER_TIMEOUT)?;
    write_json_line(stream, &Welcome { version: VERSION, outputs: build.outputs(), error: None })?;
    let remote = context.remote.as_ref().zip(build.prefetches());
    let prefetch = remote.and_then(|(remote, by)| prefetch(remote, by, &hello.toolchain));
    let view = build.view(&hello.toolchain);
    let session = build.trace.session(&hello);
    let is_of_go = hello.toolchain.is_of_go();
    let goroot = hello.reads_goroot.then_some(hello.toolchain.goroot);
    let (gocache, only_conditional) = (gocache(hello.gocache), hello.only_conditional);
    let client = Client { view, exposure: exposure(stream), session, goroot, gocache, only_conditional, is_of_go };
    let handler = Handler::new(context, build.clone(), client, prefetch);
    let why = || context.registry.why_missed(build);
    let session = Session { connection, handler, latency: &context.latency, why: &why, writing: Mutex::new(()) };
    let outcome = session.serve(&mut input);
    session.handler.finish();
    outcome
}

/// Answers a client of another version.
fn refuse_other_version(version: u32, stream: &UnixStream, context: &Context, build: &Build) -> Result<(), FrameError> {
    let error = format!("the client has protocol version {version}, this daemon {VERSION}");
    build.warn_rate_limited(format_args!("{error}"));
    context.other_versions.note(Sender::Client, version, clock::unix(clock::now()));
    Ok(write_json_line(stream, &Welcome { version: VERSION, outputs: String::new(), error: Some(error) })?)
}

/// A session after its hello.
struct Session<'a> {
    connection: &'a Connection,
    handler: Handler,
    latency: &'a Latency,
    why: &'a (dyn Fn() -> String + Sync),
    /// Held while replies are written, so that each is whole.
    writing: Mutex<()>,
}

impl Session<'_> {
    fn serve(&self, input: &mut BufReader<DeadlineStream<'_, UnixStream>>) -> Result<(), FrameError> {
        let answer_slow = |get| self.answer_slow(get);
        thread::scope(|scope| self.frames(input, &mut SlowGets::new(scope, &answer_slow)))
    }

    fn frames<'a>(
        &'a self,
        input: &mut BufReader<DeadlineStream<'_, UnixStream>>,
        slow_gets: &mut SlowGets<'_, 'a>,
    ) -> Result<(), FrameError> {
        let mut replies = Vec::new();
        loop {
            // Before the thread waits, and before the replies are many: the client may not be reading them.
            if input.buffer().is_empty() || replies.len() >= SESSION_BUFFER {
                self.flush(&mut replies)?;
            }
            wait(input)?;
            let Some((id, request)) = Request::read(input)? else { return Ok(()) };
            if request.body() > input.buffer().len() as u64 {
                self.flush(&mut replies)?; // a body may be long in coming
            }
            let began = Instant::now();
            if let Some(reply) = self.answer((id, request), input, slow_gets)? {
                let duration = began.elapsed();
                self.latency.observe(&reply, duration);
                reply.write(id, &mut replies);
                if duration >= SLOW_REQUEST {
                    self.flush(&mut replies)?; // the next one may take as long
                }
            }
        }
    }

    /// The reply to a request, if there is one now.
    fn answer<'a>(
        &'a self,
        (id, request): (u32, Request),
        input: &mut impl Read,
        slow_gets: &mut SlowGets<'_, 'a>,
    ) -> Result<Option<Reply>, FrameError> {
        let (handler, under_way) = (&self.handler, self.connection.begin_request());
        Ok(Some(match request {
            Request::Get { action } => {
                return Ok(self.get(Get { id, action, came: Instant::now(), under_way }, slow_gets));
            }
            Request::Put { action, output } => {
                handler.put((action, output), Class::Plain, &mut input.take(output.size))?
            }
            Request::PutPrivate { action, output } => {
                handler.put((action, output), Class::Private, &mut input.take(output.size))?
            }
            Request::PutTest { action, output, inputs } => handler.put_test((action, output), inputs, input)?,
            Request::Summary => handler.summary(),
            Request::Why => Reply::Why((self.why)()),
            notice => {
                self.note(id, &notice);
                return Ok(None);
            }
        }))
    }

    /// A notice, which has no reply.
    fn note(&self, id: u32, notice: &Request) {
        let handler = &self.handler;
        match notice {
            Request::Share { action, output, condition } => handler.share(action, output, condition.as_ref()),
            Request::Parts { condition, parts } => handler.build().keep_parts(condition, parts),
            Request::Accepted(candidate) => handler.decided(id, Some(*candidate)),
            Request::Rejected => handler.decided(id, None),
            Request::WithoutDaemon { unanswered, spooled } => handler.without_daemon(*unanswered, *spooled),
            Request::Used(actions) => handler.used(actions),
            Request::Get { .. }
            | Request::Put { .. }
            | Request::PutPrivate { .. }
            | Request::PutTest { .. }
            | Request::Summary
            | Request::Why => {} // answered above
        }
    }

    /// The reply to a get, unless it has to wait: later requests do not wait for that.
    fn get<'a>(&self, get: Get<'a>, slow_gets: &mut SlowGets<'_, 'a>) -> Option<Reply> {
        self.handler.get(get.id, &get.action, Effort::Little).or_else(|| {
            let refused = slow_gets.push(get).err()?;
            self.handler.get(refused.id, &refused.action, Effort::All { since: refused.came })
        })
    }

    /// Answers a get on the second thread.
    fn answer_slow(&self, get: Get<'_>) {
        let (began, mut frame) = (Instant::now(), Vec::new());
        let reply = self.handler.get(get.id, &get.action, Effort::All { since: get.came }).unwrap_or(Reply::Miss);
        self.latency.observe(&reply, began.elapsed());
        reply.write(get.id, &mut frame);
        if self.flush(&mut frame).is_err() {
            // The client has closed it: the session's own thread finds the end of its input.
            drop(self.connection.stream.shutdown(Shutdown::Both));
        }
        drop(get.under_way);
    }

    fn flush(&self, replies: &mut Vec<u8>) -> Result<(), FrameError> {
        let _writing = lock(&self.writing);
        (&self.connection.stream).write_all(replies)?;
        replies.clear();
        Ok(())
    }
}

/// The GOCACHE of a session. What is kept for one that is not known is for this session alone.
fn gocache(claimed: String) -> String {
    static UNKNOWN: AtomicU64 = AtomicU64::new(0);
    if !claimed.is_empty() {
        return claimed;
    }
    // A daemon that starts again counts from 0 again.
    format!("unknown {} {}", clock::unix_ms(clock::now()), UNKNOWN.fetch_add(1, Relaxed))
}

/// Waits for the next frame without a deadline: a client is silent while `go test` or `go run` runs a program.
fn wait(input: &mut impl BufRead) -> Result<(), FrameError> {
    loop {
        match input.fill_buf().map(drop).map_err(FrameError::Read) {
            Err(e) if e.is_timeout() => {}
            Err(FrameError::Read(e)) if e.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A build under the daemon's own uid could write to objects that are linked for it: it gets copies.
fn exposure(stream: &UnixStream) -> Exposure {
    match Peer::of(stream) {
        Ok(peer) if !peer.is_daemon_user() => Exposure::Link,
        Ok(_) | Err(_) => Exposure::Copy,
    }
}
