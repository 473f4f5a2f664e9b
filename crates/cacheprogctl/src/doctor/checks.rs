//! Judges the facts and gives a fix for each problem. Pure.

use proto::finding::{self, Finding, bad, good, of_status, warn};

use super::daemon::VERSION;
use super::facts::Facts;
use super::program::Program;
use super::{changing_variables, daemon, installation, trust};
use crate::error;

/// Judges everything, in the order in which a build depends on it.
pub(crate) fn all(facts: &Facts) -> Vec<Finding> {
    if let Some(missing) = installation::missing(facts) {
        let sandbox = facts.has_nix.then(|| sandbox(facts));
        let client = [client_runs(facts), client_version(facts)];
        return [missing].into_iter().chain(sandbox).chain(client).collect();
    }
    let hook = [hook_is_set(facts), hook_runs(facts)].into_iter().chain(hook_settings(facts));
    let checks: [fn(&Facts) -> Finding; 11] = [
        sandbox,
        client_runs,
        client_version,
        // The daemon does not start with wrong ones.
        settings,
        daemon::units,
        daemon::daemon,
        daemon::version,
        daemon::control_socket,
        daemon::status_socket,
        state_dir,
        free_space,
    ];
    let is_users = facts.unit.as_ref().is_some_and(|unit| unit.is_users);
    let told = daemon::status(facts).map(|status| of_status(status, facts.now));
    hook.chain(checks.iter().map(|check| check(facts)))
        .chain([trust::writers(facts.trust.as_ref(), is_users)])
        .chain(told.into_iter().flatten())
        .chain(changing_variables::findings(&facts.profiles))
        .collect()
}

fn hook_is_set(facts: &Facts) -> Finding {
    let what = "Nix's pre-build-hook";
    let (path, settings) = &facts.nix_conf;
    let path = path.display();
    match (settings, &facts.hook) {
        (None, _) => bad(what, format!("{path} cannot be read"), name_hook(facts, "create it with the line")),
        (Some(_), None) => bad(what, format!("none in {path}"), name_hook(facts, "add the line")),
        (Some(_), Some(hook)) if hook.is_our_hook() => good(what, hook.path.display().to_string()),
        (Some(_), Some(hook)) => warn(
            what,
            format!("{} does not look like nix-gocacheprog's hook", hook.path.display()),
            format!("{}; write your hook into `chain` in hook.toml", name_hook(facts, "write instead of it")),
        ),
    }
}

/// How Nix gets the hook. With a line that names a hook that is not there, every build would fail.
fn name_hook(facts: &Facts, how: &str) -> String {
    match &facts.installed_hook {
        Some(hook) => format!("{how}: pre-build-hook = {}, and restart nix-daemon", hook.display()),
        None => error::install(facts.is_nixos).1.to_owned(),
    }
}

/// Nothing where the hook has no file of them: it has a default for each.
fn hook_settings(facts: &Facts) -> Option<Finding> {
    let what = "the hook's settings";
    let settings = facts.hook_settings.as_ref()?;
    Some(match &settings.error {
        None => good(what, format!("{}: valid", settings.path.display())),
        Some(error) => bad(what, error, "correct the file: builds get no cache with it"),
    })
}

fn hook_runs(facts: &Facts) -> Finding {
    let what = "the hook's program";
    match &facts.hook {
        None => warn(what, "not checked: nix.conf names no hook", ""),
        Some(hook) => runs(what, hook, "every build fails"),
    }
}

fn client_runs(facts: &Facts) -> Finding {
    runs("the client's program", &facts.client, "no build is offered the cache")
}

fn runs(what: &'static str, program: &Program, else_: &str) -> Finding {
    let path = program.path.display();
    match program.mode {
        None => bad(what, format!("{path} does not exist: {else_}"), "install it, or correct the path"),
        Some(mode) if mode & 0o555 != 0o555 => {
            bad(what, format!("{path} has mode {mode:04o}: {else_}"), format!("chmod 755 {path}"))
        }
        Some(_) if program.is_noexec => {
            bad(what, format!("{path} is on a file system mounted noexec: {else_}"), "install it elsewhere")
        }
        Some(_) => good(what, path.to_string()),
    }
}

fn client_version(facts: &Facts) -> Finding {
    let what = "the client's version";
    match facts.client_version.strip_prefix("cacheprog-client ") {
        Some(VERSION) => good(what, VERSION),
        Some(other) => bad(what, format!("{other}, and this program is {VERSION}"), "install programs of one package"),
        None => warn(what, "not known", "run it by hand with --version"),
    }
}

fn sandbox(facts: &Facts) -> Finding {
    let what = "Nix's sandbox";
    let settings = facts.nix_conf.1.as_ref();
    match settings.and_then(|settings| settings.get("sandbox")).map_or("true", String::as_str) {
        "true" => good(what, "on"),
        "relaxed" => warn(what, "relaxed: builds with __noChroot get no cache", "sandbox = true in nix.conf"),
        other => bad(
            what,
            format!("sandbox = {other}: Nix mounts nothing, so that no build gets the cache"),
            "sandbox = true in nix.conf, and restart nix-daemon",
        ),
    }
}

fn state_dir(facts: &Facts) -> Finding {
    let what = "the state directory";
    let (path, mode) = &facts.state;
    let path = path.display();
    let Some(mode) = mode else {
        if facts.is_hidden {
            return daemon::hidden(facts, what, &facts.state.0);
        }
        return bad(what, format!("{path} does not exist"), "start the daemon, or give --state-dir");
    };
    if let Some(closed) = &facts.closed {
        let closed = closed.display();
        return bad(
            what,
            format!("{closed} is closed to other users: Nix cannot mount directories below it"),
            format!("chmod o+x {closed}"),
        );
    }
    if let Some((foreign, uid)) = &facts.foreign {
        let found = format!("{} belongs to uid {uid}, and the directory to uid {}", foreign.display(), mode.uid);
        let fix =
            format!("make all of it the daemon's user's: stop the daemon, `chown -R USER {path}`, start it again");
        return bad(what, found, fix);
    }
    if facts.is_read_only {
        return bad(what, format!("{path} is on a file system mounted read-only"), "mount it for writing");
    }
    if facts.format == store::FORMER_FORMAT.trim() {
        let found = format!("{path} has an earlier format: {}", facts.format);
        return bad(what, found, "restart the daemon: it replaces the old entries, and builds store them again");
    }
    if !facts.format.is_empty() && facts.format != store::FORMAT.trim() {
        let found = format!("{path} has another format: {}", facts.format);
        return bad(what, found, "give the daemon another --state-dir, or install the version that made this one");
    }
    if mode.uid == 0 {
        let fix = "run the daemon under a user of its own, which owns its directory (docs/explanation/security.md)";
        return warn(what, format!("{path} belongs to root"), fix);
    }
    good(what, path.to_string())
}

fn free_space(facts: &Facts) -> Finding {
    let unknown = "not known: this user may not see the state directory, or the daemon has not made it";
    facts.free.map_or_else(
        || warn("free space", unknown, "start the daemon"),
        |(free, least)| finding::free_space(free, least),
    )
}

fn settings(facts: &Facts) -> Finding {
    let what = "the settings";
    match &facts.settings {
        None => good(what, "valid"),
        Some(error) => bad(what, error.clone(), "correct the file: the daemon does not start with it"),
    }
}

#[cfg(test)]
mod tests {
    use proto::finding::Level;

    use super::*;
    use crate::nix_conf;

    /// It would make every build of Nix fail.
    #[test]
    fn the_line_of_a_hook_that_is_not_there_is_not_proposed() {
        let none = Facts { nix_conf: ("/n".into(), Some(nix_conf::Settings::default())), ..Facts::default() };
        let there = Facts { installed_hook: Some("/h/hook".into()), ..none.clone() };
        let nixos = Facts { is_nixos: true, ..none.clone() };
        for (facts, fix) in [
            (none, "run `cacheprogctl install`"),
            (there, "add the line: pre-build-hook = /h/hook, and restart nix-daemon"),
            (nixos, "set `services.nix-gocacheprog.enable"),
        ] {
            let found = hook_is_set(&facts);
            assert!(found.level == Level::Bad && found.fix.starts_with(fix), "{found:?}");
        }
    }
}
