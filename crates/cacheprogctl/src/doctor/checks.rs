//! Judges the facts and gives a fix for each problem. Pure.

use proto::control::{LayerStatus, RemoteStatus};
use proto::figures::{self, bytes};
use proto::finding::{Finding, bad, good, warn};

use super::daemon::VERSION;
use super::facts::{Facts, Program};
use super::{changing_variables, daemon, installation, trust};

/// Judges everything, in the order in which a build depends on it.
pub(crate) fn all(facts: &Facts) -> Vec<Finding> {
    if let Some(missing) = installation::missing(facts) {
        let sandbox = facts.has_nix.then(|| sandbox(facts));
        let client = [client_runs(facts), client_version(facts)];
        return [missing].into_iter().chain(sandbox).chain(client).collect();
    }
    let checks: [fn(&Facts) -> Finding; 13] = [
        hook_is_set,
        hook_runs,
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
    let status = daemon::status(facts);
    let is_users = facts.unit.as_ref().is_some_and(|unit| unit.is_users);
    let of_trust = [
        trust::writers(facts.trust.as_ref(), is_users),
        trust::requesters(status.map(|status| &status.builds)),
        trust::verification(status),
    ];
    checks
        .iter()
        .map(|check| check(facts))
        .chain(of_trust)
        .chain(layers(status.map_or(&[], |status| &status.layers)))
        .chain(remote(status.and_then(|status| status.remote.as_ref())))
        .chain(changing_variables::findings(&facts.profiles))
        .collect()
}

fn hook_is_set(facts: &Facts) -> Finding {
    let what = "Nix's pre-build-hook";
    let (path, settings) = &facts.nix_conf;
    let path = path.display();
    let line = "pre-build-hook = /etc/nix-gocacheprog/hook, or run `cacheprogctl install`";
    match (settings, &facts.hook) {
        (None, _) => bad(what, format!("{path} cannot be read"), format!("create it with the line {line}")),
        (Some(_), None) => bad(what, format!("none in {path}"), format!("add the line: {line}; restart nix-daemon")),
        (Some(_), Some(hook)) if is_ours(hook) => good(what, hook.path.display().to_string()),
        (Some(_), Some(hook)) => warn(
            what,
            format!("{} does not look like nix-gocacheprog's hook", hook.path.display()),
            "write `pre-build-hook = /etc/nix-gocacheprog/hook` there, and your hook into `chain` in hook.toml",
        ),
    }
}

fn is_ours(hook: &Program) -> bool {
    let name = hook.path.to_string_lossy();
    name.ends_with("prebuild-hook") || name.contains("nix-gocacheprog") || hook.text.contains("prebuild-hook")
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
            return warn(what, format!("{path} is not visible to this user"), "run doctor as root");
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
    let what = "free space";
    match facts.free {
        Some((free, least)) if free < least => {
            let found = format!("{}, but {} must stay free: all entries are evicted", bytes(free), bytes(least));
            bad(what, found, "free disk space, or lower min-free in /etc/nix-gocacheprog.toml")
        }
        Some((free, _)) => good(what, bytes(free)),
        None => warn(
            what,
            "not known: this user may not see the state directory, or the daemon has not made it",
            "start the daemon",
        ),
    }
}

fn settings(facts: &Facts) -> Finding {
    let what = "the settings";
    match &facts.settings {
        None => good(what, "valid"),
        Some(error) => bad(what, error.clone(), "correct the file: the daemon does not start with it"),
    }
}

/// The layers of the daemon, if it has any.
fn layers(all: &[LayerStatus]) -> Option<Finding> {
    let what = "the layers";
    let wrong: Vec<_> = all.iter().filter(|layer| !layer.is_good()).collect();
    let text =
        |layers: &[&LayerStatus]| layers.iter().map(|layer| figures::layer(layer)).collect::<Vec<_>>().join("; ");
    Some(match (all, wrong.as_slice()) {
        ([], _) => return None,
        (_, []) => good(what, text(&all.iter().collect::<Vec<_>>())),
        (_, wrong) => warn(
            what,
            text(wrong),
            "make the layer again, or correct `layers` in /etc/nix-gocacheprog.toml; restart the daemon. Its unit reads nothing below /home, \
             /root and /run/user",
        ),
    })
}

/// The store that machines share, if there is one.
fn remote(remote: Option<&RemoteStatus>) -> Option<Finding> {
    let (what, remote) = ("the remote store", remote?);
    let text = figures::remote(remote);
    Some(if remote.trouble.is_none() {
        good(what, text)
    } else {
        let fix = "as root: `cacheprog-remote test --url URL --credentials-file FILE` tells step by step what is wrong; `journalctl -u \
                   nix-gocacheprog` has each failure";
        warn(what, text, fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::finding::Level;

    #[test]
    fn layers_are_named_where_there_are_any_and_the_bad_ones_have_a_fix() {
        let layer = |damaged, refused: Option<&str>| LayerStatus {
            directory: "/layer".to_owned(),
            copied: 7,
            damaged,
            refused: refused.map(str::to_owned),
        };
        assert_eq!(layers(&[]), None);
        let found = layers(&[layer(0, None)]).unwrap();
        assert_eq!((found.level, found.found.as_str()), (Level::Good, "/layer: 7 entries copied"));
        for (bad, text) in [(layer(2, None), "2 are DAMAGED"), (layer(0, Some("gone")), "/layer is NOT USED: gone")] {
            let found = layers(&[layer(0, None), bad]).unwrap();
            assert!(found.level == Level::Warn && found.found.ends_with(text) && !found.fix.is_empty(), "{found:?}");
        }
    }
}
