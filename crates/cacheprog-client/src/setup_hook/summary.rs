//! The line at the end of a build's log: what the cache gave, and the cause of misses where there are many.

use std::time::Duration;

use proto::control::Counts;
use proto::figures;
use proto::wire::{Hello, Reply, Request};
use transport::Connection;

use crate::environment::Environment;
use crate::local::local_store::LocalStore;

/// How long the daemon may take to explain the misses: the build waits.
const WHY_TIMEOUT: Duration = Duration::from_secs(2);

/// A shell command that prints the line; nothing where no go command ran.
pub(crate) fn command(environment: &Environment) -> String {
    // The count is of all namespaces: those of the go commands are not known here.
    let spooled = LocalStore::new(&environment.spool, environment).count();
    let hello = Hello::new(environment.toolchain.clone());
    let connection = environment.socket.as_ref().and_then(|path| transport::open(path, &hello).ok());
    let line = match connection.as_ref().and_then(counts) {
        Some(counts) if counts.gets + counts.puts > 0 || spooled > 0 => {
            let why = connection.as_ref().filter(|_| needs_explanation(&counts)).and_then(why);
            summary_line(&counts, spooled) + &why.map_or(String::new(), |why| printable(&why))
        }
        None if spooled > 0 => format!("no daemon: {spooled} outputs not stored for other builds"),
        Some(_) | None => return String::new(),
    };
    format!("echo 'nix-gocacheprog: {line}'\n")
}

fn counts(connection: &Connection) -> Option<Counts> {
    match connection.exchange(&Request::Summary, None) {
        Ok(Reply::Summary(counts)) => Some(counts),
        _ => None,
    }
}

/// Whether more than half of the packages had to be compiled.
fn needs_explanation(counts: &Counts) -> bool {
    counts.packages_compiled > counts.packages_needed / 2
}

fn why(connection: &Connection) -> Option<String> {
    // The daemon has to read another build's profile for this. A daemon that does not know the question ends the session.
    connection.stream.set_read_timeout(Some(WHY_TIMEOUT)).ok()?;
    match connection.exchange(&Request::Why, None) {
        Ok(Reply::Why(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Names of packages come from a build: characters that a shell or a terminal could interpret are removed.
fn printable(text: &str) -> String {
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || " .,:;/_-+=@%()".contains(*c);
    format!("; {}", text.chars().filter(is_allowed).collect::<String>())
}

/// The line. It consists of fixed words and numbers, since a shell evaluates it.
fn summary_line(counts: &Counts, spooled: u64) -> String {
    let mut line = figures::summary(counts);
    if counts.unanswered > 0 {
        line += &format!("; {} requests answered without the daemon", figures::number(counts.unanswered));
    }
    if spooled > 0 {
        line += &format!("; {} outputs not stored for other builds", figures::number(spooled));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_line_of_fixed_words_and_numbers() {
        let counts = Counts {
            packages_needed: 812,
            packages_compiled: 56,
            gets: 4200,
            hits: 4000,
            repeated_gets: 384,
            private_gets: 64,
            bytes_served: 549 << 20,
            saved_milliseconds: 61_500,
            ..Counts::default()
        };
        assert_eq!(
            summary_line(&counts, 0),
            "56 of 812 packages compiled; 3,616 of 3,752 shareable requests hit (96 %), 549.0 MiB; 1 min 1 s of compiling saved"
        );
        let trouble = Counts { unanswered: 7, ..Counts::default() };
        assert_eq!(
            summary_line(&trouble, 3),
            "0 of 0 shareable requests hit (-), 0 B; 0 s of compiling saved; 7 requests answered without the daemon; 3 outputs not stored for other builds"
        );
        let most = Counts::of([u64::MAX; Counts::NUMBER]);
        assert!(!summary_line(&most, u64::MAX).contains(['\'', '$', '`']));
        assert_eq!(
            printable("a'; rm -rf \"$HOME\" `x`\n\u{1b}[0m example.org/v2@1"),
            "; a; rm -rf HOME x0m example.org/v2@1"
        );
    }

    /// A build that compiled no package needs no explanation, even if many of its requests missed.
    #[test]
    fn only_compiled_packages_need_an_explanation() {
        let counts = |needed, compiled| Counts {
            packages_needed: needed,
            packages_compiled: compiled,
            gets: 306,
            hits: 100,
            ..Counts::default()
        };
        assert_eq!(
            [(200, 0), (200, 100), (200, 101), (1, 1), (0, 0)].map(|(n, c)| needs_explanation(&counts(n, c))),
            [false, false, true, true, false]
        );
    }
}
