//! A connection from a sandbox: hello, then frames until the client goes. One thread each, owning its stream.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use proto::wire::{Hello, Reply, Request, VERSION, Welcome, read_json_line, write_json_line};
use proto::{FrameError, limits};
use store::{Sharing, View};

use crate::build::Build;
use crate::control::Context;
use crate::deadline::Within;
use crate::handler::{Client, Handler};
use crate::http::metrics::Latency;
use crate::peer::Peer;
use crate::sessions::Connection;

/// Bytes read from the socket at a time, where no body is being read past the buffer.
const BUFFER: usize = 32 << 10;

/// Serves one client until it ends.
///
/// # Errors
/// What ended the session, if not the client's leaving.
pub(crate) fn run(connection: &Connection, context: &Context, build: &Arc<Build>) -> Result<(), FrameError> {
    let stream = &connection.stream;
    let mut input = BufReader::with_capacity(BUFFER, Within::new(stream, limits::SILENCE));
    let hello: Hello = read_json_line(&mut input, limits::HELLO_LINE)?;
    let mut welcome = Welcome { version: VERSION, outputs: build.outputs(), error: None };
    if hello.version != VERSION {
        let error = format!("the client speaks version {}, this daemon {VERSION}", hello.version);
        build.complain(format_args!("{error}"));
        (welcome.outputs, welcome.error) = (String::new(), Some(error));
        return Ok(write_json_line(stream, &welcome)?);
    }
    input.get_mut().lift(limits::SILENCE)?;
    write_json_line(stream, &welcome)?;
    let view = View::common(&hello.toolchain);
    let session = build.trace.session(&hello);
    let goroot = hello.reads_goroot.then_some(hello.toolchain.goroot);
    let keeps_its_own = hello.keeps_its_own;
    let client = Client { view, sharing: sharing(stream), session, goroot, keeps_its_own };
    let mut handler = Handler::new(context.store.clone(), build.clone(), client, context.shares_tests);
    let done = frames(connection, &mut input, &mut handler, (&context.latency, &|| context.registry.headline(build)));
    handler.leave();
    done
}

fn frames(
    connection: &Connection,
    input: &mut BufReader<Within<'_, UnixStream>>,
    handler: &mut Handler,
    (latency, why): (&Latency, &dyn Fn() -> String),
) -> Result<(), FrameError> {
    let (mut stream, mut replies) = (&connection.stream, Vec::new());
    loop {
        // Before there is nothing to do but wait, and before they are many, as nobody may be reading them.
        if input.buffer().is_empty() || replies.len() >= BUFFER {
            flush(&mut stream, &mut replies)?;
        }
        wait(input)?;
        let Some((id, request)) = Request::read(input)? else { return Ok(()) };
        let _under_way = connection.request();
        if request.body() > input.buffer().len() as u64 {
            flush(&mut stream, &mut replies)?; // a body may be long in coming
        }
        let began = Instant::now();
        if let Some(reply) = answer((id, request), handler, input, why)? {
            latency.observe(&reply, began.elapsed());
            reply.write(id, &mut replies);
        }
    }
}

/// The reply to a request, if it has one.
fn answer(
    (id, request): (u32, Request),
    handler: &mut Handler,
    input: &mut impl Read,
    why: &dyn Fn() -> String,
) -> Result<Option<Reply>, FrameError> {
    Ok(Some(match request {
        Request::Get { action } => handler.get(id, &action),
        Request::Put { action, output, size } => handler.put((action, output, size), None, &mut input.take(size))?,
        Request::PutIf { action, output, size, condition } => {
            handler.put((action, output, size), Some(&condition), &mut input.take(size))?
        }
        Request::PutTest { action, output, size, inputs } => handler.put_test((action, output, size), inputs, input)?,
        Request::Summary => handler.summary(),
        Request::Why => Reply::Why(why()),
        Request::Accepted(candidate) => {
            handler.decided(id, Some(candidate));
            return Ok(None);
        }
        Request::Rejected => {
            handler.decided(id, None);
            return Ok(None);
        }
        Request::Alone { unanswered, spooled } => {
            handler.was_alone(unanswered, spooled);
            return Ok(None);
        }
        Request::Used(actions) => {
            handler.used(&actions);
            return Ok(None);
        }
    }))
}

fn flush(stream: &mut &UnixStream, replies: &mut Vec<u8>) -> Result<(), FrameError> {
    stream.write_all(replies)?;
    replies.clear();
    Ok(())
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
fn sharing(stream: &UnixStream) -> Sharing {
    match Peer::of(stream) {
        Ok(peer) if !peer.is_ours() => Sharing::Link,
        Ok(_) | Err(_) => Sharing::Copy,
    }
}
