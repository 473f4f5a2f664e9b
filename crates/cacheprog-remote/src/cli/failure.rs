//! How a command ends, and what it prints.

use std::error::Error;
use std::io::{self, Write};

/// Why a command failed: its text says what failed, and how to fix it.
pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// Prints a line on standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
