//! The names of what a remote store has, below its prefix. Lower-case letters, digits, `-` and `/` alone: every engine takes them as they are.

use sha2::{Digest, Sha256};

use crate::content_hash::ContentHash;
use crate::keys::KeyId;
use crate::series::Series;

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
}
