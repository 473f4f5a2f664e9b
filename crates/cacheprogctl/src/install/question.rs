//! Asks whether `uninstall` removes the cache: hours of compiling may be in it.

use std::io::{self, BufRead, IsTerminal, Write};

/// What becomes of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Remove,
    Keep,
}

/// Asks a person at a terminal. Where there is none, the cache is kept.
pub(crate) fn ask_about_caches(caches: &str) -> Choice {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Choice::Keep;
    }
    ask(caches, &mut io::stdin().lock(), &mut io::stderr())
}

fn ask(caches: &str, input: &mut impl BufRead, output: &mut impl Write) -> Choice {
    let mut answer = String::new();
    let asked = write!(output, "Remove the cache in {caches} too? [y/N] ").and_then(|()| output.flush());
    match asked.and_then(|()| input.read_line(&mut answer)) {
        Ok(_) if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) => Choice::Remove,
        _ => Choice::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_removed_only_after_a_yes() {
        for (typed, choice) in [
            ("y\n", Choice::Remove),
            ("Yes\n", Choice::Remove),
            ("\n", Choice::Keep),
            ("n\n", Choice::Keep),
            ("", Choice::Keep),
        ] {
            let mut asked = Vec::new();
            assert_eq!(ask("/c", &mut typed.as_bytes(), &mut asked), choice, "{typed:?}");
            assert_eq!(asked, b"Remove the cache in /c too? [y/N] ");
        }
    }
}
