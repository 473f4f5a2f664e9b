//! What go commands got from a store that they use without a daemon: the file `go-commands` in it, which alone is known here. It has
//! sums by day and by go command, and the latest go commands, one each a line, with a tab after each field except the last:
//!
//! ```text
//! 1 day <days since 1970> <go command> <figures: 13 numbers>
//! 1 last <seconds since 1970> <go command> <figures> <directory>
//! ```
//!
//! A line that cannot be read is left out. The number of lines has a limit; what is too old is left out when the file is shown. A process that
//! adds a line writes the whole file again. A lock on another file lets one process at a time do so.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::error::StoreError;
use crate::format::layout::{Access, Layout};
use crate::object::atomic_rename::write_small;
use crate::object::integrity_mtime::open_regular;

/// The file's name, and that of the lock: a file of its own, which no other user can open.
const FILE: &str = "go-commands";
const LOCK: &str = "go-commands.lock";

/// Bytes of it that are read: several times what the bounds below allow.
const LONGEST: u64 = 512 << 10;

/// Days that are shown.
const DAYS: u64 = 30;

/// Lines that are kept of one kind: more than a month has.
const SUMS: usize = 400;
const LATEST: usize = 20;

/// Letters of a go command's name, and of the end of a directory's path, that are kept.
const NAME: usize = 20;
const PATH: usize = 200;

/// How long a process waits for others. It is at its end; what reads the go command's standard error may wait for that.
const TRIES: u32 = 10;
const POLL: Duration = Duration::from_millis(5);

/// Seconds of a day.
const DAY: u64 = 24 * 3600;

/// Numbers in a line.
const FIELDS: usize = 13;

/// What go commands asked for and got. A second request for an action does not count: Go's own cache would have the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GoFigures {
    /// Go commands that asked for anything.
    pub commands: u64,
    /// Requests that were answered from the store.
    pub hits: u64,
    /// Bytes of these answers.
    pub bytes_served: u64,
    /// Bytes that were put.
    pub bytes_put: u64,
    /// Packages that were served or put.
    pub packages_needed: u64,
    /// Packages that were put after a miss.
    pub packages_compiled: u64,
    /// Milliseconds that the answers took to make.
    pub saved_ms: u64,
    /// Misses of what the store has nothing of.
    pub new: u64,
    /// Misses of what Go keys by the times of files: indexes of modules.
    pub mtime_keyed: u64,
    /// Misses of what is there under conditions that did not hold.
    pub condition: u64,
    /// Misses of what another GOCACHE keeps for itself.
    pub private: u64,
    /// Misses of what is there in part: damaged, or evicted in this moment.
    pub lost: u64,
    /// Misses after which nothing was put: programs are linked again, and what fails is not put.
    pub never_put: u64,
}

impl GoFigures {
    /// Misses after which Go made the output and put it.
    #[must_use]
    pub fn misses(&self) -> u64 {
        let causes = [self.new, self.mtime_keyed, self.condition, self.private, self.lost];
        causes.into_iter().fold(0, u64::saturating_add)
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        let mut sum = self.to_array();
        sum.iter_mut().zip(other.to_array()).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        *self = Self::of_array(sum);
    }

    fn to_array(self) -> [u64; FIELDS] {
        [
            self.commands,
            self.hits,
            self.bytes_served,
            self.bytes_put,
            self.packages_needed,
            self.packages_compiled,
            self.saved_ms,
            self.new,
            self.mtime_keyed,
            self.condition,
            self.private,
            self.lost,
            self.never_put,
        ]
    }

    fn of_array(fields: [u64; FIELDS]) -> Self {
        let [commands, hits, bytes_served, bytes_put, packages_needed, packages_compiled, saved_ms, rest @ ..] = fields;
        let [new, mtime_keyed, condition, private, lost, never_put] = rest;
        Self {
            commands,
            hits,
            bytes_served,
            bytes_put,
            packages_needed,
            packages_compiled,
            saved_ms,
            new,
            mtime_keyed,
            condition,
            private,
            lost,
            never_put,
        }
    }
}

/// One go command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GoCommand {
    /// When it ended, in seconds since 1970.
    pub ended: u64,
    /// Its name: `build`, `test` and so on.
    pub command: String,
    /// Where it ran.
    pub directory: String,
    /// What it asked for and got.
    #[serde(flatten)]
    pub figures: GoFigures,
}

/// The sum of a day's go commands of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GoSum {
    /// The day, in UTC: days since 1970.
    pub day: u64,
    /// Their name.
    pub command: String,
    /// What they asked for and got.
    #[serde(flatten)]
    pub figures: GoFigures,
}

/// What is known of a store's go commands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GoCommands {
    /// By day and name, the earliest first.
    pub sums: Vec<GoSum>,
    /// The latest ones, the earliest first.
    pub latest: Vec<GoCommand>,
}

impl GoCommands {
    /// What the store in this directory has noted; nothing where that cannot be read.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let mut bytes = Vec::new();
        let read = open_regular(&root.join(FILE)).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
        if read.is_ok() { Self::parse(&String::from_utf8_lossy(&bytes)) } else { Self::default() }
    }

    /// Notes a go command in the store in this directory.
    ///
    /// # Errors
    /// A [`StoreError`] where that cannot be written, or other processes write there all the time.
    pub fn note(root: &Path, command: &GoCommand) -> Result<(), StoreError> {
        let _lock = lock(root)?;
        let mut known = Self::read(root);
        known.add(command);
        let layout = Layout::new(root.to_owned(), Access::Owner);
        write_small(layout.tmp(), &root.join(FILE), known.to_text().as_bytes(), 0)
    }

    /// The sums of the 30 days up to this moment, in seconds since 1970.
    #[must_use]
    pub fn sums_until(mut self, now: u64) -> Vec<GoSum> {
        let today = now / DAY;
        self.sums.retain(|sum| sum.day <= today && sum.day + DAYS > today);
        self.sums
    }

    fn add(&mut self, noted: &GoCommand) {
        let GoCommand { ended, command, directory, figures } = noted;
        let (day, command) = (ended / DAY, field(command.chars().take(NAME)));
        match self.sums.iter_mut().find(|sum| sum.day == day && sum.command == command) {
            Some(sum) => sum.figures.add(figures),
            None => self.sums.push(GoSum { day, command: command.clone(), figures: *figures }),
        }
        self.sums.sort_by(|a, b| (a.day, &a.command).cmp(&(b.day, &b.command)));
        let hidden = directory.chars().count().saturating_sub(PATH);
        let directory = field(directory.chars().skip(hidden));
        self.latest.push(GoCommand { ended: *ended, command, directory, figures: *figures });
        drop_first(&mut self.sums, SUMS);
        drop_first(&mut self.latest, LATEST);
    }

    fn parse(text: &str) -> Self {
        let mut known = Self::default();
        for line in text.lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let ["1", kind, time, command, numbers @ ..] = fields.as_slice() else { continue };
            let (Ok(time), Some(figures)) = (time.parse(), figures(numbers)) else { continue };
            let command = (*command).to_owned();
            match (*kind, numbers.get(FIELDS..)) {
                ("day", Some([])) => known.sums.push(GoSum { day: time, command, figures }),
                ("last", Some([directory])) => {
                    let directory = (*directory).to_owned();
                    known.latest.push(GoCommand { ended: time, command, directory, figures });
                }
                _ => {}
            }
        }
        known
    }

    fn to_text(&self) -> String {
        let line = |kind: &str, time: u64, command: &str, figures: &GoFigures| {
            let numbers = figures.to_array().map(|number| number.to_string()).join("\t");
            format!("1\t{kind}\t{time}\t{command}\t{numbers}")
        };
        let sums = self.sums.iter().map(|sum| line("day", sum.day, &sum.command, &sum.figures) + "\n");
        let latest = self.latest.iter().map(|one| {
            let GoCommand { ended, command, directory, figures } = one;
            line("last", *ended, command, figures) + "\t" + directory + "\n"
        });
        sums.chain(latest).collect()
    }
}

fn figures(numbers: &[&str]) -> Option<GoFigures> {
    let mut fields = [0; FIELDS];
    for (field, number) in fields.iter_mut().zip(numbers.get(..FIELDS)?) {
        *field = number.parse().ok()?;
    }
    Some(GoFigures::of_array(fields))
}

/// A text as a field of a line.
fn field(letters: impl Iterator<Item = char>) -> String {
    letters.map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn drop_first<T>(all: &mut Vec<T>, most: usize) {
    all.drain(..all.len().saturating_sub(most));
}

/// Locks the file for that until it is dropped.
fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join(LOCK);
    let opened = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(StoreError::at("opening", &path))?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(POLL),
            Err(TryLockError::Error(e)) => return Err(StoreError::at("locking", &path)(e)),
        }
    }
    Err(StoreError::Busy { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str, ended: u64) -> GoCommand {
        let figures = GoFigures { commands: 1, hits: 2, saved_ms: 30, new: 4, never_put: 1, ..GoFigures::default() };
        GoCommand { ended, command: name.to_owned(), directory: "/src/a\tb".to_owned(), figures }
    }

    fn store(dir: &Path) {
        std::fs::create_dir(dir.join("tmp")).unwrap();
    }

    #[test]
    fn go_commands_are_summed_by_day_and_name_and_the_latest_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path());
        for n in 0..100 {
            GoCommands::note(dir.path(), &command("build", 40 * DAY + n)).unwrap();
        }
        GoCommands::note(dir.path(), &command("test", 69 * DAY)).unwrap();
        let known = GoCommands::read(dir.path());
        let sums: Vec<_> = known.sums.iter().map(|sum| (sum.day, sum.command.as_str(), sum.figures.hits)).collect();
        assert_eq!(sums, [(40, "build", 200), (69, "test", 2)]);
        assert_eq!((known.sums[0].figures.misses(), known.latest.len()), (400, LATEST));
        assert_eq!(
            known.latest[LATEST - 1],
            GoCommand { directory: "/src/a?b".to_owned(), ..command("test", 69 * DAY) }
        );
        GoCommands::note(dir.path(), &command("test", 70 * DAY)).unwrap();
        let shown = |now| GoCommands::read(dir.path()).sums_until(now).len();
        assert_eq!((shown(69 * DAY), shown(70 * DAY), shown(200 * DAY)), (2, 2, 0), "the first day is out of the 30");
        // A clock that was wrong for once takes nothing away.
        GoCommands::note(dir.path(), &command("test", 900 * DAY)).unwrap();
        GoCommands::note(dir.path(), &command("test", 0)).unwrap();
        assert_eq!(shown(69 * DAY), 2);
    }

    #[test]
    fn the_file_is_bounded_whatever_is_noted() {
        let mut known = GoCommands::default();
        for n in 0..3000 {
            let directory = "\u{10ffff}".repeat(5000) + "end";
            let figures = GoFigures::of_array([u64::MAX; FIELDS]);
            let name = n.to_string() + &"\u{10ffff}".repeat(5000);
            known.add(&GoCommand { directory, figures, ..command(&name, 40 * DAY) });
        }
        assert!(known.latest[0].directory.ends_with("end"));
        let text = known.to_text();
        assert!((text.len() as u64) < LONGEST, "{}", text.len());
        assert_eq!(GoCommands::parse(&text), known);
    }

    #[test]
    fn lines_that_cannot_be_read_are_left_out() {
        let mut known = GoCommands::default();
        known.add(&command("build", 5));
        let text = known.to_text();
        let damaged = format!("{text}\n2\tday\t1\tx\n1\tday\t1\tx\t7\n1\tday\tx\n{}", &text[..text.len() / 3]);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(GoCommands::read(dir.path()), GoCommands::default());
        std::fs::write(dir.path().join(FILE), [damaged.as_bytes(), b"\xff\n"].concat()).unwrap();
        assert_eq!(GoCommands::read(dir.path()), known);
    }

    #[test]
    fn no_go_command_is_lost_that_ends_beside_others() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path());
        thread::scope(|scope| {
            for _ in 0..8 {
                // One that others keep waiting is not noted, and tries again here.
                scope.spawn(|| {
                    (0..10).for_each(|_| while GoCommands::note(dir.path(), &command("build", 7)).is_err() {});
                });
            }
        });
        assert_eq!(GoCommands::read(dir.path()).sums[0].figures.commands, 80);
    }

    #[test]
    fn nothing_is_noted_where_that_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none");
        assert!(GoCommands::note(&path, &command("build", 7)).is_err());
        assert!(!path.exists());
    }
}
