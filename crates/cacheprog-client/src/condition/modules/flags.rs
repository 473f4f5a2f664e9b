//! What the command line and `GOFLAGS` say about modules.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::condition::quoted;

/// The value of `-mod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModFlag {
    /// Not given.
    Default,
    Vendor,
    /// `mod` or `readonly`: modules come from the module cache.
    Cache,
}

/// The flag of a go command. `None` where it cannot be told, or where something else decides which modules there are: `-modfile`, or
/// packages with a version (`go install path@version` reads no go.mod).
pub(super) fn mod_flag(arguments: &[OsString], goflags: &OsStr) -> Option<ModFlag> {
    let of_goflags = values(quoted::split(goflags.as_bytes())?.iter().map(Vec::as_slice))?;
    let arguments = arguments.iter().map(|argument| argument.as_bytes()).skip(1);
    let has_version = |argument: &[u8]| !argument.starts_with(b"-") && argument.contains(&b'@');
    // The command's name is no package.
    if arguments.clone().skip(1).any(has_version) {
        return None;
    }
    let may_have_others = arguments.clone().any(|argument| matches!(argument, b"run" | b"tool" | b"-args" | b"--args"));
    let of_arguments = values(arguments)?;
    let default = of_goflags.last().copied().unwrap_or(ModFlag::Default);
    match of_arguments.last() {
        None => Some(default),
        // It may be an argument of a program that is run.
        Some(flag) if may_have_others && *flag != default => None,
        Some(flag) => Some(*flag),
    }
}

/// The values of all `-mod` among some words. `None` where one is not known, or where there is a `-modfile`.
fn values<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<Vec<ModFlag>> {
    let mut values = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix(b"-").map(|flag| flag.strip_prefix(b"-").unwrap_or(flag)) else { continue };
        let value = match flag {
            b"mod" => words.next()?,
            b"modfile" => return None,
            _ if flag.starts_with(b"modfile=") => return None,
            _ => match flag.strip_prefix(b"mod=") {
                Some(value) => value,
                None => continue,
            },
        };
        values.push(match value {
            b"vendor" => ModFlag::Vendor,
            b"mod" | b"readonly" => ModFlag::Cache,
            _ => return None,
        });
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, goflags: &str) -> Option<ModFlag> {
        let arguments: Vec<_> = line.split(' ').map(OsString::from).collect();
        mod_flag(&arguments, OsStr::new(goflags))
    }

    #[test]
    fn the_command_line_outranks_goflags() {
        assert_eq!(of("go build ./...", ""), Some(ModFlag::Default));
        assert_eq!(of("go build ./...", "-trimpath -mod=vendor"), Some(ModFlag::Vendor));
        assert_eq!(of("go build -mod=readonly .", "-mod=vendor"), Some(ModFlag::Cache));
        assert_eq!(of("go build --mod mod .", "-mod=vendor"), Some(ModFlag::Cache));
        assert_eq!(of("go run -mod=vendor .", "--mod=vendor"), Some(ModFlag::Vendor));
    }

    #[test]
    fn what_may_mean_something_else_is_nothing() {
        for (line, goflags) in [
            ("go build -modfile=x.mod .", ""),
            ("go build -modfile x.mod .", ""),
            ("go build .", "-modfile=x.mod"),
            ("go build .", "'-mod=vendor"),
            ("go build -mod=odd .", ""),
            ("go run . -mod=vendor", ""),
            ("go test . -args -mod=mod", "-mod=vendor"),
            ("go install example.org/x@latest", ""),
            ("go run -exec x example.org/x@v1.0.0", ""),
        ] {
            assert_eq!(of(line, goflags), None, "{line} {goflags}");
        }
    }
}
