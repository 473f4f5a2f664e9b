//! A connection from a sandbox: hello, then frames until the client goes. One thread each, which reads them; gets whose objects have
//! to be read first have a second one (aside.rs), so that replies come in any order.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use proto::wire::{Hello, Reply, Request, VERSION, Welcome, read_json_line, write_json_line};
use proto::{FrameError, Output, limits};
use store::{Exposure, View};

use crate::aside::{Aside, Get};
use crate::build::Build;
use crate::control::Context;
use crate::deadline::Within;
use crate::handler::{Client, Handler};
use crate::http::metrics::Latency;
use crate::peer::Peer;
use crate::sessions::Connection;
use crate::sync::lock;

/// Bytes read from the socket at a time, where no body is being read past the buffer.
const BUFFER: usize = 32 << 10;

/// What took so long is sent at once, with what waits before it: many such would add up.
const SLOW: Duration = Duration::from_millis(1);

/// Bytes of an object that are read while others wait, where it has to be read first: some milliseconds.
const READ_AT_ONCE: u64 = 1 << 20;

/// Serves one client until it ends.
///
/// # Errors
/// What ended the session, if not the client's leaving.
pub(crate) fn run(connection: &Connection, context: &Context, build: &Arc<Build>) -> Result<(), FrameError> {
    let stream = &connection.stream;
    let mut input = BufReader::with_capacity(BUFFER, Within::new(stream, limits::PEER_TIMEOUT));
    let hello: Hello = read_json_line(&mut input, limits::HELLO_LINE)?;
    let mut welcome = Welcome { version: VERSION, outputs: build.outputs(), error: None };
    if hello.version != VERSION {
        let error = format!("the client speaks version {}, this daemon {VERSION}", hello.version);
        build.complain(format_args!("{error}"));
        (welcome.outputs, welcome.error) = (String::new(), Some(error));
        return Ok(write_json_line(stream, &welcome)?);
    }
    input.get_mut().lift(limits::PEER_TIMEOUT)?;
    write_json_line(stream, &welcome)?;
    let view = View::common(&hello.toolchain);
    let session = build.trace.session(&hello);
    let goroot = hello.reads_goroot.then_some(hello.toolchain.goroot);
    let keeps_its_own = hello.keeps_its_own;
    let client = Client { view, exposure: exposure(stream), session, goroot, keeps_its_own };
    let handler = Handler::new(context.store.clone(), build.clone(), client, context.shares_tests);
    let why = || context.registry.headline(build);
    let session = Session { connection, handler, latency: &context.latency, why: &why, writing: Mutex::new(()) };
    let done = session.serve(&mut input);
    session.handler.leave();
    done
}

/// A session after its hello.
struct Session<'a> {
    connection: &'a Connection,
    handler: Handler,
    latency: &'a Latency,
    why: &'a (dyn Fn() -> String + Sync),
    /// Held while replies are written, which are always whole.
    writing: Mutex<()>,
}

impl Session<'_> {
    fn serve(&self, input: &mut BufReader<Within<'_, UnixStream>>) -> Result<(), FrameError> {
        let read_first = |get| self.read_first(get);
        thread::scope(|scope| self.frames(input, &mut Aside::new(scope, &read_first)))
    }

    fn frames<'a>(
        &'a self,
        input: &mut BufReader<Within<'_, UnixStream>>,
        aside: &mut Aside<'_, 'a>,
    ) -> Result<(), FrameError> {
        let mut replies = Vec::new();
        loop {
            // Before there is nothing to do but wait, and before they are many, as nobody may be reading them.
            if input.buffer().is_empty() || replies.len() >= BUFFER {
                self.flush(&mut replies)?;
            }
            wait(input)?;
            let Some((id, request)) = Request::read(input)? else { return Ok(()) };
            if request.body() > input.buffer().len() as u64 {
                self.flush(&mut replies)?; // a body may be long in coming
            }
            let began = Instant::now();
            if let Some(reply) = self.answer((id, request), input, aside)? {
                let took = began.elapsed();
                self.latency.observe(&reply, took);
                reply.write(id, &mut replies);
                if took >= SLOW {
                    self.flush(&mut replies)?; // the next one may take as long
                }
            }
        }
    }

    /// The reply to a request, if it has one now.
    fn answer<'a>(
        &'a self,
        (id, request): (u32, Request),
        input: &mut impl Read,
        aside: &mut Aside<'_, 'a>,
    ) -> Result<Option<Reply>, FrameError> {
        let (handler, under_way) = (&self.handler, self.connection.request());
        Ok(Some(match request {
            Request::Get { action } => return Ok(self.get(Get { id, action, under_way }, aside)),
            Request::Put { action, output, size } => {
                handler.put((action, Output { id: output, size }), None, &mut input.take(size))?
            }
            Request::PutIf { action, output, size, condition } => {
                handler.put((action, Output { id: output, size }), Some(&condition), &mut input.take(size))?
            }
            Request::PutTest { action, output, size, inputs } => {
                handler.put_test((action, Output { id: output, size }), inputs, input)?
            }
            Request::Summary => handler.summary(),
            Request::Why => Reply::Why((self.why)()),
            Request::Accepted(candidate) => {
                handler.decided(id, Some(candidate));
                return Ok(None);
            }
            Request::Rejected => {
                handler.decided(id, None);
                return Ok(None);
            }
            Request::WithoutDaemon { unanswered, spooled } => {
                handler.was_alone(unanswered, spooled);
                return Ok(None);
            }
            Request::Used(actions) => {
                handler.used(&actions);
                return Ok(None);
            }
        }))
    }

    /// The reply to a get, unless an object has to be read for it that others need not wait for.
    fn get<'a>(&self, get: Get<'a>, aside: &mut Aside<'_, 'a>) -> Option<Reply> {
        self.handler.get(get.id, &get.action, READ_AT_ONCE).or_else(|| {
            let left = aside.give(get).err()?;
            self.handler.get(left.id, &left.action, u64::MAX)
        })
    }

    /// A get on the other thread.
    fn read_first(&self, get: Get<'_>) {
        let (began, mut frame) = (Instant::now(), Vec::new());
        let reply = self.handler.get(get.id, &get.action, u64::MAX).unwrap_or(Reply::Miss);
        self.latency.observe(&reply, began.elapsed());
        reply.write(get.id, &mut frame);
        if self.flush(&mut frame).is_err() {
            // Nobody reads any more: the session's own thread finds the end of its input.
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

/// Waits for the next frame as long as it takes: a client is silent while `go test` or `go run` runs a program.
fn wait(input: &mut impl BufRead) -> Result<(), FrameError> {
    loop {
        match input.fill_buf().map(drop).map_err(FrameError::Read) {
            Err(e) if e.is_timeout() => {}
            Err(FrameError::Read(e)) if e.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A build under our own uid could write to what it is linked to.
fn exposure(stream: &UnixStream) -> Exposure {
    match Peer::of(stream) {
        Ok(peer) if !peer.is_ours() => Exposure::Link,
        Ok(_) | Err(_) => Exposure::Copy,
    }
}
