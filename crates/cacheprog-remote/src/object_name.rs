//! The name of an object below the URL's prefix, such as `o/<64 hex>`. It is a path of a URL as it stands: nothing is escaped.

use crate::limits::MAX_NAME;

/// A name that was checked: `[0-9a-z/-]`, at most 300 bytes, no empty part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name of an object: names have 1 to {MAX_NAME} characters of 0-9, a-z, `-` and `/`, and no empty part")]
pub struct NameError;

impl ObjectName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] where the text is no name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let is_allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-');
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_allowed);
        (text.len() <= MAX_NAME && text.split('/').all(is_part)).then(|| Self(text.to_owned())).ok_or(NameError)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[test]
fn names_cannot_lead_elsewhere() {
    for good in ["o/00ff", "h/common/a/b/c", "a-b"] {
        assert_eq!(ObjectName::parse(good).unwrap().as_str(), good);
    }
    let long = "a".repeat(MAX_NAME + 1);
    for bad in
        ["", "/", "/o", "o/", "o//a", "o/../a", "o/A", "o/a b", "o/%2e", "o/a?b", "o/a#", "ö", "a\n", long.as_str()]
    {
        assert_eq!(ObjectName::parse(bad), Err(NameError), "{bad:?}");
    }
}
