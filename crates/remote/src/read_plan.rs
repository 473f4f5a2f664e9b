//! What a reader fetches: the frames with outputs that it does not have, in few requests, in the order in which the build uses them.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::index::{Index, Packed};
use crate::limits;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The number of the file.
    pub file: u16,
    /// The bytes of it.
    pub range: Range<u64>,
    /// The numbers of the wanted frames in it, in the order in which they are there.
    pub frames: Vec<u32>,
}

/// The requests for all outputs that are wanted. Frames that are near each other in a file are fetched with one.
pub fn fetches(index: &Index, mut is_wanted: impl FnMut(&Packed) -> bool) -> Vec<Fetch> {
    let (mut seen, mut first_use) = (HashSet::new(), Vec::new());
    for packed in index.outputs.iter().filter(|packed| is_wanted(packed)) {
        if seen.insert(packed.frame) {
            first_use.push(packed.frame);
        }
    }
    let mut by_place = first_use.clone();
    by_place.sort_by_key(|&frame| (index.frames[frame as usize].file, index.frames[frame as usize].offset));
    let mut fetches: Vec<Fetch> = Vec::new();
    for number in by_place {
        let frame = &index.frames[number as usize];
        let range = u64::from(frame.offset)..u64::from(frame.offset) + u64::from(frame.length);
        match fetches.last_mut() {
            Some(last) if last.file == frame.file && joins(&last.range, &range) => {
                last.range.end = last.range.end.max(range.end);
                last.frames.push(number);
            }
            _ => fetches.push(Fetch { file: frame.file, range, frames: vec![number] }),
        }
    }
    let places: HashMap<_, _> = first_use.iter().enumerate().map(|(place, frame)| (*frame, place)).collect();
    let place = |frame: &u32| places.get(frame);
    fetches.sort_by_cached_key(|fetch| fetch.frames.iter().filter_map(place).min().copied());
    fetches
}

/// Whether a range is fetched together with the one before it.
fn joins(before: &Range<u64>, next: &Range<u64>) -> bool {
    next.start <= before.end + limits::GAP && next.end.saturating_sub(before.start) <= limits::FETCH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content_hash::ContentHash;
    use crate::index::{File, Frame};
    use proptest::prelude::*;
    use proto::OutputId;

    /// An index with frames of these lengths in files of four frames, each with one output.
    fn index(lengths: &[u32]) -> Index {
        let mut index = crate::fixture::index("x", &[]);
        index.files.clear();
        for (number, &length) in lengths.iter().enumerate() {
            let offset = match index.frames.last().filter(|_| number % 4 != 0) {
                Some(last) => last.offset + last.length,
                None => {
                    index.files.push(File { hash: ContentHash([0; 32]), size: 1 << 26, created: 0 });
                    0
                }
            };
            let file = u16::try_from(index.files.len() - 1).unwrap();
            index.frames.push(Frame { file, offset, length, raw_length: 1, hash: ContentHash([0; 32]) });
            let (id, frame) = (OutputId([u8::try_from(number).unwrap(); 32]), u32::try_from(number).unwrap());
            index.outputs.push(Packed { id, size: 1, frame, offset: 0 });
        }
        index
    }

    #[test]
    fn near_frames_are_fetched_at_once_and_far_ones_are_not() {
        let mib = 1 << 20;
        let index = index(&[mib, mib, mib, mib, mib, 14 * mib, 2 * mib, mib]);
        let all = fetches(&index, |_| true);
        let frames: Vec<_> = all.iter().map(|fetch| fetch.frames.clone()).collect();
        assert_eq!(frames, [vec![0, 1, 2, 3], vec![4, 5], vec![6, 7]], "at most 16 MiB at once");
        assert_eq!(all[0].range, 0..4 * u64::from(mib));
        let some = fetches(&index, |packed| packed.id.0[0] % 3 == 0);
        assert_eq!(some.iter().map(|fetch| fetch.frames.clone()).collect::<Vec<_>>(), [[0], [3], [6]]);
        assert!(fetches(&index, |_| false).is_empty());
        let near = self::index(&[mib, 500_000, mib]);
        assert_eq!(fetches(&near, |packed| packed.id.0[0] != 1).len(), 1, "a small gap is fetched too");
    }

    #[test]
    fn what_is_used_first_is_fetched_first() {
        let mut index = index(&[1; 8]);
        index.outputs.rotate_left(4);
        let files: Vec<_> = fetches(&index, |_| true).iter().map(|fetch| fetch.file).collect();
        assert_eq!(files, [1, 0]);
    }

    proptest! {
        #[test]
        fn each_wanted_frame_is_in_one_fetch(lengths in prop::collection::vec(0u32..20_000_000, 0..40), wanted in any::<u64>()) {
            let index = index(&lengths);
            let is_wanted = |packed: &Packed| wanted >> packed.id.0[0] & 1 == 1;
            let mut found = Vec::new();
            for fetch in fetches(&index, is_wanted) {
                for &number in &fetch.frames {
                    let frame = &index.frames[number as usize];
                    prop_assert_eq!(frame.file, fetch.file);
                    prop_assert!(fetch.range.start <= u64::from(frame.offset));
                    prop_assert!(u64::from(frame.offset) + u64::from(frame.length) <= fetch.range.end);
                    found.push(number);
                }
            }
            found.sort_unstable();
            let expected: Vec<_> = index.outputs.iter().filter(|packed| is_wanted(packed)).map(|packed| packed.frame).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
