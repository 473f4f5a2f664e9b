//! What a writer adds after a build: which files it refers to again, and which outputs go into new ones.
//!
//! An edit adds one file and refers to those before. A reader fetches from each file, so many small ones are written once more as one; where
//! little of what is referred to is still used, all is.

use std::collections::{HashMap, HashSet};

use proto::{Output, OutputId};

use crate::frames::{FileWriter, Written};
use crate::index::{Entry, File, Frame, Index, Packed};
use crate::limits;
use crate::series::Series;

/// An index that is being made.
#[derive(Debug)]
pub struct Draft {
    index: Index,
    /// What has to be packed into new files, in the order of first use.
    pub new: Vec<Output>,
}

/// Plans the index of these entries, which are in the order of their first use. `previous` is the writer's own for these builds; outputs that
/// one of `others` has are not packed again, nor are those of a file with something that is not here.
#[must_use]
pub fn plan(
    (series, created): (Series, u64),
    previous: Option<&Index>,
    others: &[&Index],
    (wanted, is_here): (Vec<Entry>, impl Fn(&Output) -> bool),
) -> Draft {
    let entries = first_of_each(wanted);
    let mut seen = HashSet::new();
    let outputs: Vec<_> = entries.iter().map(|entry| entry.output).filter(|output| seen.insert(output.id)).collect();
    let mut draft = Draft {
        index: Index { series, created, files: Vec::new(), frames: Vec::new(), outputs: Vec::new(), entries },
        new: Vec::new(),
    };
    let rewritten = previous.map(|previous| rewritten(previous, others, &outputs, &is_here)).unwrap_or_default();
    let previous = previous.map(Source::of);
    let others: Vec<_> = others.iter().copied().map(Source::of).collect();
    let mut numbers = Renumbered::default();
    for output in outputs {
        let stays = |(index, packed): &(&Index, &Packed)| !rewritten.contains(&file(index, packed));
        let previous = || previous.as_ref()?.find(&output).filter(stays);
        match others.iter().find_map(|source| source.find(&output)).or_else(previous) {
            Some((index, packed)) => draft.refer_to(index, packed, &mut numbers),
            None => draft.new.push(output),
        }
    }
    draft
}

impl Draft {
    /// A writer of the next new file; `None` where there is no number left for it.
    #[must_use]
    pub fn writer(&self) -> Option<FileWriter> {
        let file = u16::try_from(self.index.files.len()).ok()?;
        Some(FileWriter::after(file, u32::try_from(self.index.frames.len()).ok()?))
    }

    /// A file of [`Draft::writer`] was put.
    pub fn add(&mut self, written: Written) {
        self.index.files.push(written.file);
        self.index.frames.extend(written.frames);
        self.index.outputs.extend(written.outputs);
    }

    /// The index, with the entries whose outputs are packed.
    #[must_use]
    pub fn finish(self) -> Index {
        let Index { series, created, files, frames, mut outputs, mut entries } = self.index;
        let packed: HashSet<_> = outputs.iter().map(|packed| packed.id).collect();
        entries.retain(|entry| packed.contains(&entry.output.id));
        let mut place = HashMap::new();
        entries.iter().for_each(|entry| {
            let next = place.len();
            place.entry(entry.output.id).or_insert(next);
        });
        outputs.sort_by_key(|packed| place.get(&packed.id).copied().unwrap_or(usize::MAX));
        Index { series, created, files, frames, outputs, entries }
    }

    /// Takes over an output of another index, with its frame and its file.
    fn refer_to(&mut self, from: &Index, packed: &Packed, numbers: &mut Renumbered) {
        let frame = from.frames[packed.frame as usize];
        let file = from.files[usize::from(frame.file)];
        let place = (file.hash, frame.offset);
        let number = *numbers.frames.entry(place).or_insert_with(|| {
            let file = *numbers.files.entry(file.hash).or_insert_with(|| {
                self.index.files.push(file);
                self.index.files.len() - 1
            });
            // Files are fewer than `u16` counts: each index has at most so many, and a draft begins with a few of these.
            let file = u16::try_from(file).unwrap_or(u16::MAX);
            self.index.frames.push(Frame { file, ..frame });
            self.index.frames.len() - 1
        });
        self.index.outputs.push(Packed { frame: u32::try_from(number).unwrap_or(u32::MAX), ..*packed });
    }
}

/// Whether entries and files of two indexes are the same: then no new one is needed.
#[must_use]
pub fn is_same(one: &Index, other: &Index) -> bool {
    let [one_has, other_has] = [one, other].map(|index| index.entries.iter().map(key).collect::<HashSet<_>>());
    one.series == other.series && one_has == other_has
}

/// Files that a rule of the store may remove before half of `period` has passed again, in seconds: a writer that used them puts them once
/// more.
pub fn aged_files(index: &Index, now: u64, period: u64) -> impl Iterator<Item = (usize, &File)> {
    index.files.iter().enumerate().filter(move |(_, file)| now.saturating_sub(file.created) > period / 2)
}

/// Where the outputs of an index are.
struct Source<'a> {
    index: &'a Index,
    outputs: HashMap<OutputId, &'a Packed>,
}

impl<'a> Source<'a> {
    fn of(index: &'a Index) -> Self {
        Self { index, outputs: index.outputs.iter().map(|packed| (packed.id, packed)).collect() }
    }

    fn find(&self, output: &Output) -> Option<(&'a Index, &'a Packed)> {
        Some((self.index, *self.outputs.get(&output.id)?))
    }
}

/// The numbers that files and frames of other indexes have in a draft.
#[derive(Default)]
struct Renumbered {
    files: HashMap<crate::content_hash::ContentHash, usize>,
    frames: HashMap<(crate::content_hash::ContentHash, u32), usize>,
}

/// Each action under each condition once, with its latest use; what is too large is left out.
fn first_of_each(wanted: Vec<Entry>) -> Vec<Entry> {
    let (mut places, mut first) = (HashMap::new(), Vec::<Entry>::new());
    for entry in wanted.into_iter().filter(|entry| entry.output.size <= limits::OUTPUT) {
        let place = *places.entry((entry.action, entry.condition.clone())).or_insert(first.len());
        match first.get_mut(place) {
            Some(earlier) => earlier.time = earlier.time.max(entry.time),
            None => first.push(entry),
        }
    }
    first
}

fn key(entry: &Entry) -> (proto::ActionId, OutputId, Option<&proto::Condition>) {
    (entry.action, entry.output.id, entry.condition.as_ref())
}

/// The files of an index whose outputs are packed once more: all of its own where too much of them is not wanted any more, else the small
/// ones where there are many. Files of `others` stay in any case, and so does one with something wanted that is not here.
fn rewritten(index: &Index, others: &[&Index], wanted: &[Output], is_here: impl Fn(&Output) -> bool) -> HashSet<usize> {
    let of_others: HashSet<_> = others.iter().flat_map(|other| &other.files).map(|file| file.hash).collect();
    let numbered = index.files.iter().enumerate();
    let mut own: HashMap<_, _> = numbered.filter(|(_, file)| !of_others.contains(&file.hash)).collect();
    let is_full = own.len() >= limits::FILES;
    let wanted: HashMap<_, _> = wanted.iter().map(|output| (output.id, output)).collect();
    let used = || index.outputs.iter().filter_map(|packed| Some((packed, *wanted.get(&packed.id)?)));
    for (packed, _) in used().filter(|(_, output)| !is_here(output)) {
        own.remove(&file(index, packed));
    }
    // Compressed sizes are of frames; that of an output is its share of its frame's.
    let share = |packed: &Packed| {
        let Frame { length, raw_length, .. } = index.frames[packed.frame as usize];
        u64::from(packed.size) * u64::from(length) / u64::from(raw_length).max(1)
    };
    let is_own = |packed: &&Packed| own.contains_key(&file(index, packed));
    let in_use: u64 = used().map(|(packed, _)| packed).filter(is_own).map(share).sum();
    let all: u64 = own.values().map(|file| file.size).sum();
    if (is_full && own.len() >= limits::SMALL_FILES) || in_use * 100 < limits::USED_PERCENT * all {
        return own.into_keys().collect();
    }
    own.retain(|_, file| file.size < limits::SMALL_FILE);
    if own.len() >= limits::SMALL_FILES { own.into_keys().collect() } else { HashSet::new() }
}

/// The number of the file that an output is in.
fn file(index: &Index, packed: &Packed) -> usize {
    index.frames[packed.frame as usize].file.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// Writes an index of these bodies after a previous one; returns the new files' outputs too.
    fn write(previous: Option<&Index>, others: &[&Index], bodies: &[&[u8]]) -> (Index, Vec<Output>) {
        let entries = (1..).zip(bodies).map(|(n, body)| fixture::entry(n, body, None)).collect();
        let mut draft = plan((fixture::series("caddy"), 9), previous, others, (entries, |_: &Output| true));
        let new = draft.new.clone();
        if !new.is_empty() {
            let mut writer = draft.writer().unwrap();
            for output in &new {
                let body = bodies.iter().find(|body| fixture::output(body).id == output.id).unwrap();
                writer.add(output.id, body).unwrap();
            }
            draft.add(writer.finish(50).unwrap().0);
        }
        (draft.finish(), new)
    }

    /// It is valid, which reading it back shows.
    fn assert_valid(index: &Index) {
        let trusted = fixture::trusted();
        let read = Index::read(&index.write(&fixture::key()), &index.series, &trusted);
        assert_eq!(read.map(|(read, _)| read).as_ref(), Ok(index));
    }

    fn random(seed: u8, size: usize) -> Vec<u8> {
        let mut state = u64::from(seed) + 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..size).map(|_| next()).collect()
    }

    #[test]
    fn an_edit_adds_one_file_and_refers_to_those_before() {
        let all: Vec<_> = (0..10).map(|n| random(n, 50_000)).collect();
        let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
        let (first, new) = write(None, &[], &all);
        assert_eq!((first.files.len(), new.len(), first.outputs.len()), (1, 10, 10));
        assert_valid(&first);
        let changed = random(77, 50_000);
        let edited: Vec<_> = std::iter::once(changed.as_slice()).chain(all[1..].iter().copied()).collect();
        let (second, new) = write(Some(&first), &[], &edited);
        assert_eq!(new, [fixture::output(&changed)]);
        assert_eq!((second.files.len(), second.files[0]), (2, first.files[0]));
        assert_eq!(second.outputs[0].id, fixture::output(&changed).id, "in the order of first use");
        assert_valid(&second);
        let (third, new) = write(Some(&second), &[], &edited);
        assert!(new.is_empty() && is_same(&second, &third) && !is_same(&first, &third));
        assert_valid(&third);
    }

    #[test]
    fn what_is_little_used_is_written_anew() {
        let all: Vec<_> = (0..10).map(|n| random(n, 50_000)).collect();
        let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
        let (first, _) = write(None, &[], &all);
        let (most, new) = write(Some(&first), &[], &all[..6]);
        assert_eq!((most.files.as_slice(), new.len()), (first.files.as_slice(), 0));
        let (few, new) = write(Some(&first), &[], &all[..4]);
        assert_eq!((few.files.len(), new.len()), (1, 4));
        assert_ne!(few.files, first.files);
        assert_valid(&few);
        let many = Index { files: vec![first.files[0]; limits::FILES], ..first };
        assert_eq!(write(Some(&many), &[], &all).1.len(), 10);
    }

    #[test]
    fn many_edits_leave_few_files() {
        let mut all: Vec<_> = (0..10).map(|n| random(n, 50_000)).collect();
        let mut index = write(None, &[], &all.iter().map(Vec::as_slice).collect::<Vec<_>>()).0;
        for edit in 0..10 {
            all[edit] = random(100 + u8::try_from(edit).unwrap(), 50_000);
            let edited: Vec<_> = all.iter().map(Vec::as_slice).collect();
            let new;
            (index, new) = write(Some(&index), &[], &edited);
            assert!(index.files.len() <= limits::SMALL_FILES, "after edit {edit}: {}", index.files.len());
            assert!(new.len() == 1 || index.files.len() == 1, "what stays is referred to");
            assert_valid(&index);
        }
    }

    #[test]
    fn files_with_something_that_is_not_here_stay_and_the_others_are_written_once() {
        let all: Vec<_> = (0..13).map(|n| random(n, 50_000)).collect();
        let all: Vec<_> = all.iter().map(Vec::as_slice).collect();
        let plan_without = |previous: &Index, bodies: &[&[u8]], elsewhere: &[u8]| {
            let entries = (1..).zip(bodies).map(|(n, body)| fixture::entry(n, body, None)).collect();
            let is_here = |output: &Output| *output != fixture::output(elsewhere);
            plan((fixture::series("caddy"), 9), Some(previous), &[], (entries, is_here))
        };
        let (mut index, _) = write(None, &[], &all[..10]);
        let draft = plan_without(&index, &all[..3], all[1]);
        assert!(draft.new.is_empty(), "little is used of the file, and it stays all the same");
        let few = draft.finish();
        assert_eq!((few.entries.len(), few.files.len()), (3, 1));
        assert_valid(&few);
        for count in 11..=13 {
            index = write(Some(&index), &[], &all[..count]).0;
        }
        assert_eq!(index.files.len(), limits::SMALL_FILES);
        let draft = plan_without(&index, &all, all[0]);
        assert!(draft.new.is_empty(), "three small files can go, and three are not many");
        assert_eq!(draft.finish().files, index.files);
    }

    #[test]
    fn what_the_standard_library_has_is_not_packed_again() {
        let (std, own) = (random(1, 90_000), random(2, 90_000));
        let library = fixture::index("std", &[(&std, None)]);
        let (index, new) = write(None, &[&library], &[&own, &std]);
        assert_eq!(new, [fixture::output(&own)]);
        assert_eq!(index.files.len(), 2);
        assert!(index.files.contains(&library.files[0]));
        assert_valid(&index);
    }

    #[test]
    fn an_entry_whose_output_went_meanwhile_is_left_out_and_none_is_there_twice() {
        let entry = |n| fixture::entry(n, b"body", None);
        let draft =
            plan((fixture::series("caddy"), 9), None, &[], (vec![entry(1), entry(1), entry(2)], |_: &Output| true));
        assert_eq!(draft.new.len(), 1);
        let mut index = draft.finish();
        assert_eq!(index.entries, []);
        let mut draft =
            plan((fixture::series("caddy"), 9), None, &[], (vec![entry(1), entry(1), entry(2)], |_: &Output| true));
        let mut writer = draft.writer().unwrap();
        writer.add(draft.new[0].id, b"body").unwrap();
        draft.add(writer.finish(1).unwrap().0);
        index = draft.finish();
        assert_eq!(index.entries, [entry(1), entry(2)]);
        let later = Entry { time: entry(1).time + 1, ..entry(1) };
        assert_eq!(first_of_each(vec![entry(1), later.clone(), entry(1)]), [later]);
    }

    #[test]
    fn a_file_is_put_again_after_half_the_time() {
        let index = fixture::index("caddy", &[(b"one", None)]);
        let aged = |now| aged_files(&index, now, 100).count();
        assert_eq!([aged(77), aged(127), aged(128), aged(0)], [0, 0, 1, 0]);
    }
}
