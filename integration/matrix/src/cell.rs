//! One cell: a go command on a cache that is three quarters warm, a fault at a moment of it, and what came of it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::fault::{Fault, fill};
use crate::go::{Action, Ended, Go};
use crate::world::{World, files, run as must};

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

    /// After which part of the command's gets.
    fn share(self) -> f64 {
        match self {
            Self::Start => 0.01,
            Self::Middle => 0.45,
            Self::End => 0.85,
        }
    }
}

/// What came of a cell.
#[derive(Debug)]
pub struct Outcome {
    /// What is wrong, if anything.
    pub complaint: Option<String>,
    /// What was seen.
    pub told: String,
}

/// A store that one run of each action left, with every fourth record taken away, and the gets of each on it.
#[derive(Debug)]
pub struct Template {
    dir: PathBuf,
    gets: HashMap<Action, u64>,
}

/// The build's socket, which the client looks for only where it is mounted itself.
fn socket() -> (&'static str, &'static Path) {
    ("NIX_GOCACHEPROG_SOCKET", Path::new(proto::control::MOUNTED_SOCKET))
}

/// Runs a cell.
pub fn run(bin: &Path, (go, template): (&Go, &Template), fault: Fault, action: Action, moment: Moment) -> Outcome {
    let plain = go.plain(action);
    let mut world = World::start(bin, Some(&template.dir), fault.needs_small());
    let dir = tempfile::tempdir().unwrap();
    let full = (fault == Fault::TmpFull).then(|| FullTmp::make(dir.path()));
    if fault.is_before() {
        fault.inject(&mut world);
    }
    let client = bin.join("cacheprog-client");
    let mut env = vec![("GOCACHEPROG", client.as_path()), socket()];
    if let Some(full) = &full {
        env.push(("TMPDIR", full.0.as_path()));
    }
    let mut running = go.start(action, dir.path(), &env);
    let wanted = (template.gets[&action] as f64 * moment.share()) as u64;
    let mut before = Default::default();
    if !fault.is_before() {
        loop {
            before = world.counts().unwrap_or(before);
            if before.gets >= wanted || running.is_over() {
                break;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        if running.is_over() {
            return Outcome { complaint: Some("the command was over before the fault".into()), told: String::new() };
        }
        fault.inject(&mut world);
    }
    let mut ended = running.wait();
    let taken_away = fault.takes_files() && lost_files(&ended);
    if taken_away {
        // No cache that hands out paths can help it, nor can Go's own. The next command must do as if nothing had been.
        fs::remove_dir_all(dir.path()).unwrap();
        ended = go.start(action, dir.path(), &env).wait();
    }
    let after = world.counts().unwrap_or_default();
    let told = format!(
        "{:>5.1} s (plain {:>5.1} s); gets/hits before {}/{}, at the end {}/{}{}",
        ended.took.as_secs_f64(),
        plain.took.as_secs_f64(),
        before.gets,
        before.hits,
        after.gets,
        after.hits,
        if taken_away {
            "; go missed files that it had been told of, and the next command went well".to_owned()
        } else if ended.exports_gone > 0 {
            format!("; {} exports gone", ended.exports_gone)
        } else {
            String::new()
        }
    );
    Outcome { complaint: complaint(&plain, &ended, fault, &mut world), told }
}

/// Whether the command failed for outputs that it was told of and that are not there any more.
fn lost_files(ended: &Ended) -> bool {
    let lost = |line: &str| line.contains(proto::control::MOUNTED_OUTPUTS) && line.contains("no such file");
    !ended.success && ended.output.lines().any(lost)
}

fn complaint(plain: &Ended, ended: &Ended, fault: Fault, world: &mut World) -> Option<String> {
    let limit = plain.took.mul_f64(1.5) + Duration::from_secs(5);
    if ended.success != plain.success || ended.output != plain.output {
        let tail: String = ended.output.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
        return Some(format!("success {} and not {}, or other output: {tail}", ended.success, plain.success));
    }
    if ended.took > limit {
        return Some(format!("took {:?}, over {limit:?}", ended.took));
    }
    if ended.exports_gone > 0 && !fault.takes_files() && !fault.leaves_no_room() {
        return Some(format!("{} exported files are not where go list said", ended.exports_gone));
    }
    let ours = matches!(fault, Fault::NeverStarted | Fault::Killed | Fault::OlderVersion | Fault::NewerVersion);
    if !ours && !world.is_up() {
        return Some(format!("the daemon ended: {}", world.log()));
    }
    let damaged = world.damaged();
    (damaged > 0 && !fault.damages()).then(|| format!("{damaged} damaged objects in the store"))
}

impl Template {
    /// Made once for each version; removed with the process's temporary directory by the case that runs us.
    pub fn make(bin: &Path, go: &Go) -> Self {
        let client = bin.join("cacheprog-client");
        let run = |world: &World, action: Action| {
            let before = world.counts().unwrap().gets;
            let work = tempfile::tempdir().unwrap();
            let ended = go.start(action, work.path(), &[("GOCACHEPROG", &client), socket()]).wait();
            assert!(ended.success, "{} without a fault: {}", action.name(), ended.output);
            world.counts().unwrap().gets - before
        };
        let dir = tempfile::tempdir().unwrap().keep();
        let world = World::start(bin, None, false);
        for action in Action::ALL {
            run(&world, action);
        }
        must(std::process::Command::new("cp").arg("-a").arg(world.state().join(".")).arg(&dir));
        drop(world);
        fs::remove_dir_all(dir.join("builds")).unwrap();
        for record in files(&dir.join("records")) {
            let name = record.file_name().unwrap().to_str().unwrap();
            if name.as_bytes()[0] < b'4' {
                fs::remove_file(&record).unwrap();
            }
        }
        let gets = |action| (action, run(&World::start(bin, Some(&dir), false), action));
        let gets = Action::ALL.into_iter().map(gets).collect();
        Self { dir, gets }
    }
}

/// GOCACHE and TMPDIR of the command on a file system without space.
#[derive(Debug)]
struct FullTmp(PathBuf);

impl FullTmp {
    fn make(dir: &Path) -> Self {
        let path = dir.join("gocache");
        fs::create_dir(&path).unwrap();
        mount("none", &path, "tmpfs", MountFlags::empty(), c"size=2m").unwrap();
        // What every go command makes at its start (cmd/go/internal/cache `Open`).
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
        let _gone_already = unmount(&self.0, UnmountFlags::DETACH);
    }
}
