//! The format of AWS' shared credentials file: `[profile]` sections with lines `key = value`. Pure.
//!
//! Keys that are read: `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`, and for HTTP servers `username`, `password`,
//! `token`. Others are left alone, as are indented lines, which belong to a setting of AWS' tools.

use std::collections::BTreeMap;

use crate::secret::Secret;

/// The keys that are read.
const KEYS: [&str; 6] =
    ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "username", "password", "token"];

/// Values of one profile by key.
pub(crate) type Profile = BTreeMap<&'static str, Secret>;

/// Why a file cannot be used. It repeats nothing of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// A line has another form.
    #[error("line {0} is neither `[profile]` nor `key = value`")]
    Line(usize),
    /// A value stands before the first section.
    #[error("line {0} stands before the first `[profile]`")]
    NoSection(usize),
    /// A value has a character that cannot be sent.
    #[error("the value in line {0} has a control character or one that is not ASCII")]
    Value(usize),
}

/// The values of a profile; `None` where the file has no such section.
pub(crate) fn parse(text: &str, profile: &str) -> Result<Option<Profile>, ProfileError> {
    let mut found: Option<Profile> = None;
    let mut section: Option<&str> = None;
    for (number, line) in text.split('\n').enumerate().map(|(at, line)| (at + 1, line)) {
        let is_indented = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim();
            section = Some(name.strip_prefix("profile ").map_or(name, str::trim));
            if section == Some(profile) {
                found.get_or_insert_default();
            }
            continue;
        }
        let section = section.ok_or(ProfileError::NoSection(number))?;
        if is_indented {
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(ProfileError::Line(number))?;
        let (key, value) = (key.trim(), value.trim());
        let Some(key) = KEYS.into_iter().find(|known| *known == key) else { continue };
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(ProfileError::Value(number));
        }
        if section == profile && !value.is_empty() {
            found.get_or_insert_default().insert(key, Secret::new(value));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# keys\n[default]\naws_access_key_id = AKID\naws_secret_access_key=a=b/c+d==\r\nregion = x\n\n\
        [profile ci]\n; tokens\ntoken = t\n  s3 =\n    max = 1\n[ci]\nusername = u\npassword =\n";

    #[test]
    fn profiles_are_read() {
        let values = |profile: &str| {
            let profile = parse(FILE, profile).unwrap()?;
            Some(profile.iter().map(|(key, value)| format!("{key}={}", value.expose())).collect::<Vec<_>>())
        };
        let keys = ["aws_access_key_id=AKID", "aws_secret_access_key=a=b/c+d=="];
        assert_eq!(values("default").unwrap(), keys);
        assert_eq!(values("ci").unwrap(), ["token=t", "username=u"]);
        assert_eq!(values("other"), None);
    }

    #[test]
    fn an_error_names_the_line_and_nothing_of_it() {
        for (text, expected) in [
            ("swordfish = 1", ProfileError::NoSection(1)),
            ("[a]\nswordfish", ProfileError::Line(2)),
            ("[a]\n\npassword = sword\u{7f}fish", ProfileError::Value(3)),
            ("[b]\ntoken = swördfish", ProfileError::Value(2)),
        ] {
            let error = parse(text, "a").unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("sw"));
        }
    }
}
