//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer.

use std::hint::black_box;
use std::path::Path;

use crate::decide::{Decision, decide_by};
use crate::drv::{self, Derivation};
use crate::pattern;
use crate::requester::{daemon_socket_in, forwards_in, uid_in};
use crate::settings::{Settings, SettingsError};

/// A derivation: what is read of one is written to one that is read as the same, also in the envelope of a newer Nix. A build that
/// opts out gets nothing.
pub fn drv(bytes: &[u8]) {
    let path = Path::new("/nix/store/0000000000000000000000000000000a-x.drv");
    for is_transparent in [false, true] {
        let decided = decide_by(path, bytes, is_transparent);
        assert!(is_transparent || !matches!(decided, Ok(Decision::Transparent)));
    }
    let Some(read) = drv::parse(bytes) else { return };
    let written = written(&read);
    assert_eq!(drv::parse(format!("Derive({written})").as_bytes()).as_ref(), Some(&read));
    assert_eq!(drv::parse(format!("DrvWithVersion(\"xp-dyn-drv\",{written})").as_bytes()).as_ref(), Some(&read));
    let mut opted_out = read;
    opted_out.environment.insert(0, ("NIX_GOCACHEPROG".to_owned(), "0".to_owned()));
    let decided = decide_by(path, format!("Derive({})", self::written(&opted_out)).as_bytes(), true);
    assert!(matches!(decided, Ok(Decision::Nothing)));
}

/// The fields of a derivation, as Nix writes them.
fn written(Derivation { has_network, out, input_derivations, input_sources, environment }: &Derivation) -> String {
    let text = |text: &String| {
        let escapes = [("\\", "\\\\"), ("\"", "\\\""), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")];
        format!("\"{}\"", escapes.iter().fold(text.clone(), |text, (plain, escaped)| text.replace(plain, escaped)))
    };
    let list = |all: Vec<String>| format!("[{}]", all.join(","));
    let derivations = list(input_derivations.iter().map(|path| format!("({},[\"out\"])", text(path))).collect());
    let sources = list(input_sources.iter().map(text).collect());
    let environment = environment.iter().map(|(name, value)| format!("({},{})", text(name), text(value)));
    let hash = if *has_network { "ab" } else { "" };
    let out = text(out);
    format!("[(\"out\",{out},\"\",\"{hash}\")],{derivations},{sources},\"x\",\"/b\",[],{}", list(environment.collect()))
}

/// The hook's settings: an error names a line of them, and what is accepted makes sense. And what it reads of a process.
pub fn settings(bytes: &[u8]) {
    process(bytes);
    let Ok(text) = str::from_utf8(bytes) else { return };
    match Settings::parse(Path::new("/hook.toml"), text) {
        Ok(settings) => {
            let paths = [&settings.control, &settings.client, &settings.modproxy];
            assert!(paths.into_iter().chain(&settings.chain).all(|path| path.is_absolute()));
            if let Some(transparent) = settings.transparent {
                assert!(transparent.go_env.is_absolute());
                black_box(transparent.admits("x-1.0"));
            }
        }
        Err(SettingsError::Parse { line, what, .. }) => {
            assert!((1..=text.split('\n').count()).contains(&line), "line {line}");
            assert!(!what.is_empty() && !what.contains('\n'), "{what:?}");
        }
        Err(SettingsError::Read { .. } | SettingsError::Value { .. }) => {}
    }
    let (pattern, name) = text.split_once('\n').unwrap_or((text, ""));
    let plain = pattern.replace('*', "");
    assert!(pattern::matches(pattern, &plain), "a star matches the empty text");
    assert!(pattern::matches(&format!("*{pattern}*"), &format!("{name}{plain}{name}")));
}

/// The files of a process in /proc: status, cmdline and environ.
fn process(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let uid = uid_in(&text);
    assert!(uid.is_none_or(|uid| uid_in(&format!("Name:\tx\nUid:\t{uid}\t0\t0\t0\n{text}")) == Some(uid)));
    assert!(forwards_in(&[bytes, b"\0--stdio\0"].concat()));
    assert!(!daemon_socket_in(bytes).as_os_str().is_empty());
    let first = [b"NIX_DAEMON_SOCKET_PATH=/x\0", bytes].concat();
    assert_eq!(daemon_socket_in(&first), Path::new("/x"));
}

#[test]
fn seeds_pass() {
    testkit::check_seeds("drv", drv);
    testkit::check_seeds("settings", settings);
}
