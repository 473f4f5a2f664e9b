//! Whether output goes to a person or to a program, and its colours.

use std::io::IsTerminal;

/// How text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Columns are aligned: a person reads it.
    pub(crate) aligned: bool,
    pub(crate) colours: bool,
}

/// What a piece of text is. It decides the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Head,
    Good,
    Warn,
    Bad,
}

impl Style {
    /// The text, in its colour if there are colours.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Head => "1",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The style of standard output. `NO_COLOR` is the usual variable for no colours (no-color.org).
pub(crate) fn stdout_style() -> Style {
    let aligned = std::io::stdout().is_terminal();
    #[expect(clippy::disallowed_methods, reason = "this is the edge of the program")]
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style { aligned, colours: aligned && !plain }
}
