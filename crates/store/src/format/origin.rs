//! The origin of an entry: the build that put it, its name, its partition, and the key that signed an entry of another machine.

use proto::{BuildId, SigningKey};

use crate::format::namespace::Partition;

/// The origin of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The build that put it; `None` in a store without a daemon.
    pub build: Option<BuildId>,
    /// That build's name.
    pub name: BuildName,
    /// The name of another build that put the same output later: the first such.
    pub witness: Option<BuildName>,
    /// The partition in which it is.
    pub partition: Partition,
    /// The key that signed it; `None`: it was made on this machine.
    pub key: Option<SigningKey>,
}

/// The name of what was copied from a layer.
const LAYER: &str = "layer";

impl Origin {
    /// The origin of an entry that was copied from a layer, for all users. Who names a layer vouches for it, as a second build does.
    #[must_use]
    pub fn of_layer() -> Self {
        let name = BuildName::new(LAYER);
        Self { build: None, witness: Some(name.clone()), name, partition: Partition::Common, key: None }
    }

    /// Whether the entry was copied from a layer. A build whose name is the same has an id.
    #[must_use]
    pub fn is_of_layer(&self) -> bool {
        self.build.is_none() && self.name.as_str() == LAYER
    }

    /// The same, after another build put the same output.
    #[must_use]
    pub(crate) fn with_witness(self, other: &Self) -> Self {
        let is_another = other.key.is_none() && !other.name.as_str().is_empty() && other.name != self.name;
        let witness = self.witness.or_else(|| is_another.then(|| other.name.clone()));
        Self { witness, ..self }
    }
}

/// The name of a build as records keep it: at most [`BuildName::LONGEST`] bytes without control characters, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildName(Box<str>);

impl BuildName {
    /// Bytes of the longest. Nix has names of up to 211.
    pub const LONGEST: usize = 256;

    /// As much of the text as is kept.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut kept: String = text.chars().filter(|c| !c.is_control()).collect();
        kept.truncate(kept.floor_char_boundary(Self::LONGEST));
        Self(kept.into())
    }

    /// A name as it is kept; `None` for another text.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Some(Self::new(text)).filter(|name| name.as_str() == text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_other_name_is_the_witness() {
        let of = |name| Origin {
            build: None,
            name: BuildName::new(name),
            witness: None,
            partition: Partition::Common,
            key: None,
        };
        let witness = |origin: Origin| origin.witness.map(|name| name.as_str().to_owned());
        assert_eq!(witness(of("a").with_witness(&of("a"))), None);
        assert_eq!(witness(of("a").with_witness(&of(""))), None);
        assert_eq!(witness(of("a").with_witness(&of("b")).with_witness(&of("c"))), Some("b".to_owned()));
    }

    #[test]
    fn a_name_is_cut_to_what_a_record_holds() {
        assert_eq!(BuildName::new("caddy-2.10").as_str(), "caddy-2.10");
        assert_eq!(BuildName::new("a\tb\nc\u{85}").as_str(), "abc");
        assert_eq!(BuildName::new(&"é".repeat(300)).as_str(), "é".repeat(128));
        assert_eq!(BuildName::new(&format!("x{}", "é".repeat(300))).as_str().len(), 255);
    }
}
