//! One line of the log of cacheprogd and cacheprogctl: systemd's level prefix where the journal reads it, and short build ids.
//!
//! The rule to keep: no line holds a build's whole id, and no line holds a line break.

use std::io::{self, Write};

use proto::BuildId;

/// Starts the log on standard error. `RUST_LOG` chooses the level.
pub fn start_log() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).format(log_line).init();
}

/// Writes one log line: systemd's level prefix (`sd-daemon(3)`) where the journal reads it, then the message.
fn log_line(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    let level = match record.level() {
        log::Level::Error => 3,
        log::Level::Warn => 4,
        log::Level::Info => 6,
        log::Level::Debug | log::Level::Trace => 7,
    };
    // A build chooses some of the words: they stay in one line.
    let message = with_short_ids(&record.args().to_string().replace(['\n', '\r'], " "));
    if is_journal() { writeln!(out, "<{level}>{message}") } else { writeln!(out, "{message}") }
}

/// Replaces each build's id by the short one that `cacheprogctl builds` shows. Paths hold whole ids; a reader who knows one finds
/// the build's socket, and logs have more readers than the state directory. The hash in the name of a namespace's directory looks
/// the same and stays: the path would lead nowhere.
fn with_short_ids(message: &str) -> String {
    let (mut out, mut rest) = (String::new(), message);
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let (digits, after) = from.split_at(from.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(from.len()));
        out += before;
        let word = out.rsplit(['/', ' ']).next().unwrap_or_default();
        let is_namespace = word.starts_with("common-") || word.starts_with("user-");
        match digits.parse::<BuildId>() {
            Ok(id) if !is_namespace => out += &id.short(),
            _ => out += digits,
        }
        rest = after;
    }
    out + rest
}

/// Whether standard error leads to the journal, as systemd.exec(5) says under `JOURNAL_STREAM`.
#[expect(clippy::disallowed_methods, reason = "systemd says it by a variable")]
fn is_journal() -> bool {
    let stderr = rustix::fs::fstat(io::stderr()).map(|stat| format!("{}:{}", stat.st_dev, stat.st_ino));
    stderr.ok().zip(std::env::var("JOURNAL_STREAM").ok()).is_some_and(|(is, named)| is == named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_builds_are_short_and_names_of_namespaces_are_whole() {
        let id = BuildId([0xab; 16]);
        let short = id.short();
        assert_eq!(with_short_ids(&format!("builds/{id}/view: full")), format!("builds/{short}/view: full"));
        assert_eq!(with_short_ids(&format!("tmp/ended-{id}")), format!("tmp/ended-{short}"));
        let namespace = format!("removing records/common-{id}/0: denied");
        assert_eq!(with_short_ids(&namespace), namespace);
    }
}
