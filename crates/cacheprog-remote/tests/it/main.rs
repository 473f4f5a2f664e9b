//! The engine over its sockets, against servers that do what a test prepares.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests take the roles of engines")]

mod answers; // what each answer of an engine becomes
mod bodies; // lengths, ranges, limits, slow and broken bodies
mod credentials; // what is sent with which credentials, and what is printed
mod fake_engine; // the server of all tests
mod gc; // what is removed, and what stays
mod limits; // breakers, counters
mod redirects; // other regions and other servers
mod retries; // what is sent a second time
mod tls; // servers with a certificate that is trusted, and others
mod try_remote; // what the command `test` says of each fault
mod writes; // puts, deletes, listings

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use cacheprog_remote::credentials::CredentialsSource;
use cacheprog_remote::engine::{Content, PutBody, Reply};
use cacheprog_remote::limits::Deadlines;
use cacheprog_remote::{Engine, EngineError, EngineSettings, ObjectName};
use fake_engine::FakeEngine;
use remote::url::{Origin, PlainHttp, Url};
use sha2::{Digest, Sha256};

/// Keys and a login, none of which may be printed or go elsewhere.
fn source() -> CredentialsSource {
    CredentialsSource::from_variables(|name| Some(format!("secret-{}", name.to_lowercase())))
}

fn keys_without_token() -> CredentialsSource {
    CredentialsSource::from_variables(|name| {
        name.ends_with("KEY_ID")
            .then(|| "AKID".into())
            .or_else(|| name.ends_with("ACCESS_KEY").then(|| "secret".into()))
    })
}

/// An engine with short deadlines, without credentials: a test of a slow server takes a second. All others have the usual ones.
fn impatient(server: &FakeEngine) -> Engine {
    let mut settings = settings(&format!("http://{}/go", server.address), CredentialsSource::default());
    let [first_byte, pace_window] = [600, 1000].map(Duration::from_millis);
    settings.connections.deadlines = Deadlines { first_byte, pace_window, ..Deadlines::default() };
    Engine::new(&settings)
}

fn settings(url: &str, credentials: CredentialsSource) -> EngineSettings {
    let url = Url::parse(url, PlainHttp::Loopback).unwrap();
    EngineSettings::new(url, credentials)
}

/// A server with GET, PUT and DELETE, without credentials.
fn http(server: &FakeEngine) -> Engine {
    Engine::new(&settings(&format!("http://{}/go", server.address), CredentialsSource::default()))
}

/// The bucket `b-1` of an S3 engine.
fn s3_settings(server: &FakeEngine, credentials: CredentialsSource) -> EngineSettings {
    let endpoint = Origin::parse(&format!("http://{}", server.address), PlainHttp::Loopback).unwrap();
    EngineSettings { endpoint: Some(endpoint), ..settings("s3://b-1/go", credentials) }
}

fn s3(server: &FakeEngine) -> Engine {
    Engine::new(&s3_settings(server, source()))
}

fn name() -> ObjectName {
    ObjectName::parse("o/0a").unwrap()
}

const LIMIT: u64 = 1 << 20;

#[test]
fn threads_share_an_engine_and_pass_replies_on() {
    fn is_shared<T: Send + Sync>() {}
    fn is_passed_on<T: Send>() {}
    is_shared::<Engine>();
    is_passed_on::<Reply>();
}

/// All of an object, or of a range.
fn read(engine: &Engine, range: Option<Range<u64>>) -> Result<Vec<u8>, EngineError> {
    let mut bytes = Vec::new();
    let mut reply = engine.get(&name(), range, LIMIT)?;
    reply.read_to_end(&mut bytes).map_err(|e| EngineError::of_read(e).unwrap())?;
    Ok(bytes)
}

fn put(engine: &Engine, bytes: &[u8]) -> Result<(), EngineError> {
    engine.put(&name(), &PutBody { content: Content::Bytes(bytes), sha256: Sha256::digest(bytes).into() })
}

/// The name of an error's variant.
#[track_caller]
fn variant<T: std::fmt::Debug>(result: Result<T, EngineError>) -> String {
    let printed = format!("{:?}", result.unwrap_err());
    printed.split([' ', '(']).next().unwrap().to_owned()
}
