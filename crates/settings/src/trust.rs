//! `[trust]`: whose builds write what every build reads. accounts.rs finds out who a name means on this machine.

use std::fmt;

use serde::Deserialize;

/// The table `[trust]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Trust {
    /// Users whose builds are shared with all users: `"alice"`, `"1000"`, `"@wheel"`, or `"*"` for every user.
    pub writers: Vec<Principal>,
    /// Users whose builds are those of others, and so no writers': ssh builders, Hydra. Without the setting: users whose process is
    /// `nix-daemon --stdio` or `nix-store --serve`.
    pub relays: Option<Vec<Principal>>,
    /// How many builds of different names have to put an output before it is served to builds of other names.
    pub witnesses: Witnesses,
    /// Seconds of compile time an hour that builds spend on computing again what they could have had, to compare the two.
    pub shadow_seconds_per_hour: u32,
}

impl Trust {
    /// The writers as people call them: uid 0, which is the one without a setting, is root. Empty where there are none.
    #[must_use]
    pub fn writer_names(&self) -> String {
        let name = |writer: &Principal| match writer {
            Principal::Uid(0) => "root".to_owned(),
            other => other.to_string(),
        };
        self.writers.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// One build, or two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub enum Witnesses {
    /// The first put decides.
    #[default]
    One,
    /// A second build has to put the same.
    Two,
}

/// A number that is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write 1, or 2 to have each output put by a second build first")]
pub struct WitnessesError;

impl TryFrom<u8> for Witnesses {
    type Error = WitnessesError;

    fn try_from(number: u8) -> Result<Self, WitnessesError> {
        match number {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err(WitnessesError),
        }
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self { writers: vec![Principal::Uid(0)], relays: None, witnesses: Witnesses::One, shadow_seconds_per_hour: 0 }
    }
}

/// A user, or all users of a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Principal {
    /// `"*"`
    Everyone,
    /// `"1000"`
    Uid(u32),
    /// `"alice"`
    User(String),
    /// `"@wheel"`
    Group(String),
}

/// A text that is no name of a user or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the name or the number of a user, @ and the name of a group, or *")]
pub struct PrincipalError;

impl TryFrom<String> for Principal {
    type Error = PrincipalError;

    fn try_from(text: String) -> Result<Self, PrincipalError> {
        let is_name = |name: &str| {
            !name.is_empty()
                && !name.contains(|c: char| c.is_whitespace() || c.is_control() || [':', ',', '@', '*'].contains(&c))
        };
        match text.strip_prefix('@') {
            Some(group) if is_name(group) => Ok(Self::Group(group.to_owned())),
            None if text == "*" => Ok(Self::Everyone),
            None if is_name(&text) => Ok(text.parse().map_or(Self::User(text), Self::Uid)),
            Some(_) | None => Err(PrincipalError),
        }
    }
}

/// As it is written in the settings.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("*"),
            Self::Uid(uid) => write!(f, "{uid}"),
            Self::User(name) => f.write_str(name),
            Self::Group(name) => write!(f, "@{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_a_user_a_group_or_everyone() {
        for (text, expected) in [
            ("*", Principal::Everyone),
            ("0", Principal::Uid(0)),
            ("alice", Principal::User("alice".into())),
            ("@wheel", Principal::Group("wheel".into())),
        ] {
            let parsed = Principal::try_from(text.to_owned()).unwrap();
            assert_eq!((&parsed, parsed.to_string()), (&expected, text.to_owned()));
        }
        assert_eq!(Trust::default().writer_names(), "root");
        for wrong in ["", "@", "@*", "a b", "a,b", "@@x", "**"] {
            assert_eq!(Principal::try_from(wrong.to_owned()), Err(PrincipalError), "{wrong}");
        }
    }
}
