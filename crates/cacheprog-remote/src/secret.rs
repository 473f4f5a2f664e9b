//! A value that must not be printed: it shows as `…`, and has no `Display`.

/// A password, a secret key, a token, or the id of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, to sign or to send with it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

#[test]
fn a_secret_is_not_printed() {
    assert_eq!(format!("{:?} {:#?}", Secret::new("swordfish"), Some(Secret::new("swordfish"))), "… Some(\n    …,\n)");
}
