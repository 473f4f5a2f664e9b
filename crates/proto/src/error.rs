//! What can be wrong with what a peer sent. Two levels only: a [`RequestError`] is answered and the session goes on,
//! a [`FrameError`] ends the session because it is not known where the next request begins.

use std::error::Error;
use std::fmt::Write;

/// An error with its causes, in one line. A cause that is in the text already, since a message has that of its cause, is not said again.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.contains(&told) {
            // Writing to a String cannot fail.
            let _infallible = write!(text, ": {told}");
        }
        source = cause.source();
    }
    text
}

/// A parser's error in a file of settings: the number of its line, and the message in one line with the name of the setting.
/// `at` is the offset of the error in the file's text.
#[must_use]
pub fn in_settings(text: &str, at: Option<usize>, message: &str) -> (usize, String) {
    let before = &text[..text.floor_char_boundary(at.unwrap_or(0))];
    let number = before.matches('\n').count();
    let name = text.lines().nth(number).and_then(|line| line.split_once('=')).map_or("", |(name, _)| name.trim());
    let message = message.trim().replace('\n', ", ");
    (number + 1, if name.is_empty() || message.contains(name) { message } else { format!("{name}: {message}") })
}

/// A parser's drawing of the place of an error in a file of settings, from its whole text (`TOML parse error at …`, the drawing, the
/// message): lines below the sentence that says what is wrong. Empty where there is none.
#[must_use]
pub fn drawing(text: &str) -> String {
    let is_drawn = |line: &&str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|');
    text.lines().skip(1).take_while(is_drawn).map(|line| format!("\n{line}")).collect()
}

/// A request that cannot be served, in a stream that is still in step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// An id is not the base64 of 32 bytes (`bytes`: what it holds instead, if it is base64 at all).
    #[error("{field} {}", match bytes { Some(n) => format!("has {n} bytes, not 32"), None => "is not base64".to_string() })]
    Id {
        /// The field's name in cmd/go's protocol.
        field: &'static str,
        /// Its length, where it is base64.
        bytes: Option<usize>,
    },
    /// A field that the command needs is not there.
    #[error("the request has no {0}")]
    Missing(&'static str),
    /// A command that we did not declare.
    #[error("unknown command {0:?}: this program knows get, put and close")]
    UnknownCommand(String),
    /// A body over [`crate::limits::BODY`].
    #[error("the body of {0} bytes is over the limit of {limit} bytes", limit = crate::limits::BODY)]
    BodyTooLarge(u64),
    /// A body that is no base64.
    #[error("the body is not base64")]
    BodyNotBase64,
    /// A body whose length is not the declared one.
    #[error("the body is not the declared {0} bytes")]
    BodyLength(u64),
    /// A body whose sha256 is not the output id.
    #[error("the body's sha256 is not the OutputID")]
    BodyDigest,
}

/// A stream that can no longer be followed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream itself failed.
    #[error("reading a frame")]
    Read(#[from] std::io::Error),
    /// A line over its limit.
    #[error("a line over {0} bytes")]
    LineTooLong(usize),
    /// A header that is no JSON object of the expected form.
    #[error("a line that is not a request")]
    Json(#[from] serde_json::Error),
    /// The stream ended within a frame.
    #[error("the stream ended within a frame")]
    Truncated,
    /// A byte that no frame begins with.
    #[error("unknown frame type {0:#04x}")]
    UnknownFrame(u8),
    /// A frame whose fields contradict each other or the protocol's limits.
    #[error("a frame out of bounds: {0}")]
    OutOfBounds(&'static str),
}

impl FrameError {
    /// Whether the peer was merely silent for longer than its socket's time limit.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        matches!(self, Self::Read(e) if matches!(e.kind(), TimedOut | WouldBlock))
    }

    /// Whether the peer closed the connection. systemd does so with a connection that the daemon did not take.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
        match self {
            Self::Truncated => true,
            Self::Read(e) => matches!(e.kind(), BrokenPipe | ConnectionReset),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("the engine is not available: {0}")]
        WithCause(#[source] std::io::Error),
        #[error("putting o/1")]
        Alone(#[source] Box<Self>),
    }

    #[test]
    fn a_drawing_is_what_stands_between_the_place_and_the_message() {
        let text = "TOML parse error at line 3, column 7\n  |\n3 | x = 1 | 2\n  |       ^\nunexpected | here\n";
        assert_eq!(drawing(text), "\n  |\n3 | x = 1 | 2\n  |       ^");
        assert_eq!(drawing("missing field"), "");
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = std::io::Error::other("status 503");
        let error = Failed::Alone(Box::new(Failed::WithCause(cause)));
        assert_eq!(with_causes(&error), "putting o/1: the engine is not available: status 503");
    }
}
