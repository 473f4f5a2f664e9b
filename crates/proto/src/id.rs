//! Ids as fixed bytes. They are parsed once, at the edge; hex and base64 exist only here.
//!
//! The rule to keep: nothing outside this file slices an id's text, so no id can name a path it should not.

use std::fmt;
use std::str::FromStr;

use base64_simd::STANDARD;
use sha2::{Digest, Sha256};

use crate::RequestError;

/// Bytes of an action or output id: a sha256 in every Go release (cmd/go/internal/cache/hash.go `HashSize`, Go 1.21-1.27).
const HASH_SIZE: usize = 32;

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Each get writes several of them into paths: without a string of their own.
                let mut digits = [0; 2 * $bytes];
                f.write_str(digits_of(&self.0, &mut digits))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidHex;

            fn from_str(text: &str) -> Result<Self, InvalidHex> {
                parse_hex(text).map(Self)
            }
        }
    };
}

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        hex_id!($(#[$doc])* $name, HASH_SIZE);

        impl $name {
            /// Parses the standard padded base64 that cmd/go writes for a `[]byte` field.
            ///
            /// # Errors
            /// [`RequestError::Id`] where the text is no base64 or does not hold 32 bytes.
            pub fn from_base64(text: &str) -> Result<Self, RequestError> {
                let bytes = STANDARD.decode_to_vec(text).map_err(|_| RequestError::Id { field: $field, bytes: None })?;
                let hash = bytes.as_slice().try_into();
                hash.map(Self).map_err(|_| RequestError::Id { field: $field, bytes: Some(bytes.len()) })
            }

            /// The standard padded base64 form.
            #[must_use]
            pub fn to_base64(self) -> String {
                STANDARD.encode_to_string(self.0)
            }
        }
    };
}

hash_id!(
    /// Names a computation: cmd/go's hash of all its inputs.
    ActionId,
    "ActionID"
);
impl ActionId {
    /// The action of what belongs to this one under a name, "stdout" say: cmd/go/internal/cache/hash.go `Subkey`, Go 1.21-1.27.
    #[must_use]
    pub fn subkey(&self, name: &str) -> Self {
        Self(Sha256::new().chain_update(b"subkey:").chain_update(self.0).chain_update(name).finalize().into())
    }
}

hash_id!(
    /// Names the result of a computation: the sha256 of its bytes (so in every put of Go 1.21-1.27).
    OutputId,
    "OutputID"
);

impl OutputId {
    /// The output without bytes, about a quarter of all puts of a Go build.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);
}

hex_id!(
    /// Names one registered build. Random, so that no other user of the host can guess its directory.
    BuildId,
    16
);

impl BuildId {
    /// The short id that users see: a hash of the id. The id cannot be computed from it, and a reader who knows the id of a live
    /// build finds the build's socket.
    #[must_use]
    pub fn short(self) -> String {
        hex(&Sha256::new().chain_update(b"nix-gocacheprog build").chain_update(self.0).finalize()[..4])
    }
}

hex_id!(
    /// What the scope of a condition held: a hash that the client makes.
    ScopeDigest,
    32
);
hex_id!(
    /// The public half of a key with which an entry was signed.
    SigningKey,
    32
);

impl SigningKey {
    /// The keys of a list as Nix writes it, `NAME:BASE64` with spaces between. What is no key is left out: cacheprog-remote, which reads the
    /// same list, says what is wrong with it.
    #[must_use]
    pub fn of_list(text: &str) -> Vec<Self> {
        let key = |text: &str| STANDARD.decode_to_vec(text.rsplit_once(':')?.1).ok()?.try_into().ok().map(Self);
        text.split_whitespace().filter_map(key).collect()
    }
}

/// A text that is not the lower-case hex of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the lower-case hex digits of an id")]
pub struct InvalidHex;

/// Lower-case hex of any bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    digits_of(bytes, &mut vec![0; 2 * bytes.len()]).to_owned()
}

/// Writes the digits of `bytes` to `out`, which is twice as long.
fn digits_of<'a>(bytes: &[u8], out: &'a mut [u8]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(out.as_chunks_mut().0) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    str::from_utf8(out).unwrap_or_default() // digits are UTF-8
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], InvalidHex> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(InvalidHex);
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(out)
}

fn nibble(digit: u8) -> Result<u8, InvalidHex> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidHex), // upper case would give one object two names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back() {
        let id = ActionId(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(ActionId::from_base64(&id.to_base64()), Ok(id));
    }

    #[test]
    fn keys_of_a_list_are_read_and_what_is_none_is_left_out() {
        let key = |byte: u8| format!("ci-{byte}:{}", STANDARD.encode_to_string([byte; 32]));
        let text = format!(" {}  {}\nx:AAAA x no:key", key(1), key(2));
        assert_eq!(SigningKey::of_list(&text), [1, 2].map(|byte| SigningKey([byte; 32])));
        assert_eq!(SigningKey::of_list(""), []);
    }

    #[test]
    fn other_lengths_and_digits_are_refused() {
        for text in ["", "00", "../../../../etc/passwd", &"0".repeat(63), &"A".repeat(64), &"é".repeat(32)] {
            assert_eq!(text.parse::<OutputId>(), Err(InvalidHex), "{text}");
        }
        assert_eq!(ActionId::from_base64("AAAA"), Err(RequestError::Id { field: "ActionID", bytes: Some(3) }));
        assert_eq!(OutputId::from_base64("?"), Err(RequestError::Id { field: "OutputID", bytes: None }));
    }
}
