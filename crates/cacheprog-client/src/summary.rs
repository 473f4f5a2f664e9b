//! The one line that a build's log gets at its end: what the cache gave.

use std::time::Duration;

use proto::wire::{Hello, Reply, Request, Summary};
use transport::Connection;

use crate::environment::Environment;
use crate::local::Local;

/// How long the daemon may take to say why: the build waits.
const WHY: Duration = Duration::from_secs(2);

/// A shell command that prints the line; nothing where no go command ran.
pub(crate) fn command(environment: &Environment) -> String {
    // Whatever the go commands' namespaces were.
    let left = Local::new(&environment.spool, environment).count();
    let hello = Hello::new(environment.toolchain.clone());
    let connection = environment.socket.as_ref().and_then(|path| transport::open(path, &hello).ok());
    let line = match connection.as_ref().and_then(ask) {
        Some(summary) if summary.gets + summary.puts > 0 || left > 0 => {
            let why = connection
                .as_ref()
                .filter(|_| is_poor(&summary))
                .and_then(why)
                .map_or(String::new(), |why| plain(&why));
            told(&summary, left) + &why
        }
        None if left > 0 => format!("no daemon: {left} results stay with this build"),
        Some(_) | None => return String::new(),
    };
    format!("echo 'nix-gocacheprog: {line}'\n")
}

fn ask(connection: &Connection) -> Option<Summary> {
    match connection.exchange(&Request::Summary, None) {
        Ok(Reply::Summary(summary)) => Some(summary),
        _ => None,
    }
}

/// Whether there is something to explain.
fn is_poor(summary: &Summary) -> bool {
    summary.hits < summary.gets / 2
}

fn why(connection: &Connection) -> Option<String> {
    // Another build's account has to be read for it; a daemon that does not know the question ends the session.
    connection.stream.set_read_timeout(Some(WHY)).ok()?;
    match connection.exchange(&Request::Why, None) {
        Ok(Reply::Why(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Names of packages come from a build: of what a shell or a terminal could take for its own nothing is left.
fn plain(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || " .,:;/_-+=@%()".contains(*c);
    format!("; {}", text.chars().filter(is_plain).collect::<String>())
}

/// Fixed words and numbers only: a shell evaluates it.
fn told(summary: &Summary, left: u64) -> String {
    let Summary { gets, hits, puts, bytes_served, saved_milliseconds, unanswered } = summary;
    let share = hits.saturating_mul(100).checked_div(*gets).unwrap_or(0);
    let (served, saved) = (bytes_served >> 20, saved_milliseconds / 1000);
    let mut line =
        format!("{hits} hits of {gets} ({share} %), {served} MiB; {puts} puts; {saved} s of compiling saved");
    if *unanswered > 0 {
        line += &format!("; {unanswered} requests without the daemon");
    }
    if left > 0 {
        line += &format!("; {left} results stay with this build");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_line_of_fixed_words_and_numbers() {
        let summary = Summary {
            gets: 200,
            hits: 190,
            puts: 10,
            bytes_served: 5 << 20,
            saved_milliseconds: 61_500,
            unanswered: 0,
        };
        assert_eq!(told(&summary, 0), "190 hits of 200 (95 %), 5 MiB; 10 puts; 61 s of compiling saved");
        let trouble = Summary { unanswered: 7, ..Summary::default() };
        assert_eq!(
            told(&trouble, 3),
            "0 hits of 0 (0 %), 0 MiB; 0 puts; 0 s of compiling saved; 7 requests without the daemon; 3 results stay with this build"
        );
        let most = Summary { gets: u64::MAX, hits: u64::MAX, ..summary };
        assert!(!told(&most, 0).contains('\''));
        assert_eq!(
            plain("a'; rm -rf \"$HOME\" `x`\n\u{1b}[0m example.org/v2@1"),
            "; a; rm -rf HOME x0m example.org/v2@1"
        );
    }
}
