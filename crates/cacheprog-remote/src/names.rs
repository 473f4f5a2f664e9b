//! The names under which builds without Nix keep their entries: module and branch, as CI systems and git tell them.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// Variables in which CI systems tell the branch of a job, the first ones first (GitHub: of a pull request, of a push; GitLab).
const BRANCH: [&str; 3] = ["GITHUB_HEAD_REF", "CI_COMMIT_REF_NAME", "GITHUB_REF_NAME"];

/// The branch into which it is to be merged, or the repository's first one.
const BASE: [&str; 3] = ["GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_DEFAULT_BRANCH"];

/// The base where no variable tells.
const MAIN: &str = "main";

/// Longest go.mod and git file that is read.
const LONGEST: u64 = 1 << 20;

/// What the environment tells.
pub(crate) type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Of which builds entries are fetched and put: those of a module on a branch, and on the branch from which it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The module and the branch.
    pub(crate) own: String,
    /// The module and the branch that it comes from, if that is another.
    pub(crate) base: Option<String>,
}

/// No name can be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no go.mod in {0} or above it: --name says of which builds entries are")]
pub(crate) struct NoModule(String);

impl Names {
    /// The names in this directory.
    ///
    /// # Errors
    /// [`NoModule`] where it is in none.
    pub(crate) fn find(dir: &Path, variable: Variable<'_>) -> Result<Self, NoModule> {
        let module = dir.ancestors().find_map(|dir| module_path(&dir.join("go.mod")));
        let module = module.ok_or_else(|| NoModule(dir.display().to_string()))?;
        let first = |names: &[&str]| names.iter().find_map(|name| text(variable(name)?));
        let branch = first(&BRANCH).or_else(|| dir.ancestors().find_map(|dir| branch_of_git(&dir.join(".git"))));
        let base = first(&BASE).unwrap_or_else(|| MAIN.to_owned());
        let branch = branch.unwrap_or_else(|| base.clone());
        let named = |branch: &str| format!("{module}@{branch}");
        Ok(Self { own: named(&branch), base: (branch != base).then(|| named(&base)) })
    }
}

fn text(value: OsString) -> Option<String> {
    value.into_string().ok().filter(|value| !value.is_empty())
}

/// The path in a go.mod's line `module`.
fn module_path(file: &Path) -> Option<String> {
    let text = read(file)?;
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("module")?.strip_prefix([' ', '\t']))?;
    let path = line.split("//").next()?.trim().trim_matches(['"', '`']);
    (!path.is_empty()).then(|| path.to_owned())
}

/// The branch that is checked out; `None` for a commit without one.
fn branch_of_git(git: &Path) -> Option<String> {
    // In a work tree beside the repository it is a file that names the directory.
    let dir = match read(git) {
        Some(text) => git.parent()?.join(text.strip_prefix("gitdir: ")?.trim_end()),
        None => git.to_owned(),
    };
    Some(read(&dir.join("HEAD"))?.strip_prefix("ref: refs/heads/")?.trim_end().to_owned())
}

fn read(file: &Path) -> Option<String> {
    let metadata = fs::metadata(file).ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return None;
    }
    fs::read_to_string(file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path, variables: &[(&str, &str)]) -> (String, Option<String>) {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        let Names { own, base } = Names::find(dir, &variable).unwrap();
        (own, base)
    }

    #[test]
    fn a_job_is_named_by_its_module_and_its_branch() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("cmd");
        fs::create_dir(&below).unwrap();
        fs::write(dir.path().join("go.mod"), "// a\nmodule \"example.test/m\" // b\n\ngo 1.26\n").unwrap();
        let own = |branch: &str| format!("example.test/m@{branch}");
        assert_eq!(names(&below, &[]), (own("main"), None), "no branch is known");
        fs::create_dir(dir.path().join(".git")).unwrap();
        fs::write(dir.path().join(".git/HEAD"), "ref: refs/heads/fix/x\n").unwrap();
        assert_eq!(names(&below, &[]), (own("fix/x"), Some(own("main"))));
        let github = [("GITHUB_HEAD_REF", "pr"), ("GITHUB_REF_NAME", "7/merge"), ("GITHUB_BASE_REF", "trunk")];
        assert_eq!(names(&below, &github), (own("pr"), Some(own("trunk"))));
        let push = [("GITHUB_HEAD_REF", ""), ("GITHUB_REF_NAME", "main"), ("GITHUB_BASE_REF", "")];
        assert_eq!(names(&below, &push), (own("main"), None));
        let gitlab = [("CI_COMMIT_REF_NAME", "x"), ("CI_DEFAULT_BRANCH", "trunk")];
        assert_eq!(names(&below, &gitlab), (own("x"), Some(own("trunk"))));
    }

    #[test]
    fn a_work_tree_beside_its_repository_has_a_branch() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(dir.path().join("repository/worktrees/tree")).unwrap();
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("go.mod"), "module m\n").unwrap();
        fs::write(tree.join(".git"), "gitdir: ../repository/worktrees/tree\n").unwrap();
        fs::write(dir.path().join("repository/worktrees/tree/HEAD"), "ref: refs/heads/x\n").unwrap();
        assert_eq!(names(&tree, &[]).0, "m@x");
    }

    #[test]
    fn without_a_module_there_is_no_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("go.mod"), "go 1.26\n").unwrap();
        assert!(Names::find(dir.path(), &|_| None).unwrap_err().to_string().starts_with("no go.mod in "));
    }
}
