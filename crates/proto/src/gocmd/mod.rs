//! cmd/go's `GOCACHEPROG` protocol, Go 1.21 to 1.27 (cmd/go/internal/cacheprog/cacheprog.go and cache/prog.go).
//!
//! cmd/go writes a JSON header line and an empty line; a put with a body is followed by one line that holds the body as
//! a base64 string. We answer with one JSON object a line, in any order. The dialects differ in one field: 1.21-1.23
//! say `ObjectID` where 1.24 and later say `OutputID`.
//!
//! A body is never held whole: [`Requests::read`] yields the put's header, then [`Requests::body`] its bytes.

mod body;
mod request;
mod response;

pub use body::{Body, BodyError};
pub(crate) use request::read_line;
pub use request::{Command, Request, Requests};
pub use response::{Hit, write_close, write_error, write_hello, write_hit, write_miss, write_stored};
