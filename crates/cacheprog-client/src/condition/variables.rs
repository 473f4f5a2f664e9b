//! The environment of a go command.

use std::ffi::OsString;

/// An environment: names and values.
pub(crate) type Variables = Vec<(OsString, OsString)>;

/// Whether this is the environment of a Nix build, and not of a shell that was made from one.
pub(crate) fn is_build(variables: &Variables) -> bool {
    !text(variables, "NIX_BUILD_TOP").is_empty() && value(variables, "IN_NIX_SHELL").is_none()
}

/// The value of a variable, if it is set.
pub(crate) fn value<'a>(variables: &'a Variables, name: &str) -> Option<&'a OsString> {
    variables.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The value as text; empty if the variable is not set.
pub(crate) fn text(variables: &Variables, name: &str) -> String {
    value(variables, name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}
