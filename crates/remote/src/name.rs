//! The names of what a remote store has, below its prefix. Lower-case letters, digits, `-` and `/` alone: every engine takes them as they are.

use sha2::{Digest, Sha256};

use crate::content_hash::ContentHash;
use crate::keys::KeyId;
use crate::series::{STD, Series};

/// What an object is, as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A frame file.
    File,
    /// An index.
    Index,
    /// A head.
    Head,
}

impl ObjectKind {
    /// What has this name; `None`: nothing of this format.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_hex = |part: &str, digits| part.len() == digits && part.bytes().all(is_digit);
        let is_series = |partition, toolchain| Series::new(partition, toolchain, STD).is_ok();
        match *name.split('/').collect::<Vec<_>>().as_slice() {
            ["o", hash] if is_hex(hash, 64) => Some(Self::File),
            ["p", hash] if is_hex(hash, 64) => Some(Self::Index),
            ["h", partition, toolchain, build, key] if is_series(partition, toolchain) => {
                (is_hex(build, 32) && is_hex(key, 32)).then_some(Self::Head)
            }
            _ => None,
        }
    }

    /// What stands at the beginning of their names.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::File => "o/",
            Self::Index => "p/",
            Self::Head => "h/",
        }
    }
}

/// The name of a frame file.
#[must_use]
pub fn file(hash: &ContentHash) -> String {
    format!("o/{}", hash.hex())
}

/// The name of an index.
#[must_use]
pub fn index(hash: &ContentHash) -> String {
    format!("p/{}", hash.hex())
}

/// The name of the head that the owner of a key writes. The build's name may have any character: a hash of it stands for it.
#[must_use]
pub fn head(series: &Series, key: &KeyId) -> String {
    let Series { partition, toolchain, name } = series;
    format!("h/{partition}/{toolchain}/{}/{key}", proto::id::hex(&Sha256::digest(name)[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn names_have_lower_case_letters_digits_and_slashes_alone() {
        let series = Series::new("common", &"0123456789abcdef".repeat(2), "../Größe/\u{1f}").unwrap_err();
        assert!(series.to_string().contains("control character"));
        let series = Series::new("user-1000", &"0123456789abcdef".repeat(2), "../Größe").unwrap();
        let key = fixture::key().public().id();
        for name in [file(&ContentHash([255; 32])), index(&ContentHash([0; 32])), head(&series, &key)] {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-/".contains(c);
            assert!(name.chars().all(is_plain) && !name.contains("//"), "{name}");
        }
        assert_eq!(head(&series, &key).split('/').count(), 5);
    }

    #[test]
    fn a_name_tells_what_an_object_is() {
        let series = Series::new("user-1000", &"0123456789abcdef".repeat(2), "caddy").unwrap();
        let head = head(&series, &fixture::key().public().id());
        let names = [file(&ContentHash([255; 32])), index(&ContentHash([0; 32])), head.clone()];
        let kinds = [ObjectKind::File, ObjectKind::Index, ObjectKind::Head];
        for (name, kind) in names.iter().zip(kinds) {
            assert_eq!(ObjectKind::of(name), Some(kind), "{name}");
            assert!(name.starts_with(kind.prefix()));
            for other in [
                format!("{name}0"),
                format!("{name}/"),
                format!("/{name}"),
                name.replace('0', "g"),
                name.to_uppercase(),
            ] {
                assert!(other == *name || ObjectKind::of(&other).is_none(), "{other}");
            }
        }
        for other in
            ["", "o", "o/", "o/0a", "h/common", &head.replace("user-1000", "user-01"), &head.replace("/user-1000", "")]
        {
            assert_eq!(ObjectKind::of(other), None, "{other}");
        }
    }
}
