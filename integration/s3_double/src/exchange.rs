//! One request and its answer: which face it is for, which fault it meets, what is logged.

use std::io::Read;
use std::net::IpAddr;
use std::time::Duration;

use crate::connection::Connection;
use crate::control;
use crate::faults::Fault;
use crate::reply::{ApiError, Reply};
use crate::request::Request;
use crate::request_log::Logged;
use crate::s3;
use crate::sending::{Answer, receive};
use crate::state::State;
use crate::webdav;

/// Reads the request's body, and answers.
pub(crate) fn serve(state: &State, connection: &Connection, mut received: tiny_http::Request) {
    let header = |header: &tiny_http::Header| (header.field.as_str().as_str().to_lowercase(), header.value.to_string());
    let headers = received.headers().iter().map(header).collect();
    let mut request = Request::new(received.method().as_str(), received.url(), headers);
    if request.path.starts_with("/-/") {
        request.body = read(&request, connection, received.as_reader(), None).unwrap_or_default();
        let reply = control::serve(state, &request, ip(connection)).unwrap_or_else(Reply::from);
        Answer::new(reply, None, state.date(None)).send(connection, None);
        return;
    }
    let mut logged = Logged {
        method: request.method.clone(),
        name: name(state, &request),
        range: request.header("range").map(str::to_owned),
        ..Logged::default()
    };
    let fault = state.faults.take(&logged.method, &logged.name);
    logged.fault = fault.as_ref().map(kind);
    answer(state, connection, (&mut request, received.as_reader()), logged, fault.as_ref());
}

fn answer(
    state: &State,
    connection: &Connection,
    (request, body): (&mut Request, &mut dyn Read),
    mut logged: Logged,
    fault: Option<&Fault>,
) {
    if matches!(fault, Some(Fault::Refuse | Fault::Hang)) {
        state.log.add(logged);
        if fault == Some(&Fault::Hang) {
            connection.wait(Duration::MAX);
        }
        return connection.reset();
    }
    let Some(body) = read(request, connection, body, fault) else {
        state.log.add(logged);
        return;
    };
    logged.bytes_up = body.len();
    request.body = body;
    let reply = reply(state, request, &mut logged, fault);
    if let Some(Fault::Delay { milliseconds }) = fault {
        connection.wait(Duration::from_millis(*milliseconds));
    }
    let answer = Answer::new(reply, fault, state.date(fault));
    // Logged first: a client that has its answer finds itself in the log.
    logged.bytes_down = answer.bytes();
    let entry = state.log.add(logged);
    let sent = answer.send(connection, fault);
    state.log.sent(entry, sent);
}

/// `tiny_http` has sent its own `100 Continue` into the connection behind this one.
fn read(request: &Request, connection: &Connection, from: &mut dyn Read, fault: Option<&Fault>) -> Option<Vec<u8>> {
    if request.header("expect").is_some() {
        drop(connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")); // the answer finds the same error
    }
    receive(connection, from, fault)
}

fn reply(state: &State, request: &Request, logged: &mut Logged, fault: Option<&Fault>) -> Reply {
    let (key, result) = if let Some(error) = error_of(state, request, fault) {
        (None, Err(error))
    } else if let Some(name) = webdav::name(request) {
        webdav::serve(state, request, name, fault)
    } else {
        s3::serve(state, request, fault)
    };
    logged.key = key.map(|key| key.id.clone());
    let reply = result.unwrap_or_else(Reply::from);
    logged.status = reply.status;
    reply
}

/// The error that the fault is.
fn error_of(state: &State, request: &Request, fault: Option<&Fault>) -> Option<ApiError> {
    let injected = |status, code: &str| ApiError::new(status, code, "injected by a rule of the test");
    Some(match fault? {
        Fault::Status { status, code } => injected(*status, code),
        Fault::Redirect { status, location } => {
            let location = location.replace("{path}", &request.target);
            injected(*status, "TemporaryRedirect").with_header(("Location", location))
        }
        Fault::ExpiredToken => ApiError::expired_token(),
        Fault::NoBucket => ApiError::no_bucket(&s3::target(request, &state.settings.domain).0),
        Fault::FullDisk if webdav::name(request).is_some() => injected(507, "InsufficientStorage"),
        Fault::FullDisk => injected(500, "InternalError"),
        _ => return None,
    })
}

/// The name for rules and log: without the bucket; of a list, `?` and its prefix.
fn name(state: &State, request: &Request) -> String {
    let s3_name = || s3::target(request, &state.settings.domain).1;
    let name = webdav::name(request).map_or_else(s3_name, str::to_owned);
    let is_list = request.method == "GET" && name.is_empty();
    if is_list { format!("?{}", request.parameter("prefix").unwrap_or_default()) } else { name }
}

/// As the rule's JSON has it.
fn kind(fault: &Fault) -> String {
    let json = serde_json::to_value(fault).unwrap_or_default();
    json["kind"].as_str().unwrap_or_default().to_owned()
}

fn ip(connection: &Connection) -> IpAddr {
    connection.peer.ip()
}
