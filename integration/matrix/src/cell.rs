//! One cell of the matrix: a go command on a cache that has most of its entries, one fault while it runs, and the
//! comparison with the same command without a cache.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::fault::{Fault, fill};
use crate::fixture::{Fixture, files, run_command};
use crate::go_command::{Finished, Go, GoCommand};

/// When the fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Start,
    Middle,
    End,
}

impl Moment {
    pub const ALL: [Self; 3] = [Self::Start, Self::Middle, Self::End];

    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "mid",
            Self::End => "end",
        }
    }

    /// The fraction of the command's gets before the fault.
    fn fraction(self) -> f64 {
        match self {
            Self::Start => 0.01,
            Self::Middle => 0.45,
            Self::End => 0.85,
        }
    }
}

/// The result of a cell.
#[derive(Debug)]
pub struct Outcome {
    /// What is wrong, if anything.
    pub failure: Option<String>,
    /// Times and counters, for the report.
    pub details: String,
}

/// A store after one run of each command, without every fourth record (every eighth without `--full`), and the number of gets of each command on it.
#[derive(Debug)]
pub struct Template {
    dir: PathBuf,
    gets: HashMap<GoCommand, u64>,
}

/// The variable with the build's socket: without it a client looks for the socket only where it is mounted itself.
fn socket() -> (&'static str, &'static Path) {
    ("NIX_GOCACHEPROG_SOCKET", Path::new(proto::control::MOUNTED_SOCKET))
}

/// Runs a cell.
pub fn run(bin: &Path, (go, template): (&Go, &Template), fault: Fault, command: GoCommand, moment: Moment) -> Outcome {
    let reference = go.without_cache(command);
    let mut fixture = Fixture::start(bin, Some(&template.dir), fault.needs_small());
    let dir = tempfile::tempdir().unwrap();
    let full = (fault == Fault::TmpFull).then(|| FullTmp::make(dir.path()));
    if fault.precedes_command() {
        fault.inject(&mut fixture);
    }
    let client = bin.join("cacheprog-client");
    let mut env = vec![("GOCACHEPROG", client.as_path()), socket()];
    if let Some(full) = &full {
        env.push(("TMPDIR", full.0.as_path()));
    }
    let mut running = go.start(command, dir.path(), &env);
    let wanted = (template.gets[&command] as f64 * moment.fraction()) as u64;
    let mut before = Default::default();
    if !fault.precedes_command() {
        loop {
            before = fixture.counts().unwrap_or(before);
            if before.gets >= wanted || running.has_ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        if running.has_ended() {
            return Outcome { failure: Some("the command ended before the fault".into()), details: String::new() };
        }
        fault.inject(&mut fixture);
    }
    let mut finished = running.wait();
    let lost_outputs = fault.removes_outputs() && misses_outputs(&finished);
    if lost_outputs {
        // No cache that gives paths away can prevent it, neither can Go's own. The next command must succeed.
        fs::remove_dir_all(dir.path()).unwrap();
        finished = go.start(command, dir.path(), &env).wait();
    }
    let after = fixture.counts().unwrap_or_default();
    let details = format!(
        "{:>5.1} s ({:>5.1} s without a cache); gets/hits before {}/{}, at the end {}/{}{}",
        finished.elapsed.as_secs_f64(),
        reference.elapsed.as_secs_f64(),
        before.gets,
        before.hits,
        after.gets,
        after.hits,
        if lost_outputs {
            "; go missed files that it had got, and the next command succeeded".to_owned()
        } else if finished.missing_exports > 0 {
            format!("; {} exports missing", finished.missing_exports)
        } else {
            String::new()
        }
    );
    Outcome { failure: compare(&reference, &finished, fault, &mut fixture), details }
}

/// Whether the command failed because outputs that it had got do not exist any more.
fn misses_outputs(finished: &Finished) -> bool {
    let lost = |line: &str| line.contains(proto::control::MOUNTED_OUTPUTS) && line.contains("no such file");
    !finished.success && finished.output.lines().any(lost)
}

/// What differs from the command without a cache, or is wrong with the daemon.
fn compare(reference: &Finished, finished: &Finished, fault: Fault, fixture: &mut Fixture) -> Option<String> {
    let limit = reference.elapsed.mul_f64(1.5) + Duration::from_secs(5);
    if finished.success != reference.success || finished.output != reference.output {
        let tail: String = finished.output.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
        return Some(format!("success {}, expected {}, or other output: {tail}", finished.success, reference.success));
    }
    if finished.elapsed > limit {
        return Some(format!("it took {:?}, more than {limit:?}", finished.elapsed));
    }
    if finished.missing_exports > 0 && !fault.removes_outputs() && !fault.leaves_no_space() {
        return Some(format!("{} exported files are missing at the paths of go list", finished.missing_exports));
    }
    let ends_daemon = matches!(fault, Fault::NeverStarted | Fault::Killed | Fault::OlderVersion | Fault::NewerVersion);
    if !ends_daemon && !fixture.is_running() {
        return Some(format!("the daemon ended: {}", fixture.log()));
    }
    let damaged = fixture.damaged_objects();
    (damaged > 0 && !fault.damages_objects()).then(|| format!("{damaged} damaged objects in the store"))
}

impl Template {
    /// Makes it, once for each version of Go. The case that runs this program removes it with its temporary directory.
    pub fn make(bin: &Path, go: &Go, full: bool) -> Self {
        let client = bin.join("cacheprog-client");
        let run = |fixture: &Fixture, command: GoCommand| {
            let before = fixture.counts().unwrap().gets;
            let work = tempfile::tempdir().unwrap();
            let finished = go.start(command, work.path(), &[("GOCACHEPROG", &client), socket()]).wait();
            assert!(finished.success, "{} without a fault: {}", command.name(), finished.output);
            fixture.counts().unwrap().gets - before
        };
        let dir = tempfile::tempdir().unwrap().keep();
        let fixture = Fixture::start(bin, None, false);
        for command in GoCommand::ALL {
            run(&fixture, command);
        }
        run_command(std::process::Command::new("cp").arg("-a").arg(fixture.state().join(".")).arg(&dir));
        drop(fixture);
        fs::remove_dir_all(dir.join("builds")).unwrap();
        for record in files(&dir.join("records")) {
            let name = record.file_name().unwrap().to_str().unwrap();
            if name.as_bytes()[0] < if full { b'4' } else { b'2' } {
                fs::remove_file(&record).unwrap();
            }
        }
        let gets = |command| (command, run(&Fixture::start(bin, Some(&dir), false), command));
        let gets = GoCommand::ALL.into_iter().map(gets).collect();
        Self { dir, gets }
    }
}

/// A directory for GOCACHE and TMPDIR of the command, on a full file system.
#[derive(Debug)]
struct FullTmp(PathBuf);

impl FullTmp {
    fn make(dir: &Path) -> Self {
        let path = dir.join("gocache");
        fs::create_dir(&path).unwrap();
        mount("none", &path, "tmpfs", MountFlags::empty(), c"size=2m").unwrap();
        // The directories and the file that every go command makes at its start (cmd/go/internal/cache `Open`).
        for n in 0..256 {
            fs::create_dir(path.join(format!("{n:02x}"))).unwrap();
        }
        fs::write(path.join("README"), "").unwrap();
        fill(&path.join("filler"));
        Self(path)
    }
}

impl Drop for FullTmp {
    fn drop(&mut self) {
        let _already_unmounted = unmount(&self.0, UnmountFlags::DETACH);
    }
}
