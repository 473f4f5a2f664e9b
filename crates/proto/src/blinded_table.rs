//! The blinded table of a build: answers that the client finds without the daemon, each readable only for who can name the action.
//!
//! ```text
//! head (96 bytes): "gcptbl1\n", the number of slots (8 bytes, a power of two), salt (32), the toolchain's tag (32), zeros
//! a slot (96 bytes): tag (16) | output (32), size (8), time (8, nanoseconds since 1970), link (16), cost (4, milliseconds), whether it is
//!                    a package (4), checksum (8), all seven XOR the pad
//! ```
//!
//! Tag and pad are blake3 of the action, keyed by the salt; the checksum is that of the six before it. Numbers are little-endian. An action's slot is the one at its tag, or one of
//! the [`PROBES`] after it. An empty slot is zeros; one that was withdrawn is ones, and the search goes on behind it. Who cannot name an
//! action learns how many there are.
//!
//! The table is read where it lies: what the daemon withdraws is withdrawn for go commands that run, too.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::id::hex;
use crate::wire::Toolchain;
use crate::{ActionId, Output, OutputId};

/// Bytes of the head, and of a slot.
pub const SLOT: usize = 96;

/// Slots that are looked at for an action.
pub const PROBES: usize = 8;

/// Most entries of a table: of 3.1 MB with its empty slots.
pub const MOST: usize = 16 << 10;

const MAGIC: &[u8; 8] = b"gcptbl1\n";
const TAG: usize = 16;
const CONTENT: usize = SLOT - TAG;

/// What of that the checksum is of.
const CHECKED: usize = CONTENT - 8;

/// What a withdrawn slot holds.
pub const WITHDRAWN: [u8; SLOT] = [0xff; SLOT];

/// The answer to a get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What is served.
    pub output: Output,
    /// When it was put.
    pub time: SystemTime,
    /// Its file.
    pub link: Link,
    /// What it cost to make, in milliseconds.
    pub cost_ms: u32,
    /// Whether it is a compiled package.
    pub is_package: bool,
}

/// The name of an output's file in the directory of links. It cannot be computed from the output: a build that knows a hash has no file by
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link([u8; 16]);

impl Link {
    /// The link of an output in a build with this secret.
    #[must_use]
    pub fn new(secret: &[u8; 32], output: &OutputId) -> Self {
        let mut name = [0; 16];
        blake3::Hasher::new_keyed(secret).update(&output.0).finalize_xof().fill(&mut name);
        Self(name)
    }

    /// The name of the file.
    #[must_use]
    pub fn file_name(&self) -> String {
        hex(&self.0)
    }
}

/// The first [`SLOT`] bytes of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    slots: u64,
    salt: [u8; 32],
    toolchain: [u8; 32],
}

impl Head {
    /// The head of a table for so many entries.
    #[must_use]
    pub fn new(entries: usize, salt: [u8; 32], toolchain: &Toolchain) -> Self {
        let slots = (entries.clamp(1, MOST) * 2).next_power_of_two() as u64;
        Self { slots, salt, toolchain: tag_of_toolchain(&salt, toolchain) }
    }

    /// Reads it; `None` where the bytes are something else.
    #[must_use]
    pub fn read(bytes: &[u8; SLOT]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (slots, rest) = rest.split_first_chunk::<8>()?;
        let (salt, rest) = rest.split_first_chunk::<32>()?;
        let slots = u64::from_le_bytes(*slots);
        let (toolchain, _zeros) = rest.split_first_chunk::<32>()?;
        let is_table = magic == MAGIC && slots.is_power_of_two() && slots <= 2 * MOST as u64;
        is_table.then_some(Self { slots, salt: *salt, toolchain: *toolchain })
    }

    /// Whether the answers are for go commands with this toolchain.
    #[must_use]
    pub fn is_for(&self, toolchain: &Toolchain) -> bool {
        tag_of_toolchain(&self.salt, toolchain) == self.toolchain
    }

    /// The answer for an action, and the offset of its slot. `read_at` reads from an offset of the table, as `pread(2)` does. What is cut
    /// off or damaged is not found.
    #[must_use]
    pub fn look_up(
        &self,
        action: &ActionId,
        read_at: impl FnOnce(&mut [u8], u64) -> io::Result<usize>,
    ) -> Option<(Answer, u64)> {
        let (tag, pad) = self.key(action);
        let (first, mut slots) = ((1 + self.first(&tag)) * SLOT as u64, [0; PROBES * SLOT]);
        let read = read_at(&mut slots, first).ok()?;
        let (slots, _) = slots.get(..read)?.as_chunks::<SLOT>();
        for (at, slot) in slots.iter().enumerate() {
            let (known, encrypted) = slot.split_at(TAG);
            if known == tag {
                return Some((self.decrypt(encrypted, &pad)?, first + (at * SLOT) as u64));
            }
            if known == [0; TAG] {
                break;
            }
        }
        None
    }

    /// A table with these answers. One for which there is no slot is left out.
    #[must_use]
    pub fn table(&self, answers: &[(ActionId, Answer)]) -> Vec<u8> {
        // The slots behind the last one, so that a search need not begin again at the first.
        let slots = usize::try_from(self.slots).unwrap_or(0) + PROBES;
        let mut table = vec![[0; SLOT]; slots];
        for (action, answer) in answers.iter().take(MOST) {
            let (tag, pad) = self.key(action);
            let first = usize::try_from(self.first(&tag)).unwrap_or(0);
            if let Some(free) = table[first..first + PROBES].iter_mut().find(|slot| **slot == [0; SLOT]) {
                free[..TAG].copy_from_slice(&tag);
                free[TAG..].copy_from_slice(&self.encrypt(answer, &pad));
            }
        }
        let mut bytes = Vec::with_capacity((1 + slots) * SLOT);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.slots.to_le_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.toolchain);
        bytes.resize(SLOT, 0);
        bytes.extend_from_slice(table.as_flattened());
        bytes
    }

    fn key(&self, action: &ActionId) -> ([u8; TAG], [u8; CONTENT]) {
        let (mut tag, mut pad) = ([0; TAG], [0; CONTENT]);
        let mut bytes = blake3::Hasher::new_keyed(&self.salt).update(&action.0).finalize_xof();
        bytes.fill(&mut tag);
        bytes.fill(&mut pad);
        (tag, pad)
    }

    /// The first slot of an action.
    fn first(&self, tag: &[u8; TAG]) -> u64 {
        tag.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) & (self.slots - 1)
    }

    fn encrypt(&self, answer: &Answer, pad: &[u8; CONTENT]) -> [u8; CONTENT] {
        let since = answer.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut plain = [0; CONTENT];
        plain[..32].copy_from_slice(&answer.output.id.0);
        plain[32..40].copy_from_slice(&answer.output.size.to_le_bytes());
        plain[40..48].copy_from_slice(&u64::try_from(since).unwrap_or(u64::MAX).to_le_bytes());
        plain[48..64].copy_from_slice(&answer.link.0);
        plain[64..68].copy_from_slice(&answer.cost_ms.to_le_bytes());
        plain[68] = answer.is_package.into();
        let sum = self.checksum(&plain[..CHECKED]);
        plain[CHECKED..].copy_from_slice(&sum);
        xor(plain, pad)
    }

    fn decrypt(&self, encrypted: &[u8], pad: &[u8; CONTENT]) -> Option<Answer> {
        let plain = xor(encrypted.try_into().ok()?, pad);
        let (checked, sum) = plain.split_at(CHECKED);
        let (id, rest) = checked.split_first_chunk::<32>()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (link, rest) = rest.split_first_chunk::<16>()?;
        let (cost_ms, rest) = rest.split_first_chunk::<4>()?;
        let answer = Answer {
            output: Output { id: OutputId(*id), size: u64::from_le_bytes(*size) },
            time: UNIX_EPOCH + Duration::from_nanos(u64::from_le_bytes(*time)),
            link: Link(*link),
            cost_ms: u32::from_le_bytes(*cost_ms),
            is_package: *rest.first()? == 1,
        };
        (sum == self.checksum(checked)).then_some(answer)
    }

    fn checksum(&self, plain: &[u8]) -> [u8; 8] {
        let mut sum = [0; 8];
        blake3::Hasher::new_keyed(&self.salt).update(plain).finalize_xof().fill(&mut sum);
        sum
    }
}

fn tag_of_toolchain(salt: &[u8; 32], toolchain: &Toolchain) -> [u8; 32] {
    let Toolchain { goroot, gotooldir, go, content } = toolchain;
    let mut hash = blake3::Hasher::new_keyed(salt);
    for part in [goroot, gotooldir, go, content] {
        hash.update(part.as_bytes()).update(&[0]);
    }
    hash.finalize().into()
}

fn xor(mut bytes: [u8; CONTENT], pad: &[u8; CONTENT]) -> [u8; CONTENT] {
    bytes.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(n: u32) -> ActionId {
        ActionId(std::array::from_fn(|i| n.to_le_bytes()[i % 4]))
    }

    fn answer(n: u32) -> Answer {
        let output = Output { id: OutputId(action(n).0), size: n.into() };
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, n);
        let link = Link::new(&[7; 32], &output.id);
        Answer { output, time, link, cost_ms: n, is_package: n.is_multiple_of(2) }
    }

    /// A table with so many answers, and a look-up in it.
    fn table(entries: u32) -> (Head, Vec<u8>) {
        let answers: Vec<_> = (0..entries).map(|n| (action(n), answer(n))).collect();
        let head = Head::new(answers.len(), [3; 32], &Toolchain::default());
        let table = head.table(&answers);
        let read = table.first_chunk().and_then(Head::read);
        assert_eq!(read, Some(head));
        (head, table)
    }

    fn find(head: &Head, table: &[u8], action: &ActionId) -> Option<(Answer, u64)> {
        head.look_up(action, |into, at| {
            let rest = usize::try_from(at).ok().and_then(|at| table.get(at..)).unwrap_or_default();
            let read = rest.len().min(into.len());
            into[..read].copy_from_slice(&rest[..read]);
            Ok(read)
        })
    }

    #[test]
    fn an_action_that_is_named_is_answered_and_another_is_not() {
        for entries in [0, 1, 1000] {
            let (head, table) = table(entries);
            let found = (0..entries).filter(|&n| find(&head, &table, &action(n)).is_some_and(|f| f.0 == answer(n)));
            assert!(found.count() as u32 * 100 >= entries * 99);
            assert_eq!(find(&head, &table, &action(entries)), None);
        }
    }

    #[test]
    fn nothing_in_a_table_tells_an_output_or_an_action() {
        let (_, table) = table(100);
        let has = |bytes: &[u8]| table.windows(bytes.len()).any(|window| window == bytes);
        for n in 1..100 {
            assert!(!has(&action(n).0[..16]) && !has(&answer(n).link.0) && !has(&answer(n).output.id.0[..16]));
        }
    }

    #[test]
    fn what_is_withdrawn_hides_nothing_behind_it() {
        let (head, mut table) = table(2000);
        let all: Vec<_> = (0..2000).filter(|&n| find(&head, &table, &action(n)).is_some()).collect();
        for &n in all.iter().step_by(2) {
            let at = usize::try_from(find(&head, &table, &action(n)).unwrap().1).unwrap();
            table[at..at + SLOT].copy_from_slice(&WITHDRAWN);
        }
        for (at, &n) in all.iter().enumerate() {
            assert_eq!(find(&head, &table, &action(n)).is_some(), at % 2 == 1);
        }
    }

    #[test]
    fn a_table_that_is_cut_or_something_else_answers_nothing() {
        let (head, table) = table(10);
        assert_eq!(find(&head, &table[..SLOT], &action(1)), None);
        assert_eq!(find(&head, &table[..SLOT + 3], &action(1)), None);
        assert_eq!(Head::read(&[b'x'; SLOT]), None);
        let mut odd = *table.first_chunk::<SLOT>().unwrap();
        odd[8] = 3;
        assert_eq!(Head::read(&odd), None);
    }

    #[test]
    fn a_slot_of_which_a_bit_changed_answers_nothing() {
        let (head, whole) = table(1);
        let slot = usize::try_from(find(&head, &whole, &action(0)).unwrap().1).unwrap();
        for at in slot..slot + SLOT {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(find(&head, &changed, &action(0)), None, "{at}");
        }
    }

    #[test]
    fn it_is_for_one_toolchain() {
        let (head, _) = table(1);
        assert!(head.is_for(&Toolchain::default()));
        assert!(!head.is_for(&Toolchain { goroot: "/other".into(), ..Toolchain::default() }));
    }
}
