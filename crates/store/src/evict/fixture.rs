//! Scans made by hand, for tests.

use proto::ActionId;

use crate::evict::scan::{CompactOutput, Entry, Scan, Shard};
use crate::format::namespace::Partition;

pub(super) const NOW: u64 = 1_000_000;

pub(super) const MIB: u64 = 1 << 20;

pub(super) fn entry(n: u8, output: u64, size: u64, age: u32) -> Entry {
    Entry {
        action: ActionId([n; 32]),
        output: CompactOutput { key: output, size },
        others: None,
        used: u32::try_from(NOW).unwrap() - age,
        cost_ms: 0,
        is_low_priority: false,
        was_ahead: false,
    }
}

pub(super) fn scan(entries: Vec<Entry>) -> Scan {
    scan_with(entries, Vec::new())
}

pub(super) fn scan_with(entries: Vec<Entry>, others: Vec<Vec<CompactOutput>>) -> Scan {
    scan_of(vec![(Partition::Common, entries)], others)
}

/// One directory of records for each partition. All objects are there.
pub(super) fn scan_of(partitions: Vec<(Partition, Vec<Entry>)>, others: Vec<Vec<CompactOutput>>) -> Scan {
    let mut scan = Scan::default();
    scan.others = others;
    for (partition, entries) in partitions {
        scan.shards.push(Shard { dir: "/s".into(), partition, entries });
    }
    scan.index_outputs();
    let all: Vec<_> = scan.indexed_entries().flat_map(|(_, entry)| scan.outputs(entry)).collect();
    assert!(all.iter().all(|output| scan.mark_present(output.key, false)));
    scan.count();
    scan
}
