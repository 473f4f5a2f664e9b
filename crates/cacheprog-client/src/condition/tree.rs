//! The root of the tree: all that belongs to one build, or outside of a build to one project.

use std::path::{Path, PathBuf};

use super::modules::{current_dir, go_work};
use super::paths;
use super::setting::Setting;
use super::variables::{is_build, text};

/// What the root of a repository has (cmd/go/internal/vcs `vcsList`, Go 1.21-1.27).
const VERSION_CONTROL: [&str; 6] = [".git", ".hg", ".svn", ".bzr", ".fslckout", ".jj"];

/// In a Nix build its directory; else the outermost of a workspace, a repository and a module around the current directory. `None`
/// where there is none.
pub(crate) fn root(setting: &Setting) -> Option<PathBuf> {
    if is_build(&setting.variables) {
        let top = PathBuf::from(text(&setting.variables, "NIX_BUILD_TOP"));
        return usable(&top);
    }
    let cwd = current_dir(setting);
    let nearest = |has: &dyn Fn(&Path) -> bool| cwd.ancestors().find(|dir| has(dir)).map(Path::to_owned);
    let workspace = go_work(setting, &cwd)?.and_then(|file| file.parent().map(Path::to_owned));
    let repository = nearest(&|dir| VERSION_CONTROL.iter().any(|name| dir.join(name).exists()));
    let module = nearest(&|dir| dir.join("go.mod").is_file());
    // `GOWORK` may name a file anywhere.
    let around = [workspace.filter(|dir| cwd.starts_with(dir)), repository, module].into_iter().flatten();
    usable(&around.min_by_key(|dir| dir.as_os_str().len())?)
}

fn usable(root: &Path) -> Option<PathBuf> {
    let real = paths::real(root);
    (real.is_dir() && real.parent().is_some()).then_some(real)
}
