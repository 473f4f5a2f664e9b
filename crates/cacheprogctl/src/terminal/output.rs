//! Writes to standard output.

use std::io::{ErrorKind, Write};

use serde::Serialize;

use crate::error::CommandError;

/// Prints a text. A reader that closes the pipe early (`| head`) is no error.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(CommandError::Output(e)),
        _ => Ok(()),
    }
}

/// Prints one JSON object.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    print(&(serde_json::to_string_pretty(value).map_err(|e| CommandError::Output(e.into()))? + "\n"))
}
