//! Keys, as Nix writes them: `name:base64` of an ed25519 key (`nix-store --generate-binary-cache-key`; Nix src/libutil/signature
//! `local-keys.cc`, 2.8-2.26: a secret key is the seed and the public key, 64 bytes).

use std::fmt;
use std::str::FromStr;

use base64_simd::STANDARD;
use proto::SigningKey;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::limits;

/// Bytes of a signature.
pub const SIGNATURE: usize = 64;

/// A key that signs.
pub struct SecretKey {
    name: String,
    pair: Ed25519KeyPair,
}

/// A key that verifies, with its name.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: [u8; 32],
}

/// Which key: the beginning of the sha256 of the public key, in hex. It is a part of a head's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

/// The keys whose signatures count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It has no colon.
    #[error("a key is written NAME:BASE64, as `nix-store --generate-binary-cache-key` does")]
    NoName,
    /// The name is empty, too long, or has a character that does not belong there.
    #[error("the name of a key is 1 to {} letters, digits, '-', '_' and '.'", limits::NAME)]
    Name,
    /// It is no base64.
    #[error("after the colon of a key comes base64")]
    Base64,
    /// A public key of another length.
    #[error("a public key has 32 bytes; this has {0}{hint}", hint = if *.0 == 64 { ": it is a secret key, which belongs in a file of its own" } else { "" })]
    PublicLength(usize),
    /// A secret key of another length.
    #[error("a secret key has 64 bytes; this has {0}{hint}", hint = if *.0 == 32 { ": it is a public key" } else { "" })]
    SecretLength(usize),
    /// Its halves do not belong together.
    #[error("the two halves of this secret key do not belong together")]
    Halves,
}

impl SecretKey {
    /// Makes a key of 32 random bytes.
    ///
    /// # Errors
    /// [`InvalidKey::Name`] where the name is none.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, InvalidKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| InvalidKey::Halves)?;
        Ok(Self { name: checked_name(name)?, pair })
    }

    /// The text of a key that was made of this seed. It is secret.
    #[must_use]
    pub fn text(&self, seed: &[u8; 32]) -> String {
        let both = [seed.as_slice(), self.pair.public_key().as_ref()].concat();
        format!("{}:{}", self.name, STANDARD.encode_to_string(both))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey { name: self.name.clone(), key }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        let mut bytes = [0; SIGNATURE];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        bytes
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for SecretKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (name, bytes) = split(text)?;
        let (seed, public) = bytes.split_at_checked(32).ok_or(InvalidKey::SecretLength(bytes.len()))?;
        if public.len() != 32 {
            return Err(InvalidKey::SecretLength(bytes.len()));
        }
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| InvalidKey::Halves)?;
        Ok(Self { name, pair })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}:…)", self.name)
    }
}

impl PublicKey {
    /// Which key it is.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(proto::id::hex(&Sha256::digest(self.key)[..16]))
    }

    /// The key itself, as records have it.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey(self.key)
    }

    /// Its name, as its owner chose it. Two keys may have the same.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(message, signature).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (name, bytes) = split(text)?;
        let key = bytes.as_slice().try_into().map_err(|_| InvalidKey::PublicLength(bytes.len()))?;
        Ok(Self { name, key })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, STANDARD.encode_to_string(self.key))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl KeyId {
    /// Its 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TrustedKeys {
    /// These keys.
    #[must_use]
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// The keys themselves, as records have them.
    #[must_use]
    pub fn signing_keys(&self) -> Vec<SigningKey> {
        self.0.iter().map(PublicKey::signing_key).collect()
    }

    /// The key of this name that made the signature; `None`: none of these did.
    pub(crate) fn signer(&self, name: &str, message: &[u8], signature: &[u8; SIGNATURE]) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.name == name && key.verifies(message, signature))
    }
}

fn split(text: &str) -> Result<(String, Vec<u8>), InvalidKey> {
    let (name, base64) = text.trim().split_once(':').ok_or(InvalidKey::NoName)?;
    let bytes = STANDARD.decode_to_vec(base64).map_err(|_| InvalidKey::Base64)?;
    Ok((checked_name(name)?, bytes))
}

fn checked_name(name: &str) -> Result<String, InvalidKey> {
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = !name.is_empty() && name.len() <= limits::NAME && name.chars().all(is_of_names);
    if is_name { Ok(name.to_owned()) } else { Err(InvalidKey::Name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first test vector of RFC 8032 (7.1): seed, public key, signature of the empty message.
    const SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    const PUBLIC: &str = "example-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn secret() -> String {
        SecretKey::from_seed("example-1", &SEED).unwrap().text(&SEED)
    }

    #[test]
    fn keys_are_as_nix_makes_them() {
        let (secret, public) = (secret().parse::<SecretKey>().unwrap(), PUBLIC.parse::<PublicKey>().unwrap());
        assert_eq!(secret.public(), public);
        assert_eq!(public.to_string(), PUBLIC);
        assert_eq!(secret.sign(b"")[..4], [0xe5, 0x56, 0x43, 0x00]);
        let trusted = TrustedKeys::new(vec![public.clone()]);
        let signature = secret.sign(b"text");
        assert_eq!(trusted.signer("example-1", b"text", &signature), Some(&public));
        assert_eq!(trusted.signer("example-1", b"texT", &signature), None);
        assert_eq!(trusted.signer("example-2", b"text", &signature), None);
        assert_eq!(TrustedKeys::default().signer("example-1", b"text", &signature), None);
    }

    #[test]
    fn a_key_that_is_made_is_read_back() {
        let key = SecretKey::from_seed("ci-1", &[7; 32]).unwrap();
        let again: SecretKey = key.text(&[7; 32]).parse().unwrap();
        assert_eq!(again.public(), key.public());
        assert_ne!(SecretKey::from_seed("ci-1", &[8; 32]).unwrap().public().id(), key.public().id());
        assert_eq!(SecretKey::from_seed("ci/1", &[7; 32]).err(), Some(InvalidKey::Name));
    }

    #[test]
    fn what_is_no_key_is_named() {
        let public = |text: &str| text.parse::<PublicKey>().unwrap_err().to_string();
        assert!(public("abc").starts_with("a key is written NAME:BASE64"));
        assert!(public("a b:AAAA").starts_with("the name of a key"));
        assert!(public("a:A A").starts_with("after the colon"));
        assert_eq!(public("a:AAAA"), "a public key has 32 bytes; this has 3");
        assert!(public(&secret()).ends_with("it is a secret key, which belongs in a file of its own"));
        let error = |text: &str| text.parse::<SecretKey>().unwrap_err().to_string();
        assert_eq!(error(PUBLIC), "a secret key has 64 bytes; this has 32: it is a public key");
        let other = STANDARD.encode_to_string([3; 64]);
        assert_eq!(error(&format!("a:{other}")), "the two halves of this secret key do not belong together");
    }

    #[test]
    fn a_secret_key_is_not_shown() {
        let key: SecretKey = secret().parse().unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(example-1:…)");
    }
}
