//! Judges whether the daemon can be reached: its units, its sockets and its answer. Pure.

use std::path::Path;

use proto::control::Status;
use proto::finding::{Finding, bad, good, warn};

use super::facts::{Facts, Permissions, STATUS_UNIT};

/// The version of this program: programs of one package work together.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the daemon answered, if it did.
pub(super) fn status(facts: &Facts) -> Option<&Status> {
    facts.daemon.as_ref().and_then(|daemon| daemon.as_ref().ok())
}

/// The option of systemctl and journalctl, after a blank, where the unit is in the user's own systemd.
fn user_option(facts: &Facts) -> &'static str {
    if facts.unit.as_ref().is_some_and(|unit| unit.is_users) { " --user" } else { "" }
}

/// systemd's units of the sockets.
pub(super) fn units(facts: &Facts) -> Finding {
    let what = "systemd's socket units";
    let Some(unit) = &facts.unit else {
        let fix = "start the daemon yourself: docs/how-to/install.md, \"Without systemd\"";
        return warn(what, "systemd does not run here", fix);
    };
    if !unit.is_installed() {
        return warn(what, "not installed", "run `cacheprogctl install`");
    }
    let (stopped, user) = (unit.stopped(), user_option(facts));
    match stopped.as_slice() {
        [] if unit.is_users => good(what, "active, for this user"),
        [] => good(what, "active"),
        stopped => {
            let found: Vec<_> = stopped.iter().map(|(name, state)| format!("{name} is {state}")).collect();
            let start = if status(facts).is_some() || is_status_alone(stopped) {
                restart(user)
            } else {
                format!("systemctl{user} enable --now {}", names(stopped))
            };
            let fix = format!("{start}; see `journalctl{user} -u nix-gocacheprog` for the cause");
            bad(what, found.join(", "), fix)
        }
    }
}

/// What starts a socket while the daemon runs: systemd starts none of a service that is active, and the service starts its sockets.
fn restart(user: &str) -> String {
    format!("systemctl{user} restart nix-gocacheprog")
}

/// Whether the status socket alone is stopped: the daemon may run, and this user cannot ask it.
fn is_status_alone(stopped: &[(&'static str, String)]) -> bool {
    matches!(stopped, [(name, _)] if *name == STATUS_UNIT)
}

fn names(units: &[(&'static str, String)]) -> String {
    units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

/// Whether it answers.
pub(super) fn daemon(facts: &Facts) -> Finding {
    let what = "the daemon";
    match &facts.daemon {
        Some(Ok(_)) => good(what, "answers"),
        Some(Err(error)) => bad(what, error.clone(), start(facts)),
        None => warn(what, "not asked", ""),
    }
}

/// How the daemon is made to answer: the first cause in the order of what has to work.
fn start(facts: &Facts) -> String {
    let user = user_option(facts);
    let stopped = facts.unit.as_ref().map(super::facts::Unit::stopped).unwrap_or_default();
    if facts.settings.is_some() {
        return format!("correct the settings (above), then run `systemctl{user} restart nix-gocacheprog`");
    }
    if facts.is_silent && stopped.is_empty() {
        return format!("`journalctl{user} -u nix-gocacheprog` tells why it ended");
    }
    if is_status_alone(&stopped) {
        return format!("run `{}`", restart(user));
    }
    let units = if stopped.is_empty() { "nix-gocacheprog.socket".to_owned() } else { names(&stopped) };
    format!("run `systemctl{user} start {units}`; without systemd see docs/how-to/install.md, \"Without systemd\"")
}

/// Whether it is of this version.
pub(super) fn version(facts: &Facts) -> Finding {
    let what = "the daemon's version";
    match status(facts) {
        Some(status) if status.daemon == VERSION => good(what, VERSION),
        Some(status) => {
            let found = format!("{}, and this program is {VERSION}", status.daemon);
            let fix = format!("run `systemctl{} restart nix-gocacheprog`; live builds continue", user_option(facts));
            bad(what, found, fix)
        }
        None => warn(what, "not known", ""),
    }
}

/// Whether the hook gets through, and others do not.
pub(super) fn control_socket(facts: &Facts) -> Finding {
    let what = "the control socket";
    let (path, mode) = &facts.control;
    let path = path.display();
    match mode {
        Some(_) if facts.control_is_dead => bad(
            what,
            format!("{path} accepts no connection: the hook cannot reach the daemon"),
            "start the daemon, or give its path as --control-socket",
        ),
        Some(Permissions { mode, .. }) if mode & 0o077 == 0 => good(what, path.to_string()),
        Some(Permissions { mode, .. }) => warn(
            what,
            format!("{path} has mode {mode:04o}; the daemon refuses other users anyway"),
            format!("chmod 600 {path}; in a unit: SocketMode=0600"),
        ),
        None if facts.is_root => bad(
            what,
            format!("{path} does not exist: the hook cannot reach the daemon"),
            "start the daemon, or give its path as --control-socket",
        ),
        None => hidden(facts, what, &facts.control.0),
    }
}

/// What this user may not see: nothing is wrong where the daemon, which uses it, answers.
pub(super) fn hidden(facts: &Facts, what: &'static str, path: &Path) -> Finding {
    let found = format!("not visible to this user: {}", path.display());
    if status(facts).is_some() { good(what, found) } else { warn(what, found, "run doctor as root") }
}

/// Whether users can ask.
pub(super) fn status_socket(facts: &Facts) -> Finding {
    let what = "the status socket";
    let is_users = facts.unit.as_ref().is_some_and(|unit| unit.is_users);
    match facts.status_socket {
        Some(_) if facts.status_is_dead => warn(
            what,
            "accepts no connection: users see no status",
            "run `systemctl restart nix-gocacheprog`; without systemd restart the daemon",
        ),
        Some(Permissions { mode, .. }) if mode & 0o006 == 0o006 => good(what, "accepts connections"),
        Some(Permissions { mode, .. }) => {
            let fix = "chmod 666 the socket; in a unit: SocketMode=0666";
            warn(what, format!("it has mode {mode:04o}: users see no status"), fix)
        }
        None if is_users => good(what, "none: the daemon of one user needs none"),
        None => warn(
            what,
            "does not exist: users see no status",
            "remove `status-socket = \"none\"` from the settings, and run `systemctl restart nix-gocacheprog`; without systemd \
             restart the daemon",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Unit;
    use super::*;
    use proto::finding::Level;

    fn unit_facts(active: &str, is_users: bool) -> Facts {
        let unit = Unit { enabled: "enabled".to_owned(), active: active.to_owned(), is_users, ..Unit::default() };
        Facts { unit: Some(unit), daemon: Some(Err("no daemon answers".to_owned())), ..Facts::default() }
    }

    #[test]
    fn a_users_own_installation_is_asked_of_the_users_systemd() {
        let [system, user] = [false, true].map(|is_users| unit_facts("inactive", is_users));
        assert!(units(&user).fix.starts_with("systemctl --user enable --now"), "{}", units(&user).fix);
        assert!(units(&system).fix.starts_with("systemctl enable --now"), "{}", units(&system).fix);
        assert!(daemon(&user).fix.starts_with("run `systemctl --user start"), "{}", daemon(&user).fix);
        assert_eq!(units(&unit_facts("active", true)).level, Level::Good);
    }

    #[test]
    fn a_users_own_daemon_needs_no_status_socket() {
        let levels = [true, false].map(|is_users| status_socket(&unit_facts("active", is_users)).level);
        assert_eq!(levels, [Level::Good, Level::Warn]);
    }

    #[test]
    fn a_unit_that_systemd_does_not_know_is_not_installed() {
        let facts = Facts { unit: Some(Unit::default()), ..Facts::default() };
        assert_eq!((units(&facts).level, units(&facts).found.as_str()), (Level::Warn, "not installed"));
    }

    #[test]
    fn the_fix_names_the_unit_that_is_stopped() {
        let [control, status] = ["nix-gocacheprog.socket", "nix-gocacheprog-status.socket"];
        for (active, active_status, command) in [
            ("active", "inactive", "restart nix-gocacheprog".to_owned()),
            ("inactive", "active", format!("start {control}")),
            ("failed", "inactive", format!("start {control} {status}")),
            ("active", "active", format!("start {control}")),
        ] {
            let mut facts = unit_facts(active, false);
            facts.unit = facts.unit.map(|unit| Unit { active_status: Some(active_status.to_owned()), ..unit });
            let fix = daemon(&facts).fix;
            assert!(fix.contains(&format!("`systemctl {command}`")), "{fix}");
            assert_eq!(units(&facts).level == Level::Good, (active, active_status) == ("active", "active"));
        }
    }

    #[test]
    fn a_socket_of_a_daemon_that_runs_starts_with_the_daemon_alone() {
        let mut facts = Facts { daemon: Some(Ok(Status::default())), ..unit_facts("active", false) };
        facts.unit = facts.unit.map(|unit| Unit { active_status: Some("inactive".to_owned()), ..unit });
        assert!(units(&facts).fix.starts_with("systemctl restart nix-gocacheprog;"), "{}", units(&facts).fix);
        let of_user = Facts { daemon: None, ..facts };
        assert_eq!(units(&of_user).fix, units(&Facts { daemon: Some(Ok(Status::default())), ..of_user.clone() }).fix);
    }

    #[test]
    fn what_an_ordinary_user_may_not_see_is_good_where_the_daemon_answers() {
        let silent = unit_facts("active", false);
        let answers = Facts { daemon: Some(Ok(Status::default())), ..silent.clone() };
        let levels = [silent, answers].map(|facts| control_socket(&facts).level);
        assert_eq!(levels, [Level::Warn, Level::Good]);
    }

    #[test]
    fn wrong_settings_are_corrected_first_and_a_silent_daemon_has_a_journal() {
        let silent = Facts { is_silent: true, ..unit_facts("active", false) };
        assert!(daemon(&silent).fix.starts_with("`journalctl -u nix-gocacheprog`"), "{}", daemon(&silent).fix);
        let wrong = Facts { settings: Some("line 1".to_owned()), ..silent };
        assert!(daemon(&wrong).fix.starts_with("correct the settings (above)"), "{}", daemon(&wrong).fix);
    }

    #[test]
    fn a_socket_at_which_no_program_listens_is_not_there() {
        let permissions = |mode| Permissions { uid: 0, mode };
        let facts = Facts {
            control: ("/c".into(), Some(permissions(0o600))),
            status_socket: Some(permissions(0o666)),
            ..unit_facts("active", false)
        };
        assert_eq!((control_socket(&facts).level, status_socket(&facts).level), (Level::Good, Level::Good));
        let dead = Facts { control_is_dead: true, status_is_dead: true, ..facts };
        assert_eq!((control_socket(&dead).level, status_socket(&dead).level), (Level::Bad, Level::Warn));
    }
}
