//! What tests ask of the server itself, below `/-/`. 127.0.0.1 alone may: a build in a namespace of its own may not.
//!
//! ```text
//! POST   /-/faults      adds a rule or a list of rules (faults.rs); GET shows them, DELETE removes them
//! GET    /-/requests    the log as lines of JSON; DELETE empties it
//! GET    /-/totals      its sums
//! POST   /-/clock       {"advance_seconds": N} moves the clock of the store, ahead or back; GET shows it
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{from_slice, json};

use crate::faults::Rule;
use crate::reply::{ApiError, Reply};
use crate::request::Request;
use crate::state::State;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

/// Carries out a request from that address.
pub(crate) fn serve(state: &State, request: &Request, from: IpAddr) -> Result<Reply, ApiError> {
    if from != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        return Err(ApiError::denied("127.0.0.1 alone may use /-/"));
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/-/faults") => state.faults.add(rules(&request.body).map_err(|error| invalid(&error))?),
        ("DELETE", "/-/faults") => state.faults.clear(),
        ("DELETE", "/-/requests") => state.log.reset(),
        ("POST", "/-/clock") => {
            state.clock.advance(from_slice::<Advance>(&request.body).map_err(|error| invalid(&error))?.advance_seconds);
        }
        ("GET", "/-/faults") => return Ok(json(&json!(state.faults.rules()))),
        ("GET", "/-/totals") => return Ok(json(&json!(state.log.totals()))),
        ("GET", "/-/clock") => {
            let since = state.clock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            return Ok(json(&json!({ "unix_seconds": since.as_secs() })));
        }
        ("GET", "/-/requests") => {
            let lines: String = state.log.requests().iter().map(|request| format!("{}\n", json!(request))).collect();
            return Ok(Reply::new(200).with_body("application/x-ndjson", lines));
        }
        _ => return Err(ApiError::new(404, "NotFound", "faults, requests, totals and clock are here")),
    }
    Ok(Reply::new(204))
}

fn rules(body: &[u8]) -> Result<Vec<Rule>, serde_json::Error> {
    let is_list = body.trim_ascii_start().starts_with(b"[");
    if is_list { from_slice(body) } else { Ok(vec![from_slice(body)?]) }
}

fn invalid(error: &serde_json::Error) -> ApiError {
    ApiError::new(400, "InvalidArgument", &error.to_string())
}

fn json(value: &serde_json::Value) -> Reply {
    Reply::new(200).with_body("application/json", format!("{value}\n"))
}
