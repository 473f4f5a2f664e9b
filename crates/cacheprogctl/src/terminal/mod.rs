//! How output looks: tables and colours on a terminal, tabs between fields elsewhere, and a progress line.
//!
//! style.rs is the choice, table.rs makes tables (pure), progress.rs shows progress, output.rs writes to standard output.

mod output;
mod progress;
mod style;
mod table;

pub(crate) use output::{print, print_json};
pub(crate) use progress::Progress;
pub(crate) use style::{Style, Tone, stdout_style};
pub(crate) use table::Table;
