//! What `install` tells at its end: how packages use the cache, whose builds share it, and where the page is.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::destination::Destination;

/// The overlay below a directory such as /usr or /usr/local.
const OVERLAY: &str = "share/nix-gocacheprog/overlay.nix";

/// The text. `http`: where metrics and the page are from now on.
pub(super) fn next_step(destination: &Destination, http: Option<&str>) -> String {
    let mut text = String::new();
    if !destination.has_systemd {
        text += "systemd does not run here: start the daemon yourself (docs/how-to/install.md, \"Without systemd\")\n";
    }
    let overlay = overlay(&destination.programs);
    let overlay = overlay.map_or_else(|| "the overlay".to_owned(), |path| format!("the overlay {}", path.display()));
    // Writing to a String cannot fail.
    let _infallible = write!(
        text,
        "done: a Go package with nixGocacheprogHook of {overlay} in its nativeBuildInputs is built with the cache; with mode = \"transparent\" in \
         {}, each Go package is\n{}",
        destination.setting("hook.toml").display(),
        sharing(destination)
    );
    if let Some(at) = http.filter(|at| !at.starts_with('/')) {
        let _infallible =
            writeln!(text, "the page is at http://{at}/, metrics for Prometheus are at http://{at}/metrics");
    }
    text
}

/// The overlay of a tarball or a package, in a directory above the programs.
fn overlay(programs: &Path) -> Option<PathBuf> {
    programs.ancestors().skip(1).map(|dir| dir.join(OVERLAY)).find(|path| path.is_file())
}

/// Whose builds are shared with whom. A daemon of one user has no other.
fn sharing(destination: &Destination) -> String {
    let Some(path) = &destination.daemon_settings else { return String::new() };
    let Ok(settings) = settings::read(path.exists().then_some(path)) else { return String::new() };
    let writers = settings.trust().writer_names();
    let whose = match writers.as_str() {
        "*" => "builds of every user are shared with all users".to_owned(),
        "" => "builds of each user are shared with that user's own alone".to_owned(),
        names => {
            format!("builds of {names} are shared with all users, those of each other user with that user's own alone")
        }
    };
    format!("{whose} (`writers` in {})\n", path.display())
}

/// Another installation that this one replaces: Nix calls one hook.
pub(super) fn replaced(destination: &Destination) -> String {
    let hook = std::fs::read_link(destination.setting("hook"));
    let programs = hook.as_deref().ok().and_then(Path::parent);
    let other = programs.filter(|programs| *programs != destination.programs);
    other.map_or(String::new(), |other| {
        format!("this replaces the installation of the programs in {}\n", other.display())
    })
}
