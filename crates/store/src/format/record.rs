//! The records of an action: lines of text, the only place that knows their format.
//!
//! ```text
//! 2 c <output id> <size> <seconds>.<nanoseconds of the put> <cost, ms> <build id or -> <build name> <partition> <key or ->
//!     <digest or -> <scope> [<name of another build>] <checksum>
//! ```
//!
//! All on one line, with a tab after each field except the last; the one in brackets is left out where there is none. The second field
//! is the kind ([`kind_letter`]), as a capital letter where the entry is in quarantine. The build's name and the scope may be empty; no
//! field has a control character in it. The checksum is the first 8 bytes of the blake3 of the action's id and all that stands before
//! it, in hex: a torn line, a changed one, or one under another action's name is no record.
//!
//! An action has one line, or one for each condition: up to [`CONDITIONS_KEPT`] of them, the newest first. A damaged line is
//! dropped alone.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::{ActionId, Condition, Output, Scope, limits, scopes};

use crate::format::kind::Kind;
use crate::format::origin::{BuildName, Origin};

/// Longest line, in bytes: the fields of fixed length, the numbers, a build's name and a scope.
const LONGEST: usize = 1500;

/// Records of one action: those of as many programs as a machine builds in turn, each with variables of its own. A session is
/// offered fewer ([`limits::CONDITIONS`]).
pub const CONDITIONS_KEPT: usize = 32;

/// Longest file of an action, in bytes. What is beyond is not ours.
pub(crate) const LONGEST_FILE: usize = LONGEST * CONDITIONS_KEPT;

/// What is known of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How its key was made.
    pub kind: Kind,
    /// Its output.
    pub output: Output,
    /// The latest put.
    pub time: SystemTime,
    /// Milliseconds that a hit saves.
    pub cost_ms: u64,
    /// The build and the user that put it first.
    pub origin: Origin,
    /// The condition under which other builds may use it; `None`: there is none.
    pub condition: Option<Condition>,
    /// Another build computed another output: neither is for others any more ([`crate::Store::quarantine`]).
    pub is_quarantined: bool,
}

/// Which entries with a condition go to other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditional {
    /// Those of Go's own assembler, which reads files of its module and of the toolchain alone.
    OfAssembly,
    /// All that are for other builds. What C compilers read of the system is in no condition: only for a store in which compilers,
    /// headers and libraries lie in the Nix store, or are the same on all of these machines.
    All,
}

impl Conditional {
    /// Whether entries with this condition are among them.
    #[must_use]
    pub fn takes(self, condition: &Condition) -> bool {
        condition.scope != scopes::PRIVATE && (self == Self::All || condition.scope.is_asm())
    }
}

/// How records and traces write a kind.
#[must_use]
pub fn kind_letter(kind: Kind) -> char {
    match kind {
        Kind::Content => 'c',
        Kind::Archive => 'a',
        Kind::TestLog => 'l',
        Kind::TestResult => 't',
        Kind::TestInputs => 'i',
        Kind::Mtime => 'm',
        Kind::StoreIndex => 's',
    }
}

/// The kind that has this letter.
#[must_use]
pub fn kind_of_letter(letter: char) -> Option<Kind> {
    Kind::ALL.into_iter().find(|&kind| kind_letter(kind) == letter)
}

impl Record {
    /// Whether it is as true on another machine: neither private or keyed by mtimes nor of a test, which is true where it was put, nor in
    /// quarantine, nor with a condition that does not hold elsewhere.
    #[must_use]
    pub fn is_of_any_machine(&self, conditional: Conditional) -> bool {
        let is_of_kind = matches!(self.kind, Kind::Content | Kind::Archive);
        let is_taken = |condition| conditional.takes(condition);
        is_of_kind && !self.is_quarantined && self.condition.as_ref().is_none_or(is_taken)
    }

    /// The line under this action.
    #[must_use]
    pub fn to_line(&self, action: &ActionId) -> String {
        let since = self.time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let mut line = String::with_capacity(320);
        let Origin { build, name, witness, partition, key } = &self.origin;
        let kind = kind_letter(self.kind);
        // Writing to a String cannot fail.
        let _infallible = write!(
            line,
            "2\t{}\t{}\t{}\t{}.{:09}\t{}\t",
            if self.is_quarantined { kind.to_ascii_uppercase() } else { kind },
            self.output.id,
            self.output.size,
            since.as_secs(),
            since.subsec_nanos(),
            self.cost_ms
        );
        push_or_dash(&mut line, build.as_ref());
        let _infallible = write!(line, "{}\t{partition}\t", name.as_str());
        push_or_dash(&mut line, key.as_ref());
        push_or_dash(&mut line, self.condition.as_ref().map(|condition| &condition.digest));
        line += self.condition.as_ref().map_or("", |condition| condition.scope.as_str());
        line.push('\t');
        witness.iter().for_each(|name| line.extend([name.as_str(), "\t"]));
        line += &checksum(action, line.as_bytes());
        line.push('\n');
        line
    }

    /// Reads a line back, with its end; `None` for anything else.
    #[must_use]
    pub fn parse(line: &[u8], action: &ActionId) -> Option<Self> {
        let end = line.iter().rposition(|&byte| byte == b'\t')?;
        let (text, sum) = line.split_at(end + 1);
        if sum.strip_suffix(b"\n")? != checksum(action, text).as_bytes() {
            return None;
        }
        let mut fields = str::from_utf8(text).ok()?.split('\t');
        let mut field = || fields.next();
        if field()? != "2" {
            return None;
        }
        let mut kind = field()?.chars();
        let letter = kind.next().filter(|_| kind.as_str().is_empty())?;
        let (kind, is_quarantined) = (kind_of_letter(letter.to_ascii_lowercase())?, letter.is_ascii_uppercase());
        let output = Output { id: field()?.parse().ok()?, size: field()?.parse().ok()? };
        let (seconds, nanos) = field()?.split_once('.')?;
        let seconds = seconds.parse().ok().filter(|&seconds| seconds < limits::END_OF_TIME)?;
        let since = Duration::new(seconds, nanos.parse().ok().filter(|&n| n < 1_000_000_000)?);
        let cost_ms = field()?.parse().ok()?;
        let build = some_or_dash(field()?)?;
        let name = BuildName::read(field()?)?;
        let partition = field()?.parse().ok()?;
        let key = some_or_dash(field()?)?;
        let condition = match (some_or_dash(field()?)?, field()?) {
            (None, _) => None,
            (Some(digest), scope) => Some(Condition { scope: Scope::new(scope).ok()?, digest }),
        };
        // The text after the last tab is empty.
        let (next, after) = (field()?, field());
        let witness = if after.is_some() { Some(BuildName::read(next)?) } else { None };
        let is_over = if witness.is_some() { !next.is_empty() && after == Some("") } else { next.is_empty() };
        let is_over = is_over && field().is_none();
        let origin = Origin { build, name, witness, partition, key };
        let time = UNIX_EPOCH.checked_add(since)?;
        is_over.then_some(Self { kind, output, time, cost_ms, origin, condition, is_quarantined })
    }
}

/// The content of the file of an action.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) records: Vec<Record>,
    /// Lines that are damaged.
    pub(crate) damaged: u64,
}

impl Lines {
    pub(crate) fn parse(bytes: &[u8], action: &ActionId) -> Self {
        let mut lines = Self::default();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            match Record::parse(line, action) {
                Some(record) if lines.records.len() < CONDITIONS_KEPT => lines.records.push(record),
                Some(_) | None => lines.damaged += 1,
            }
        }
        lines
    }

    pub(crate) fn text(records: &[Record], action: &ActionId) -> String {
        records.iter().map(|record| record.to_line(action)).collect()
    }
}

fn push_or_dash(line: &mut String, field: Option<&impl std::fmt::Display>) {
    // Writing to a String cannot fail.
    let _infallible = match field {
        Some(field) => write!(line, "{field}\t"),
        None => line.write_str("-\t"),
    };
}

/// What `push_or_dash` wrote; `None` where it is neither.
#[expect(clippy::option_option, reason = "a field that is not there is not one that is damaged")]
fn some_or_dash<T: std::str::FromStr>(field: &str) -> Option<Option<T>> {
    if field == "-" { Some(None) } else { field.parse().ok().map(Some) }
}

fn checksum(action: &ActionId, text: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&action.0).update(text);
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::namespace::Partition;
    use proptest::prelude::*;
    use proto::{BuildId, OutputId, ScopeDigest, SigningKey};

    fn origin() -> impl Strategy<Value = Origin> {
        let build = prop::option::of(any::<[u8; 16]>().prop_map(BuildId));
        let name = "\\PC{0,300}".prop_map(|text| BuildName::new(&text));
        let partition = prop_oneof![Just(Partition::Common), any::<u32>().prop_map(Partition::User)];
        let key = prop::option::of(any::<[u8; 32]>().prop_map(SigningKey));
        let witness = prop::option::of("[a-z]{1,300}".prop_map(|text| BuildName::new(&text)));
        (build, name, witness, partition, key).prop_map(|(build, name, witness, partition, key)| Origin {
            build,
            name,
            witness,
            partition,
            key,
        })
    }

    fn condition() -> impl Strategy<Value = Option<Condition>> {
        let scope = "\\PC{1,128}".prop_map(|text| Scope::new(&text).unwrap());
        prop::option::of((scope, any::<[u8; 32]>()))
            .prop_map(|some| some.map(|(scope, digest)| Condition { scope, digest: ScopeDigest(digest) }))
    }

    fn record() -> impl Strategy<Value = Record> {
        let time = (0u64..1 << 35, 0u32..1_000_000_000).prop_map(|(s, n)| UNIX_EPOCH + Duration::new(s, n));
        let kind = prop::sample::select(Kind::ALL.to_vec());
        (kind, any::<[u8; 32]>(), any::<u64>(), time, any::<u64>(), origin(), condition(), any::<bool>()).prop_map(
            |(kind, output, size, time, cost_ms, origin, condition, is_quarantined)| Record {
                kind,
                output: Output { id: OutputId(output), size },
                time,
                cost_ms,
                origin,
                condition,
                is_quarantined,
            },
        )
    }

    #[test]
    fn the_longest_record_has_room() {
        let longest = Record {
            kind: Kind::Content,
            output: Output { id: OutputId([255; 32]), size: u64::MAX },
            time: UNIX_EPOCH + Duration::new(limits::END_OF_TIME - 1, 999_999_999),
            cost_ms: u64::MAX,
            origin: Origin {
                build: Some(BuildId([255; 16])),
                name: BuildName::new(&"x".repeat(1000)),
                witness: Some(BuildName::new(&"y".repeat(1000))),
                partition: Partition::User(u32::MAX),
                key: Some(SigningKey([255; 32])),
            },
            condition: Some(Condition {
                scope: Scope::new(&"x".repeat(limits::SCOPE)).unwrap(),
                digest: ScopeDigest([255; 32]),
            }),
            is_quarantined: true,
        };
        let line = longest.to_line(&ActionId([1; 32]));
        assert!(line.len() <= LONGEST, "{}", line.len());
        assert_eq!(Record::parse(line.as_bytes(), &ActionId([1; 32])), Some(longest));
    }

    #[test]
    fn a_name_that_no_record_has_is_damage() {
        let action = ActionId([1; 32]);
        let with = |name: &str, witness: &str| {
            let text =
                format!("2\tc\t{}\t5\t1.000000000\t0\t-\t{name}\tcommon\t-\t-\t\t{witness}\t", OutputId([2; 32]));
            let line = format!("{text}{}\n", checksum(&action, text.as_bytes()));
            Record::parse(line.as_bytes(), &action)
        };
        assert!(with("a", "b").is_some());
        for (name, witness) in [("a\0", "b"), ("a", "\0"), ("a", "b\u{85}"), ("a", "")] {
            assert_eq!(with(name, witness), None, "{name:?} {witness:?}");
        }
    }

    #[test]
    fn kinds_are_told_by_their_letters() {
        for kind in Kind::ALL {
            assert_eq!(kind_of_letter(kind_letter(kind)), Some(kind));
        }
        assert_eq!(kind_of_letter('x'), None);
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
        fn a_damaged_line_is_dropped_alone(records in prop::collection::vec(record(), 1..=CONDITIONS_KEPT), hurt: prop::sample::Index, bit in 0u32..7) {
            let action = ActionId([1; 32]);
            let mut lines: Vec<_> = records.iter().map(|record| record.to_line(&action).into_bytes()).collect();
            let n = hurt.index(lines.len());
            lines[n][5] ^= 1 << bit;
            prop_assume!(lines[n][5] != b'\n');
            let mut left = records;
            left.remove(n);
            prop_assert_eq!(Lines::parse(&lines.concat(), &action), Lines { records: left, damaged: 1 });
        }

        #[test]
        fn garbage_is_no_record(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Record::parse(&bytes, &ActionId([1; 32])), None);
        }
    }
}
