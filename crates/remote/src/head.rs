//! A head: which index a writer has for builds of one name now. Text, signed, with a counter and a time at which it expires.
//!
//! ```text
//! nix-gocacheprog head 1
//! partition common
//! toolchain 0123456789abcdef0123456789abcdef
//! name caddy
//! counter 1764200000123
//! created 1764200000
//! expires 1771976000
//! index <sha256 in hex>
//! signature <name of the key>:<base64>
//! ```
//!
//! Who can write to the store can put an older head back. A reader keeps the counter of each head and takes none that is lower; after
//! `expires` a head counts for nothing. The signature is over all lines before it.

use std::fmt::Write;

use base64_simd::STANDARD;

use crate::content_hash::ContentHash;
use crate::keys::{PublicKey, SIGNATURE, SecretKey, TrustedKeys};
use crate::limits;
use crate::series::{InvalidSeries, Series};

/// Counters are milliseconds since 1970, or a little more. Seconds by which clocks may differ.
const DAY: u64 = 24 * 3600;

const FIRST_LINE: &str = "nix-gocacheprog head 1";

/// A head as its writer made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Of which builds it is.
    pub series: Series,
    /// Higher than in each head that its writer signed before for these builds.
    pub counter: u64,
    /// When it was signed, in seconds since 1970.
    pub created: u64,
    /// From when on it counts for nothing, in seconds since 1970.
    pub expires: u64,
    /// The index.
    pub index: ContentHash,
}

/// Why a head is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// It is longer than a head can be.
    #[error("it has more than {} bytes", limits::HEAD)]
    TooLarge,
    /// It is something else, or of a newer version.
    #[error("it is no head of version 1")]
    Format,
    /// No key of the settings made its signature.
    #[error("its signature is by no trusted key (--trusted-public-keys)")]
    Untrusted,
    /// It is a good head of other builds: who can write to the store copied it.
    #[error("it is the head of {0}, at another name")]
    OtherBuilds(Series),
    /// What it is of is no such thing.
    #[error(transparent)]
    Series(#[from] InvalidSeries),
    /// It is over.
    #[error("it expired: no writer has signed a newer one since")]
    Expired,
    /// Its counter is of a later day: if it were taken, no other would be for that long.
    #[error("its counter is ahead of the clock: is the clock of the writer right, and that of this machine?")]
    Ahead,
    /// A newer one was seen.
    #[error(
        "it is older than the one that was read before (counter {counter}, {seen} was seen): the store gives back an old head"
    )]
    Older {
        /// Its counter.
        counter: u64,
        /// The highest that was seen.
        seen: u64,
    },
}

impl Head {
    /// The head as a file, signed.
    #[must_use]
    pub fn write(&self, key: &SecretKey) -> String {
        Self::signed(self.unsigned(), key)
    }

    pub(crate) fn signed(mut text: String, key: &SecretKey) -> String {
        let signature = STANDARD.encode_to_string(key.sign(text.as_bytes()));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "signature {}:{signature}", key.name());
        text
    }

    fn unsigned(&self) -> String {
        let Self { series: Series { partition, toolchain, name }, counter, created, expires, index } = self;
        let index = index.hex();
        format!(
            "{FIRST_LINE}\npartition {partition}\ntoolchain {toolchain}\nname {name}\ncounter {counter}\ncreated {created}\nexpires {expires}\nindex {index}\n"
        )
    }

    /// Reads the head of these builds. `now` is in seconds since 1970; `seen` is the highest counter that was read of this key's head.
    ///
    /// # Errors
    /// A [`HeadError`] where it is not to be used.
    pub fn read<'a>(
        bytes: &[u8],
        series: &Series,
        trusted: &'a TrustedKeys,
        now: u64,
        seen: impl FnOnce(&PublicKey) -> u64,
    ) -> Result<(Self, &'a PublicKey), HeadError> {
        if bytes.len() > limits::HEAD {
            return Err(HeadError::TooLarge);
        }
        let text = str::from_utf8(bytes).map_err(|_| HeadError::Format)?;
        let (signed, signature) = split_signature(text).ok_or(HeadError::Format)?;
        let (name, signature) = signature;
        let key = trusted.signer(name, signed.as_bytes(), &signature).ok_or(HeadError::Untrusted)?;
        let head = Self::parse(signed)?;
        if head.series != *series {
            return Err(HeadError::OtherBuilds(head.series));
        }
        if head.expires <= now {
            return Err(HeadError::Expired);
        }
        if is_ahead(head.counter, now) {
            return Err(HeadError::Ahead);
        }
        // One from the time when this machine's clock was wrong says nothing.
        let (counter, seen) = (head.counter, Some(seen(key)).filter(|seen| !is_ahead(*seen, now)).unwrap_or(0));
        if counter < seen { Err(HeadError::Older { counter, seen }) } else { Ok((head, key)) }
    }

    /// The counter of the head that is signed now, after these. Those that were signed when a clock was wrong count for nothing: no reader
    /// takes them.
    #[must_use]
    pub fn next_counter(now: u64, before: &[u64]) -> u64 {
        let last = before.iter().copied().filter(|counter| !is_ahead(*counter, now)).max();
        last.unwrap_or(0).saturating_add(1).max(now.saturating_mul(1000))
    }

    fn parse(text: &str) -> Result<Self, HeadError> {
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(HeadError::Format);
        }
        let mut value = |name: &str| {
            let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.ok_or(HeadError::Format)
        };
        let series = Series::new(value("partition")?, value("toolchain")?, value("name")?)?;
        let mut number = |name| value(name)?.parse().map_err(|_| HeadError::Format);
        let (counter, created, expires) = (number("counter")?, number("created")?, number("expires")?);
        let index = hash(value("index")?).ok_or(HeadError::Format)?;
        let head = Self { series, counter, created, expires, index };
        // Whatever else a signed text may have, it is not this head.
        if head.unsigned() == text { Ok(head) } else { Err(HeadError::Format) }
    }
}

/// Whether a counter is of a later day than the clock's.
fn is_ahead(counter: u64, now: u64) -> bool {
    counter > now.saturating_add(DAY).saturating_mul(1000)
}

fn split_signature(text: &str) -> Option<(&str, (&str, [u8; SIGNATURE]))> {
    let (signed, line) = text.split_at(text.trim_end_matches('\n').rfind('\n')? + 1);
    let (name, base64) = line.strip_prefix("signature ")?.strip_suffix('\n')?.split_once(':')?;
    let signature = STANDARD.decode_to_vec(base64).ok()?.as_slice().try_into().ok()?;
    Some((signed, (name, signature)))
}

fn hash(hex: &str) -> Option<ContentHash> {
    // Of the ids in proto this one has the same form.
    hex.parse::<proto::OutputId>().ok().map(|id| ContentHash(id.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn head() -> Head {
        Head { series: fixture::series("caddy"), counter: 7, created: 100, expires: 200, index: ContentHash([9; 32]) }
    }

    fn read(text: &str, series: &Series, now: u64, seen: u64) -> Result<Head, HeadError> {
        Head::read(text.as_bytes(), series, &fixture::trusted(), now, |_| seen).map(|(head, _)| head)
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let text = head().write(&fixture::key());
        assert_eq!(read(&text, &head().series, 150, 0), Ok(head()));
        assert_eq!(read(&text, &head().series, 150, 7), Ok(head()), "the same one again");
    }

    #[test]
    fn a_head_by_another_key_of_another_name_expired_or_older_is_not_used() {
        let text = head().write(&fixture::key());
        assert_eq!(read(&head().write(&fixture::other_key()), &head().series, 150, 0), Err(HeadError::Untrusted));
        for series in ["other", "caddy2"].map(fixture::series) {
            assert_eq!(read(&text, &series, 150, 0), Err(HeadError::OtherBuilds(head().series)));
        }
        let partition = Series { partition: "user-7".to_owned(), ..head().series };
        assert_eq!(read(&text, &partition, 150, 0), Err(HeadError::OtherBuilds(head().series)));
        assert_eq!(read(&text, &head().series, 200, 0), Err(HeadError::Expired));
        let ahead = Head { counter: (150 + DAY) * 1000 + 1, ..head() }.write(&fixture::key());
        assert_eq!(read(&ahead, &head().series, 150, 0), Err(HeadError::Ahead));
        assert_eq!(read(&text, &head().series, 150, 8), Err(HeadError::Older { counter: 7, seen: 8 }));
    }

    #[test]
    fn a_clock_that_was_wrong_once_stops_neither_writers_nor_readers() {
        let ahead = (150 + DAY) * 1000 + 1;
        assert_eq!(Head::next_counter(150, &[0, 0]), 150_000);
        assert_eq!(Head::next_counter(150, &[150_007, 3]), 150_008);
        assert_eq!(Head::next_counter(150, &[ahead, 7]), 150_000);
        let text = Head { counter: 150_000, ..head() }.write(&fixture::key());
        assert!(read(&text, &head().series, 150, ahead).is_ok(), "seen when this clock was wrong");
    }

    #[test]
    fn a_changed_byte_is_found() {
        let text = head().write(&fixture::key());
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Head::read(&bytes, &head().series, &fixture::trusted(), 150, |_| 0).is_err(), "{at}");
        }
        for cut in 0..text.len() {
            assert!(read(&text[..cut], &head().series, 150, 0).is_err());
        }
        assert_eq!(read(&"x".repeat(5000), &head().series, 150, 0), Err(HeadError::TooLarge));
    }

    #[test]
    fn a_signed_text_that_is_no_head_is_none() {
        let sign = |text: String| Head::signed(text, &fixture::key());
        let good = head().unsigned();
        assert!(read(&sign(good.clone()), &head().series, 150, 0).is_ok());
        for bad in [
            good.replace("head 1", "head 2"),
            good.replace("counter 7", "counter 07"),
            good.replace("counter 7", "counter x"),
            good.replace("created", "made"),
            format!("{good}more 1\n"),
        ] {
            assert_eq!(read(&sign(bad.clone()), &head().series, 150, 0), Err(HeadError::Format), "{bad}");
        }
        assert!(matches!(
            read(&sign(good.replace("common", "../x")), &head().series, 150, 0),
            Err(HeadError::Series(_))
        ));
    }
}
