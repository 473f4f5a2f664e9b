//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer.

use std::cell::Cell;
use std::io::{self, ErrorKind};

use proto::{ActionId, limits};

use crate::format::archive::{Archive, LONGEST, MadeBy, made_by};
use crate::format::kind::{Kind, Sniffer};
use crate::format::members::ARCHIVE;
use crate::format::origin::BuildName;
use crate::format::record::Record;
use crate::unsynced::{self, UnsyncedSpans};

/// The bodies of puts: the kind is the same in pieces and from the end, and what is read of an archive is bounded.
pub fn body(bytes: &[u8]) {
    kind(bytes);
    archive(bytes);
}

fn kind(bytes: &[u8]) {
    let beginning = &bytes[..bytes.len().min(32)];
    let kind = Kind::of(beginning, bytes, true);
    for size in [1, 3, 7, 64, 4096] {
        let mut sniffer = Sniffer::default();
        bytes.chunks(size).for_each(|piece| sniffer.see(piece));
        assert_eq!(Some(sniffer.kind()), kind, "in pieces of {size} bytes");
    }
    for length in (0..bytes.len().min(100)).chain([bytes.len() / 2]) {
        let by_end = Kind::of(beginning, &bytes[bytes.len() - length..], false);
        assert!(by_end.is_none() || by_end == kind, "by its last {length} bytes");
    }
}

/// More is not read of any body: the tables of its object and the headers of its members.
const MOST_READ: u64 = (5 << 20) + 1000 * 100;

fn archive(bytes: &[u8]) {
    let count = Cell::new(0);
    let made = made_by(bytes.len() as u64, |buffer, at| read_at(bytes, &count, buffer, at));
    assert_eq!(made.is_some(), bytes.starts_with(ARCHIVE));
    let read = Archive::read(&|buffer: &mut [u8], at| read_at(bytes, &count, buffer, at));
    assert!(count.get() <= MOST_READ, "{} bytes were read", count.get());
    if let Some(Archive { go, path, action, content, flags, imports, files, .. }) = &read {
        assert!(made.is_some() && !path.is_empty());
        let names = imports.iter().map(|(name, _)| name).chain(files);
        for name in names.chain([go, path, action, content, flags]) {
            assert!(name.chars().count() <= LONGEST && !name.contains(char::is_control), "{name:?}");
        }
    }
    let and = |content: &[u8]| {
        let longer = [bytes, &member(content)].concat();
        made_by(longer.len() as u64, |buffer, at| read_at(&longer, &count, buffer, at))
    };
    match made {
        Some(MadeBy::Compiler | MadeBy::CompilerAndAssembler) => {
            assert_eq!(and(b"go object linux amd64\n"), Some(MadeBy::CompilerAndAssembler));
            assert_eq!(and(b"\x7fELF\x02\x01\x01\0\0\0"), Some(MadeBy::Others), "an object of a C compiler");
        }
        Some(MadeBy::Others) => {} // one that ends too early may be whole with more
        None => assert_eq!(read, None),
    }
}

fn read_at(bytes: &[u8], count: &Cell<u64>, buffer: &mut [u8], at: u64) -> io::Result<()> {
    count.set(count.get() + buffer.len() as u64);
    let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len()));
    buffer.copy_from_slice(from.ok_or(ErrorKind::UnexpectedEof)?);
    Ok(())
}

/// A member of an archive with this content, of an even number of bytes.
fn member(content: &[u8]) -> Vec<u8> {
    let header = format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", "x.o/", 0, 0, 0, 644, content.len());
    [header.as_bytes(), content].concat()
}

const ACTION: ActionId = ActionId([1; 32]);

/// The records of an action, a line each: what is accepted is read back from what it is written as, and is within the bounds. Each
/// line is tried with a right checksum too, which no fuzzer finds.
pub fn record(bytes: &[u8]) {
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        record_line(line);
        if let Some(end) = line.iter().rposition(|&byte| byte == b'\t') {
            let text = &line[..=end];
            let sum = blake3::Hasher::new().update(&ACTION.0).update(text).finalize().to_hex();
            record_line(&[text, &sum.as_bytes()[..16], b"\n"].concat());
        }
    }
}

fn record_line(line: &[u8]) {
    let Some(record) = Record::parse(line, &ACTION) else { return };
    assert_eq!(Record::parse(record.to_line(&ACTION).as_bytes(), &ACTION).as_ref(), Some(&record));
    assert!(record.origin.name.as_str().len() <= BuildName::LONGEST);
    assert!(record.condition.is_none_or(|condition| condition.scope.as_str().len() <= limits::SCOPE));
}

/// The file of unsynced spans: what is read is written to a text that is read as the same spans.
pub fn state_file(bytes: &[u8]) {
    const BOOT: &str = "8d0f4f0e-25c1-4a15-8a1b-95a7fbc3d11c";
    let Ok(text) = str::from_utf8(bytes) else { return };
    let root = text.split_once('\n').and_then(|(root, _)| root.parse().ok());
    let spans = UnsyncedSpans::default();
    spans.replace(BOOT, unsynced::parse(text, BOOT, root));
    let read = spans.spans();
    assert!(read.windows(2).all(|two| two[0].until < two[1].since), "the spans are in order and do not overlap");
    let Some(root) = root else { return assert_eq!(read, [unsynced::EVERYTHING]) };
    assert_eq!(unsynced::parse(&spans.to_text(root), BOOT, Some(root)), read);
}

#[test]
fn seeds_pass() {
    testkit::check_seeds("body", body);
    testkit::check_seeds("record", record);
    testkit::check_seeds("state_files", state_file);
}
