//! How output looks: tables and colours on a terminal, tabs between fields elsewhere, and a progress line.
//!
//! look.rs is the choice, table.rs makes tables (pure), progress.rs shows progress, output.rs writes to standard output.

mod look;
mod output;
mod progress;
mod table;

pub(crate) use look::{Look, Tone, look};
pub(crate) use output::{print, print_json};
pub(crate) use progress::Progress;
pub(crate) use table::Table;
