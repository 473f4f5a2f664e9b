//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer.
//!
//! A reader verifies signatures and hashes first. A fuzzer cannot make these, so each check signs its input itself: what a trusted key
//! signed must not do harm either.

use crate::content_hash::ContentHash;
use crate::head::Head;
use crate::index::{Frame, Index};
use crate::keys::{SecretKey, TrustedKeys};
use crate::limits;
use crate::read_plan::fetches;
use crate::series::Series;

/// An index: each reference leads to something, what is fetched lies in its file, and it is written back as it was read.
pub fn index(bytes: &[u8]) {
    let Some((key, series)) = signer() else { return };
    let trusted = TrustedKeys::new(vec![key.public()]);
    drop(Index::read(bytes, &series, &trusted));
    let Ok((index, _)) = Index::read(&Index::signed(bytes, &key), &series, &trusted) else { return };
    for fetch in fetches(&index, |_| true) {
        assert!(fetch.range.end <= index.files[usize::from(fetch.file)].size && !fetch.frames.is_empty());
    }
    let again = Index::read(&index.write(&key), &series, &trusted).map(|(again, _)| again);
    assert_eq!(again.map(|again| (again.outputs, again.entries)), Ok((index.outputs, index.entries)));
}

/// A head: it is written as it was read.
pub fn head(bytes: &[u8]) {
    let Some((key, series)) = signer() else { return };
    let trusted = TrustedKeys::new(vec![key.public()]);
    drop(Head::read(bytes, &series, &trusted, 0, |_| 0));
    let Ok(text) = str::from_utf8(bytes) else { return };
    let signed = Head::signed(text.to_owned(), &key);
    if let Ok((head, _)) = Head::read(signed.as_bytes(), &series, &trusted, 0, |_| 0) {
        assert_eq!(head.write(&key), signed);
    }
}

/// A frame, whose bytes are what the index names: it has the length that the index says, or is none.
pub fn frame(bytes: &[u8]) {
    let Some((length, frame)) = bytes.split_first_chunk() else { return };
    let raw_length = u32::from(u16::from_le_bytes(*length));
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let named = Frame { file: 0, offset: 0, length, raw_length, hash: ContentHash::of(frame) };
    if let Ok(raw) = named.unpack(frame) {
        assert!(raw.len() as u64 == u64::from(raw_length) && u64::from(raw_length) <= limits::OUTPUT);
    }
}

fn signer() -> Option<(SecretKey, Series)> {
    let key = SecretKey::from_seed("fuzz-1", &[5; 32]).ok()?;
    Some((key, Series::new("common", &"0123456789abcdef".repeat(2), "caddy").ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::check_seeds;

    #[test]
    fn the_seeds_of_the_fuzz_targets_are_read() {
        check_seeds("remote_index", index);
        check_seeds("remote_index", head);
        check_seeds("remote_index", frame);
    }
}
