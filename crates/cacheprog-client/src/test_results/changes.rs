//! Whether a run left something behind below the build's directory: where its result is used, it would not do so, and a later phase
//! may need it.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::path::Arg;

use crate::condition::is_of_nix;
use crate::condition::stamp::Stamp;
use crate::test_context::{TestContext, Watched, is_of_go, mode};

use super::budget::Budget;
use super::other_tests;
use super::random_names::has_random_number;

/// Nested directories: the thread that looks has a small stack.
const MAX_DEPTH: u32 = 64;

/// What changed since then below the build's directory and its outputs, and in a sandbox below `/tmp`, besides caches and
/// the go command's own directories: its path, or that of a directory where it is, or of one that cannot be read. `None` outside of a build. While
/// other tests of the go command run, new temporary names are taken to be theirs.
pub(super) fn first_change(context: &TestContext, since: SystemTime, budget: &mut Budget) -> Option<PathBuf> {
    first_change_beside(other_tests::are_running, context, since, budget)
}

/// What shows by names and modes alone that something was left: a name that came since the go command began where it adds names itself, except what
/// it makes, and what tests make that run now, as far as a name shows that; or another mode of such a directory.
pub(super) fn first_change_by_names(context: &TestContext) -> Option<PathBuf> {
    let top = context.top.as_ref()?;
    let came = |dir: &&PathBuf| !top.watched.contains_key(*dir) && fs::symlink_metadata(dir).is_ok();
    if let Some(dir) = top.all().find(came) {
        return Some(dir.clone());
    }
    let mut budget = Budget::of_tree();
    top.watched.iter().find_map(|(dir, known)| change_by_names_in(context, dir, Some(known), &mut budget))
}

/// The same for one directory; `known` as it was, or `None` for one that came.
fn change_by_names_in(
    context: &TestContext,
    dir: &Path,
    known: Option<&Watched>,
    budget: &mut Budget,
) -> Option<PathBuf> {
    let here = || Some(dir.to_owned());
    if known.is_some_and(|known| mode(dir) != Some(known.mode)) {
        return here();
    }
    let Ok(entries) = fs::read_dir(dir) else { return here() };
    for entry in entries {
        let (Ok(entry), Some(())) = (entry, budget.take_name()) else { return here() };
        let (name, path) = (entry.file_name(), entry.path());
        let is_known = known.is_some_and(|known| known.names.contains(&name));
        if is_known || has_random_number(&name) || context.is_apart(dir, &name, &path) {
            continue;
        }
        let change = if context.is_busy(&path) { change_by_names_in(context, &path, None, budget) } else { Some(path) };
        if change.is_some() {
            return change;
        }
    }
    None
}

fn first_change_beside(
    others_run: impl Fn() -> bool,
    context: &TestContext,
    since: SystemTime,
    budget: &mut Budget,
) -> Option<PathBuf> {
    let top = context.top.as_ref()?;
    let others_ran = others_run();
    let mut look = Look { context, since, budget, temporary: BTreeSet::new() };
    let is_absent = |dir: &PathBuf| !top.watched.contains_key(dir) && fs::symlink_metadata(dir).is_err();
    let changed = top.all().filter(|dir| !is_absent(dir)).find_map(|dir| look.watched(dir).err());
    changed.or_else(|| look.temporary.pop_first().filter(|_| !others_ran && !others_run()))
}

struct Look<'a> {
    context: &'a TestContext,
    since: SystemTime,
    budget: &'a mut Budget,
    /// New paths that may be those of other tests.
    temporary: BTreeSet<PathBuf>,
}

impl Look<'_> {
    /// One of the directories of which the names at the start are known.
    fn watched(&mut self, dir: &Path) -> Result<(), PathBuf> {
        let is_known = self.context.top.as_ref().is_some_and(|top| top.watched.contains_key(dir));
        if is_known { self.directory(dir, MAX_DEPTH) } else { Err(dir.to_owned()) }
    }

    /// # Errors
    /// The path of what changed, or of what cannot be told.
    fn directory(&mut self, dir: &Path, depth_left: u32) -> Result<(), PathBuf> {
        let unknown = || dir.to_owned();
        let at_start = self.context.top.as_ref().and_then(|top| top.watched.get(dir));
        if at_start.is_some_and(|known| Some(known.mode) != mode(dir)) {
            return Err(dir.to_owned());
        }
        let mut missing = at_start.map(|known| known.names.clone()).unwrap_or_default();
        let depth_left = depth_left.checked_sub(1).ok_or_else(unknown)?;
        for entry in fs::read_dir(dir).map_err(|_| unknown())? {
            self.budget.take_name().ok_or_else(unknown)?;
            let entry = entry.map_err(|_| unknown())?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_new = at_start.is_some() && !missing.remove(&name);
            // stdenv writes its file again when a phase begins, a moment before the go command.
            let is_rewritten = !is_new && self.is_top(dir) && is_of_nix(&name);
            if is_rewritten || self.context.is_apart(dir, &name, &path) {
                continue;
            }
            let Ok(metadata) = entry.metadata() else {
                // A temporary directory of another test may go meanwhile.
                if is_new { continue } else { return Err(path) }
            };
            if is_new && has_random_number(&name) {
                self.temporary.insert(path);
                continue;
            }
            let is_busy = self.context.is_busy(&path);
            if (is_new && !is_busy) || self.is_older(&metadata, is_busy) != Some(true) {
                return Err(path);
            }
            match (metadata.is_dir(), is_busy) {
                (true, true) => self.directory(&path, depth_left)?,
                (true, false) => {
                    open(CWD, &path).ok().and_then(|fd| self.quiet_directory(fd, depth_left)).ok_or(path)?;
                }
                (false, _) => {}
            }
        }
        // What the go command makes for itself comes and goes.
        let gone = missing.iter().find(|name| !is_of_go(name) && !self.context.is_apart(dir, name, &dir.join(name)));
        gone.map_or(Ok(()), |name| Err(dir.join(name)))
    }

    /// The same for a directory in which nothing is apart: most of all files are in such. `None` where something changed, or cannot be told.
    fn quiet_directory(&mut self, dir: OwnedFd, depth_left: u32) -> Option<()> {
        let mut entries = Dir::new(dir).ok()?;
        while let Some(entry) = entries.read() {
            let entry = entry.ok()?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.budget.take_name()?;
            let stat = statat(entries.fd().ok()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            if !Stamp::of_stat(&stat)?.is_before(self.since) {
                return None;
            }
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                self.quiet_directory(open(entries.fd().ok()?, name).ok()?, depth_left.checked_sub(1)?)?;
            }
        }
        Some(())
    }

    fn is_top(&self, dir: &Path) -> bool {
        self.context.top.as_ref().is_some_and(|top| top.root == dir)
    }

    fn is_older(&self, metadata: &Metadata, is_busy: bool) -> Option<bool> {
        Some((metadata.is_dir() && is_busy) || Stamp::of(metadata)?.is_before(self.since))
    }
}

fn open(dir: impl AsFd, name: impl Arg) -> rustix::io::Result<OwnedFd> {
    openat(dir, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::clock;
    use crate::test_context::BuildTop;

    #[test]
    fn temporary_names_are_those_of_tests_that_run() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        fs::write(root.join("env-vars"), "").unwrap();
        let top = Some(BuildTop::read(root.clone(), Vec::new(), &[], &[]));
        let context = TestContext { top, temporary: vec![root.clone()], ..TestContext::default() };
        let is_unchanged = |others_run| {
            first_change_beside(|| others_run, &context, clock::before_changes(), &mut Budget::of_tree()).is_none()
        };
        assert!(is_unchanged(false));
        fs::create_dir_all(root.join("TestX1234567890/001")).unwrap();
        assert!(is_unchanged(true) && !is_unchanged(false));
        fs::create_dir(root.join("go-build5")).unwrap();
        assert!(is_unchanged(true));
        assert_eq!(first_change_by_names(&context), None);
        fs::create_dir(root.join("coverage")).unwrap();
        assert_eq!(first_change_by_names(&context), Some(root.join("coverage")));
        let changed = first_change_beside(|| true, &context, clock::before_changes(), &mut Budget::of_tree());
        assert_eq!(changed, Some(root.join("coverage")));
    }

    #[test]
    fn what_is_left_among_what_the_go_command_makes_is_seen_by_names() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        let apart = vec![root.join("go/pkg/mod"), root.join(".config/go/telemetry")];
        fs::create_dir(root.join(".config")).unwrap();
        let top = Some(BuildTop::read(root.clone(), Vec::new(), &[], &apart));
        let context = TestContext { top, apart: apart.clone(), ..TestContext::default() };
        apart.iter().for_each(|dir| fs::create_dir_all(dir.join("x")).unwrap());
        assert_eq!(first_change_by_names(&context), None);
        for left in [".config/app.toml", "go/pkg/left"] {
            fs::write(root.join(left), "").unwrap();
            assert_eq!(first_change_by_names(&context), Some(root.join(left)));
            fs::remove_file(root.join(left)).unwrap();
        }
        fs::set_permissions(root.join(".config"), fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(first_change_by_names(&context), Some(root.join(".config")));
    }

    #[test]
    fn what_is_left_in_the_sandboxs_own_tmp_is_seen() {
        let (build, tmp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let own_tmp = vec![tmp.path().to_owned()];
        let known = |dir: &Path| Watched { names: BTreeSet::new(), mode: mode(dir).unwrap() };
        let watched = [build.path(), tmp.path()].map(|dir| (dir.to_owned(), known(dir))).into();
        let top = Some(BuildTop { root: build.path().to_owned(), own_tmp, watched, ..BuildTop::default() });
        let context = TestContext { top, temporary: vec![build.path().to_owned()], ..TestContext::default() };
        let is_unchanged =
            || first_change_beside(|| false, &context, clock::before_changes(), &mut Budget::of_tree()).is_none();
        assert!(is_unchanged());
        let set_mode = |mode| fs::set_permissions(build.path(), fs::Permissions::from_mode(mode)).unwrap();
        let mode_at_start = mode(build.path()).unwrap();
        set_mode(0o711);
        assert!(!is_unchanged(), "another mode");
        set_mode(mode_at_start);
        assert!(is_unchanged());
        fs::write(tmp.path().join("left"), "").unwrap();
        assert!(!is_unchanged());
    }

    #[test]
    fn what_is_left_in_an_output_is_seen() {
        let (build, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let out = store.path().join("out");
        let is_unchanged = |top: &BuildTop| {
            let context = TestContext { top: Some(top.clone()), ..TestContext::default() };
            let since = clock::now() + std::time::Duration::from_millis(60);
            first_change_beside(|| false, &context, since, &mut Budget::of_tree()).is_none()
        };
        let read = || BuildTop::read(build.path().into(), vec![out.clone()], &[], &[]);
        let absent = read();
        assert!(is_unchanged(&absent));
        fs::create_dir(&out).unwrap();
        let there = read();
        assert!(!is_unchanged(&absent) && is_unchanged(&there));
        fs::create_dir(out.join("share")).unwrap();
        assert!(!is_unchanged(&there));
    }
}
