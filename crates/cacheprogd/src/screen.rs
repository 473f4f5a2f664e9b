//! Where our output goes: to a person or to a program.

use std::io::IsTerminal;

use crate::table::Look;

/// How text for standard output is to look. `NO_COLOR` is everyone's word for no colours (no-color.org).
pub(crate) fn look() -> Look {
    let aligned = std::io::stdout().is_terminal();
    #[expect(clippy::disallowed_methods, reason = "this is the edge of the program")]
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Look { aligned, colours: aligned && !plain }
}
