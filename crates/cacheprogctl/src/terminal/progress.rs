//! The progress of long work, in one line of a terminal that is overwritten. Elsewhere nothing is written.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The time between two updates of the line.
const INTERVAL: Duration = Duration::from_millis(100);

/// The bar's width, in characters.
const WIDTH: u64 = 30;

/// One piece of work.
#[derive(Debug)]
pub(crate) struct Progress {
    /// What is counted.
    of: &'static str,
    /// How many there are; 0 if that is not known.
    all: u64,
    shown: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    pub(crate) fn new(of: &'static str, all: u64) -> Self {
        let shown = std::io::stderr().is_terminal().then(Instant::now);
        Self { of, all, shown, is_shown: false }
    }

    /// Shows that this many are done.
    pub(crate) fn at(&mut self, done: u64) {
        if self.shown.is_none_or(|last| last.elapsed() < INTERVAL) {
            return;
        }
        self.shown = Some(Instant::now());
        self.is_shown = true;
        self.write(&line(done, self.all, self.of));
    }

    fn write(&self, line: &str) {
        // Where it cannot be written, the work goes on.
        drop(write!(std::io::stderr(), "\r\x1b[K{line}").and_then(|()| std::io::stderr().flush()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            self.write("");
        }
    }
}

fn line(done: u64, all: u64, of: &str) -> String {
    let Some(share) = (done.min(all) * 100).checked_div(all) else { return format!("{done} {of}") };
    let filled = share * WIDTH / 100;
    let bar: String = (0..WIDTH).map(|n| if n < filled { '#' } else { '.' }).collect();
    format!("[{bar}] {share:>3} %  {done} of {all} {of}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_the_share_that_is_done() {
        assert_eq!(line(50, 200, "entries"), format!("[{}{}]  25 %  50 of 200 entries", "#".repeat(7), ".".repeat(23)));
        assert_eq!(line(300, 200, "entries"), format!("[{}] 100 %  300 of 200 entries", "#".repeat(30)));
        assert_eq!(line(7, 0, "objects"), "7 objects");
    }
}
