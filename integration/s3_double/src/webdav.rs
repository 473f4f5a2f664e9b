//! The WebDAV face below `/dav/`, as nginx has it: GET, PUT that makes folders by itself, DELETE; basic or bearer authentication.

use base64_simd::STANDARD;

use crate::faults::Fault;
use crate::objects;
use crate::reply::{ApiError, Reply};
use crate::request::Request;
use crate::settings::{Key, Right, Settings};
use crate::state::State;
use crate::store::{Existing, Put};

/// The object's name, if the request is for this face.
pub(crate) fn name(request: &Request) -> Option<&str> {
    request.path.strip_prefix("/dav/")
}

/// Checks and carries out a request; says whose it is.
pub(crate) fn serve<'a>(
    state: &'a State,
    request: &Request,
    name: &str,
    fault: Option<&Fault>,
) -> (Option<&'a Key>, Result<Reply, ApiError>) {
    let Some(user) = user(request, &state.settings) else {
        let challenge = ("WWW-Authenticate", "Basic realm=\"s3-double\"".to_owned());
        return (None, Err(ApiError::new(401, "Unauthorized", "user or token is wrong").with_header(challenge)));
    };
    (Some(user), operation(state, request, (user, name), fault))
}

fn user<'a>(request: &Request, settings: &'a Settings) -> Option<&'a Key> {
    let (scheme, credentials) = request.header("authorization")?.split_once(' ')?;
    match scheme {
        "Basic" => {
            let decoded = String::from_utf8(STANDARD.decode_to_vec(credentials).ok()?).ok()?;
            let (name, password) = decoded.split_once(':')?;
            settings.webdav_basic.iter().find(|user| user.id == name && user.secret == password)
        }
        "Bearer" => settings.webdav_bearer.iter().find(|user| user.secret == credentials),
        _ => None,
    }
}

fn operation(
    state: &State,
    request: &Request,
    (user, name): (&Key, &str),
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    let right = match request.method.as_str() {
        "GET" => Right::Read,
        "PUT" => Right::Write,
        "DELETE" => Right::Delete,
        _ => return Err(ApiError::new(405, "MethodNotAllowed", "GET, PUT and DELETE are served")),
    };
    if !user.allows(right, name) {
        return Err(ApiError::denied("Access Denied"));
    }
    let missing = || ApiError::new(404, "NotFound", "Not Found");
    let bucket = state.settings.buckets.first().ok_or_else(missing)?;
    let (full, now) = (format!("{bucket}/{name}"), state.clock.now());
    match right {
        Right::Write => {
            objects::check_length(request)?;
            let put = state.store.put(&full, request.body.clone(), now, Existing::Replace);
            let put = put.map_err(|error| ApiError::new(500, "InternalError", &error.to_string()))?;
            Ok(Reply::new(if put == Put::Created { 201 } else { 204 }))
        }
        Right::Delete if state.store.delete(&full, now) => Ok(Reply::new(204)),
        Right::Read => objects::get(request, &state.store.get(&full, now).ok_or_else(missing)?, fault),
        Right::Delete | Right::List => Err(missing()),
    }
}
