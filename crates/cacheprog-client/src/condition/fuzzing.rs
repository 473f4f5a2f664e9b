//! What fuzz/ checks of the readers of command lines and flags. Those of a module's files are in modules/ and escapes/.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::flags_text::{without_ldflags, without_own_paths};
use super::invocation::{Invocation, arguments};
use super::own_outputs::OwnOutputs;
use super::quoted;

pub use super::escapes::fuzzing::escapes;
pub use super::modules::fuzzing::module_files;

/// Flags: `GOFLAGS`, or another variable, then a NUL and a command line as /proc has it.
pub fn flags(bytes: &[u8]) {
    let middle = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (value, line) = bytes.split_at(middle);
    variable(value);
    let Some(line) = arguments(line.get(1..).unwrap_or_default()) else { return };
    let goflags = OsString::from_vec(value.to_owned());
    super::modules::fuzzing::mod_flags(&line, &goflags);
    command(&line, &goflags);
}

/// Words are split as they were joined, and what is left out of a value leaves the rest as it is.
fn variable(value: &[u8]) {
    let words = quoted::split(value);
    if let Some(words) = &words {
        let joined = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(&b' ');
        assert_eq!(quoted::split(&joined).as_ref(), Some(words));
        let kept = without_ldflags(value);
        // A word without a dash is no flag, and cmd/go refuses it.
        let flags: [&[u8]; 3] = [b"-ldflags=", b"--ldflags=", b"ldflags="];
        let is_ldflag = |word: &[u8]| flags.iter().any(|flag| word.starts_with(flag));
        let kept_words = kept.strip_suffix(b"\0").map_or(0, |kept| kept.split(|&byte| byte == 0).count());
        assert!(kept_words >= words.iter().filter(|word| !is_ldflag(word)).count());
    }
    let outputs = OwnOutputs::named(&[("out", "/nix/store/own-out")]);
    for counts_seed in [false, true] {
        let compared = without_own_paths(value, &outputs, counts_seed).into_owned();
        assert_eq!(without_own_paths(&compared, &outputs, counts_seed), compared);
    }
    assert_eq!(without_own_paths(value, &OwnOutputs::default(), true), value);
}

/// A word as it stands in a list. One with both quotes has none at its beginning and no white space.
fn quoted(word: &[u8]) -> Vec<u8> {
    let is_plain =
        word.first().is_some_and(|first| !b"'\"".contains(first)) && !word.iter().any(|byte| b" \t\n\r".contains(byte));
    let quote: &[u8] = match is_plain {
        true => b"",
        false if word.contains(&b'\'') => b"\"",
        false => b"'",
    };
    [quote, word, quote].concat()
}

/// It does not matter whether flags stand in `GOFLAGS` or on the command line, and one that brings in a file is never overlooked.
fn command(line: &[OsString], goflags: &OsStr) {
    let goroot = Path::new("/goroot");
    let one = Invocation::called("/goroot/bin/go", line, goflags);
    let Some(words) = quoted::split(goflags.as_encoded_bytes()) else {
        return assert!(!one.is_clean(goroot) && one.exec().is_none() && one.names_modfile());
    };
    let Some((name, rest)) = line.split_first() else { return assert!(!one.is_clean(goroot)) };
    let words = words.into_iter().map(OsString::from_vec);
    let all: Vec<_> = [name.clone()].into_iter().chain(words).chain(rest.iter().cloned()).collect();
    let two = Invocation::called("/goroot/bin/go", &all, OsStr::new(""));
    assert_eq!(one.is_clean(goroot), two.is_clean(goroot));
    assert_eq!(one.exec(), two.exec());
    assert_eq!(one.names_modfile(), two.names_modfile());
    for flag in ["-overlay=x", "--overlay=x", "-overlay"] {
        let more: Vec<_> = all.iter().cloned().chain([flag.into()]).collect();
        for (line, goflags) in [(&more, goflags), (&all, OsStr::new(flag))] {
            let three = Invocation::called("/goroot/bin/go", line, goflags);
            assert!(!three.is_clean(goroot) && !three.reads_goroot(goroot));
        }
    }
    assert!(!Invocation::called("/usr/bin/make", line, goflags).is_clean(goroot));
}
