//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer.

use std::path::Path;

use clap::{Args, FromArgMatches};

use crate::error::SettingsError;
use crate::file::{LimitOptions, Settings, limit_arguments, parse};
use crate::trust::Principal;

/// The settings file: an error names a line of it, limits are the same as options of a command line, and a name of a user is written
/// as it is read.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let settings = match parse(Path::new("settings.toml"), text) {
        Ok(settings) => settings,
        Err(SettingsError::Invalid { line, what, .. }) => {
            assert!((1..=text.split('\n').count()).contains(&line), "line {line}");
            return assert!(!what.is_empty() && !what.contains('\n'), "{what:?}");
        }
        Err(_) => return,
    };
    let limits = settings.limits();
    let options = LimitOptions::augment_args(clap::Command::new("x").no_binary_name(true));
    let read = options.try_get_matches_from(limit_arguments(&limits)).ok();
    let read = read.and_then(|matches| LimitOptions::from_arg_matches(&matches).ok()).map(LimitOptions::of_options);
    assert_eq!(read.map(|settings| settings.limits()), Some(limits));
    let trust = settings.trust();
    for principal in trust.writers.iter().chain(trust.relays.iter().flatten()) {
        assert_eq!(Principal::try_from(principal.to_string()).as_ref(), Ok(principal));
    }
    assert_eq!(settings.clone().or(Settings::default()), settings);
    assert_eq!(Settings::default().or(settings.clone()), settings);
}

#[test]
fn seeds_pass() {
    testkit::check_seeds("settings", settings);
}
