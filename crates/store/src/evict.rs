//! Which entries go, and why: pure. survey.rs looks, this decides, sweep.rs removes.
//!
//! What was not used for longest goes first, and of that what is cheap to make: an entry counts as less old, up to a fourth, the
//! more milliseconds of work it holds for each KiB it takes. Entries that only save a stat of files (Go's module indexes) go
//! before all others.

use std::cmp::Reverse;
use std::time::Duration;

use crate::survey::{Entry, Place, Survey};
use crate::tally::{RECORD, on_disk};

/// What a store is kept within.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on the disk (as [`crate::Census::bytes`]) above which entries go, down to nine tenths of it. `None`: any number.
    pub max_size: Option<u64>,
    /// Entries unused for longer go. `None`: none for their age.
    pub max_age: Option<Duration>,
    /// Bytes to free whatever the size, as the disk has too little free space.
    pub free: u64,
    /// Files to remove whatever the size, as the disk has too few free inodes.
    pub free_files: u64,
    /// Entries used within this time stay, whatever the limits: their paths may have been told.
    pub spare: Duration,
}

/// Why something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// An object that no entry names: left by a crash, or its entry has another output now.
    Unnamed,
    /// A file that was never published: its writer was killed.
    Unfinished,
    /// An entry that cannot be read, or whose object is gone.
    Broken,
    /// Unused for longer than the age limit.
    Age,
    /// The store is larger than its limit.
    Size,
    /// The disk has too little free space, or too few free inodes.
    Space,
}

/// Of ten parts of the size limit, how many are filled after an eviction: so that the next one is not due at once.
const FILLED_AFTER: u64 = 9;

/// Entries of any store: what a survey of them takes, some 300 MB, a machine that builds Go has.
const MOST_ENTRIES: u64 = 4_000_000;

/// An object younger than this may be about to get its entry.
pub(crate) const GRACE: Duration = Duration::from_secs(600);

/// An entry that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doomed {
    pub(crate) place: Place,
    pub(crate) reason: Reason,
}

/// Decides. `now` is in seconds since 1970. The result is in the order of the survey.
pub(crate) fn plan(survey: &Survey, limits: &Limits, now: u64) -> Vec<Doomed> {
    let (files, freed) = survey.unnamed_files(now, limits.spare);
    let mut plan = Plan { survey, users: survey.users(), doomed: Vec::new(), freed, files };
    let mut stays: Vec<(u64, Place)> = Vec::new();
    for (place, entry) in survey.places() {
        if !survey.has_object(entry) {
            plan.doom(place, entry, Reason::Broken);
        } else if limits.max_age.is_some_and(|most| entry.age(now) > most.as_secs()) {
            plan.doom(place, entry, Reason::Age);
        } else if entry.age(now) >= limits.spare.as_secs() {
            stays.push((staleness(entry, survey.bytes(entry), now), place));
        }
    }
    let excess = limits
        .max_size
        .filter(|&most| survey.census.bytes > most)
        .map_or(0, |most| survey.census.bytes - most / 10 * FILLED_AFTER);
    let too_many = match survey.census.entries {
        0..=MOST_ENTRIES => 0,
        entries => entries - MOST_ENTRIES / 10 * FILLED_AFTER,
    };
    if plan.freed < excess.max(limits.free) || plan.files < limits.free_files || too_many > 0 {
        stays.sort_unstable_by_key(|&(staleness, place)| (Reverse(staleness), place));
        for (_, place) in stays {
            let reason = match plan.freed {
                freed if freed < excess || (plan.doomed.len() as u64) < too_many => Reason::Size,
                freed if freed < limits.free || plan.files < limits.free_files => Reason::Space,
                _ => break,
            };
            plan.doom(place, survey.entry(place), reason);
        }
    }
    plan.doomed.sort_unstable_by_key(|doomed| doomed.place);
    plan.doomed
}

struct Plan<'a> {
    survey: &'a Survey,
    /// Of each object, the entries that have it and stay.
    users: Vec<u32>,
    doomed: Vec<Doomed>,
    freed: u64,
    files: u64,
}

impl Plan<'_> {
    fn doom(&mut self, place: Place, entry: &Entry, reason: Reason) {
        self.freed += RECORD;
        self.files += 1;
        for output in self.survey.outputs(entry) {
            if let Some(object) = self.survey.object_of(output) {
                self.users[object] -= 1;
                if self.users[object] == 0 {
                    self.freed += on_disk(output.size);
                    self.files += 1;
                }
            }
        }
        self.doomed.push(Doomed { place, reason });
    }
}

/// What goes first has the highest: seconds since the last use in twelfths, less where much work would have to be done again.
fn staleness(entry: &Entry, bytes: u64, now: u64) -> u64 {
    const FIRST_OF_ALL: u64 = 1 << 62;
    let work = u64::from(entry.cost_ms) / (bytes / 1024);
    let weight = 1 + u64::from((1 + work).ilog2()).min(3);
    entry.age(now) * 12 / weight + if entry.is_junk { FIRST_OF_ALL } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::{Output, Shelf};
    use std::num::NonZeroU32;

    use proptest::prelude::*;
    use proto::ActionId;

    const NOW: u64 = 1_000_000;

    fn entry(n: u8, output: u64, size: u64, age: u32) -> Entry {
        let used = u32::try_from(NOW).unwrap() - age;
        let output = Output { key: output, size };
        Entry { action: ActionId([n; 32]), output, others: None, used, cost_ms: 0, is_junk: false, was_ahead: false }
    }

    fn survey(entries: Vec<Entry>) -> Survey {
        survey_with(entries, Vec::new())
    }

    fn survey_with(entries: Vec<Entry>, others: Vec<Vec<Output>>) -> Survey {
        let all = entries.clone();
        let mut survey = Survey::default();
        survey.others = others;
        survey.shelves.push(Shelf { dir: "/s".into(), entries });
        survey.index_outputs();
        for entry in &all {
            for output in survey.outputs(entry).collect::<Vec<_>>() {
                assert!(survey.found(output.key));
            }
        }
        survey.count();
        survey
    }

    fn gone(survey: &Survey, limits: &Limits) -> Vec<(u32, Reason)> {
        plan(survey, limits, NOW).iter().map(|d| (d.place.entry, d.reason)).collect()
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_least_recently_used_go_until_nine_tenths_are_left() {
        let survey = survey((0..10).map(|n| entry(n, u64::from(n), MIB, 100 * u32::from(n))).collect());
        assert_eq!(gone(&survey, &Limits { max_size: Some(11 * MIB), ..Limits::default() }), []);
        // Ten entries take 10 MiB and ten blocks: 9.5 MiB are too few for them, 8.55 are left.
        let limits = Limits { max_size: Some(19 * MIB / 2), ..Limits::default() };
        assert_eq!(gone(&survey, &limits), [(8, Reason::Size), (9, Reason::Size)]);
        let limits = Limits { free: 1, ..Limits::default() };
        assert_eq!(gone(&survey, &limits), [(9, Reason::Space)]);
    }

    #[test]
    fn age_is_by_last_use_and_what_is_broken_goes_anyway() {
        let mut survey = survey(vec![entry(1, 1, 5, 99), entry(2, 2, 5, 101), entry(3, 3, 5, 0)]);
        survey.lose(3);
        let limits = Limits { max_age: Some(Duration::from_secs(100)), ..Limits::default() };
        assert_eq!(gone(&survey, &limits), [(1, Reason::Age), (2, Reason::Broken)]);
    }

    #[test]
    fn what_was_used_just_now_is_spared() {
        let survey = survey(vec![entry(1, 1, MIB, 50), entry(2, 2, MIB, 150)]);
        let limits = Limits { free: u64::MAX, spare: Duration::from_secs(100), ..Limits::default() };
        assert_eq!(gone(&survey, &limits), [(1, Reason::Space)]);
    }

    #[test]
    fn an_object_frees_space_with_its_last_entry() {
        let survey = survey(vec![entry(1, 7, MIB, 300), entry(2, 7, MIB, 200), entry(3, 8, MIB, 100)]);
        let limits = Limits { free: MIB, ..Limits::default() };
        assert_eq!(gone(&survey, &limits), [(0, Reason::Space), (1, Reason::Space)]);
    }

    #[test]
    fn an_entry_with_several_outputs_goes_as_a_whole_and_is_broken_without_all_of_them() {
        let others = [2, 3, 5].map(|key| vec![Output { key, size: MIB }]).to_vec();
        let several =
            |n: u8, first, age| Entry { others: NonZeroU32::new(u32::from(n) + 1), ..entry(n, first, MIB, age) };
        let mut survey = survey_with(vec![several(0, 1, 300), several(1, 2, 200), several(2, 4, 100)], others);
        // Of the first one an object frees its space, of both three.
        let limits = Limits { free: 2 * MIB, ..Limits::default() };
        assert_eq!(gone(&survey, &limits), [(0, Reason::Space), (1, Reason::Space)]);
        survey.lose(4);
        assert_eq!(gone(&survey, &Limits::default()), []);
        survey.lose(5);
        assert_eq!(gone(&survey, &Limits::default()), [(2, Reason::Broken)]);
    }

    #[test]
    fn files_are_freed_as_bytes_are() {
        let survey = survey(vec![entry(1, 7, MIB, 300), entry(2, 7, MIB, 200), entry(3, 8, MIB, 100)]);
        let files = |free_files| gone(&survey, &Limits { free_files, ..Limits::default() });
        assert_eq!(files(0), []);
        assert_eq!(files(1), [(0, Reason::Space)]);
        // Its record, and with the second one the object that both have.
        assert_eq!(files(2), [(0, Reason::Space), (1, Reason::Space)]);
        assert_eq!(files(3), [(0, Reason::Space), (1, Reason::Space)]);
        assert_eq!(files(4).len(), 3);
    }

    #[test]
    fn work_counts_and_junk_goes_first() {
        let costly = Entry { cost_ms: 8 * 1028, ..entry(1, 1, MIB, 300) };
        let cheap = entry(2, 2, MIB, 100);
        let junk = Entry { is_junk: true, ..entry(3, 3, 100, 0) };
        let survey = survey(vec![costly, cheap, junk]);
        assert_eq!(gone(&survey, &Limits { free: 1, ..Limits::default() }), [(2, Reason::Space)]);
        let limits = Limits { free: MIB, ..Limits::default() };
        assert_eq!(gone(&survey, &limits), [(1, Reason::Space), (2, Reason::Space)]);
    }

    proptest! {
        #[test]
        fn enough_goes_and_no_object_that_a_staying_entry_has(
            raw in prop::collection::vec(
                (prop::collection::vec(0u64..20, 1..4), 0u32..10_000, 0u32..10_000, any::<bool>()),
                1..60,
            ),
            max in 0u64..1 << 22,
            free in 0u64..1 << 20,
        ) {
            let output = |&key: &u64| Output { key, size: key * 7000 };
            let others = raw.iter().map(|(outputs, ..)| outputs[1..].iter().map(output).collect()).collect();
            let entries: Vec<_> = (0..).zip(&raw).map(|(n, (outputs, age, cost_ms, is_junk))| {
                let first = entry(n, outputs[0], outputs[0] * 7000, *age);
                Entry { cost_ms: *cost_ms, is_junk: *is_junk, others: NonZeroU32::new(u32::from(n) + 1), ..first }
            }).collect();
            let survey = survey_with(entries.clone(), others);
            let limits = Limits { max_size: Some(max), free, ..Limits::default() };
            let doomed: Vec<_> = plan(&survey, &limits, NOW).iter().map(|d| d.place.entry as usize).collect();
            let freed = |doomed: &[usize]| {
                let keys = |n: usize| survey.outputs(&entries[n]).map(|output| output.key).collect::<Vec<_>>();
                let stays = |key| (0..entries.len()).any(|n| !doomed.contains(&n) && keys(n).contains(&key));
                let gone: std::collections::BTreeSet<_> =
                    doomed.iter().flat_map(|&n| keys(n)).filter(|&key| !stays(key)).collect();
                doomed.len() as u64 * RECORD + gone.iter().map(|key| on_disk(key * 7000)).sum::<u64>()
            };
            let all = survey.census.bytes;
            let enough = |doomed: &[usize]| {
                let freed = freed(doomed);
                freed >= free && (all <= max || all - freed <= max / 10 * 9)
            };
            prop_assert!(enough(&doomed) || doomed.len() == entries.len());
            // No more than what it takes, and nothing before what is staler.
            let rank = |n: usize| (staleness(&entries[n], survey.bytes(&entries[n]), NOW), Reverse(n));
            if let Some(&last) = doomed.iter().min_by_key(|&&n| rank(n)) {
                let without: Vec<_> = doomed.iter().copied().filter(|&n| n != last).collect();
                prop_assert!(!enough(&without), "{} could have stayed", last);
                let staler = (0..entries.len()).find(|n| !doomed.contains(n) && rank(*n) > rank(last));
                prop_assert_eq!(staler, None);
            }
        }
    }
}
