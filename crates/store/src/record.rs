//! The record of an action: one line of text, the only place that knows its format.
//!
//! ```text
//! 1 c <output id> <size> <seconds>.<nanoseconds of the put> <cost, ms> <build id or -> <checksum>
//! ```
//!
//! The second field is the kind (`c` content, `l` test log, `t` test result, `i` what it looked at, `m` mtime, `s` index of a
//! directory in the Nix store). The checksum is the first 8 bytes of the sha256 of the action's id and all that stands before it, in hex: a torn line, a changed one, or one under another action's name is no record.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::id::hex;
use proto::{ActionId, BuildId, OutputId};
use sha2::{Digest, Sha256};

use crate::Kind;

/// Longest line this version writes is 232 bytes; what is longer is none of ours.
pub(crate) const LONGEST: usize = 512;

/// What is known of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// How its key was made.
    pub kind: Kind,
    /// Its output.
    pub output: OutputId,
    /// The output's bytes.
    pub size: u64,
    /// The latest put.
    pub time: SystemTime,
    /// Milliseconds that a hit saves.
    pub cost_ms: u64,
    /// The build that put it first.
    pub build: Option<BuildId>,
}

impl Record {
    /// The line under this action.
    #[must_use]
    pub fn to_line(self, action: &ActionId) -> String {
        let since = self.time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let kind = match self.kind {
            Kind::Content => 'c',
            Kind::TestLog => 'l',
            Kind::TestResult => 't',
            Kind::TestInputs => 'i',
            Kind::Mtime => 'm',
            Kind::StoreIndex => 's',
        };
        let build = self.build.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let text = format!(
            "1 {kind} {} {} {}.{:09} {} {build} ",
            self.output,
            self.size,
            since.as_secs(),
            since.subsec_nanos(),
            self.cost_ms
        );
        let sum = checksum(action, text.as_bytes());
        text + &sum + "\n"
    }

    /// Reads a line back; `None` for anything else.
    #[must_use]
    pub fn parse(line: &[u8], action: &ActionId) -> Option<Self> {
        let text = str::from_utf8(line).ok()?;
        let mut fields = text.split(' ');
        let mut field = || fields.next();
        if field()? != "1" {
            return None;
        }
        let kind = match field()? {
            "c" => Kind::Content,
            "l" => Kind::TestLog,
            "t" => Kind::TestResult,
            "i" => Kind::TestInputs,
            "m" => Kind::Mtime,
            "s" => Kind::StoreIndex,
            _ => return None,
        };
        let output = field()?.parse().ok()?;
        let size = field()?.parse().ok()?;
        let (seconds, nanos) = field()?.split_once('.')?;
        let seconds = seconds.parse().ok().filter(|&seconds| seconds < proto::limits::END_OF_TIME)?;
        let since = Duration::new(seconds, nanos.parse().ok().filter(|&n| n < 1_000_000_000)?);
        let cost_ms = field()?.parse().ok()?;
        let build = match field()? {
            "-" => None,
            id => Some(id.parse().ok()?),
        };
        let record = Self { kind, output, size, time: UNIX_EPOCH.checked_add(since)?, cost_ms, build };
        // The checksum with all the rest: there is one line for each record.
        (record.to_line(action).as_bytes() == line).then_some(record)
    }
}

fn checksum(action: &ActionId, text: &[u8]) -> String {
    hex(&Sha256::new().chain_update(action.0).chain_update(text).finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = Record> {
        let build = prop::option::of(any::<[u8; 16]>().prop_map(BuildId));
        let time = (0u64..1 << 35, 0u32..1_000_000_000).prop_map(|(s, n)| UNIX_EPOCH + Duration::new(s, n));
        let kind = prop::sample::select(vec![
            Kind::Content,
            Kind::TestLog,
            Kind::TestResult,
            Kind::TestInputs,
            Kind::Mtime,
            Kind::StoreIndex,
        ]);
        (kind, any::<[u8; 32]>(), any::<u64>(), time, any::<u64>(), build).prop_map(
            |(kind, output, size, time, cost_ms, build)| Record {
                kind,
                output: OutputId(output),
                size,
                time,
                cost_ms,
                build,
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_reads_back(record in record(), action: [u8; 32]) {
            let line = record.to_line(&ActionId(action));
            prop_assert!(line.len() <= LONGEST);
            prop_assert_eq!(Record::parse(line.as_bytes(), &ActionId(action)), Some(record));
        }

        #[test]
        fn a_changed_or_cut_or_moved_record_is_none(record in record(), at in 0usize..150, bit in 0u32..8, other: [u8; 32]) {
            let action = ActionId([1; 32]);
            let line = record.to_line(&action).into_bytes();
            let mut changed = line.clone();
            changed[at % line.len()] ^= 1 << bit;
            prop_assert_eq!(Record::parse(&changed, &action), None);
            prop_assert_eq!(Record::parse(&line[..at % line.len()], &action), None);
            prop_assume!(other != action.0);
            prop_assert_eq!(Record::parse(&line, &ActionId(other)), None);
        }

        #[test]
        fn garbage_is_no_record(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Record::parse(&bytes, &ActionId([1; 32])), None);
        }
    }
}
