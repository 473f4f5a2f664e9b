//! Properties of the parts of conditions: no text makes the reader panic, and an edit is named by its file or a directory above it.

use proptest::prelude::*;
use proto::limits;
use proto::parts::{Part, Parts};

fn of(files: &[(String, u64)]) -> Parts {
    let mut parts = Parts::default();
    for (path, hash) in files {
        parts.add_file(path, &hash.to_be_bytes());
    }
    parts
}

/// As the daemon sees it: sent as text.
fn sent(parts: Parts) -> Parts {
    let text = parts.write();
    assert!(text.len() <= limits::PARTS);
    Parts::read(&text)
}

proptest! {
    #[test]
    fn any_text_is_read_and_what_is_written_is_read_back(text in "([vpxfdq] [a-c/. ]{0,9} [0-9a-f]{15,17}\n|\\PC*\n){0,20}") {
        let read = Parts::read(text.as_bytes());
        prop_assert_eq!(&sent(read.clone()), &read);
        prop_assert_eq!(read.differences(&read), []);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let read = Parts::read(&bytes);
        prop_assert_eq!(read.differences(&read), []);
    }
}

proptest! {
    // Some thousand names each.
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the number of files: from a list of files to one directory for all.
    #[test]
    fn an_edit_is_named_by_its_file_or_a_directory_above_it(
        paths in prop::collection::hash_set("[a-c]{1,2}(/[a-d]{1,3}){0,3}/[a-h]{1,9}", 1..4000),
        edited in any::<prop::sample::Index>(),
        added in any::<bool>(),
    ) {
        let mut files: Vec<_> = paths.into_iter().zip(1..).collect();
        let path = edited.get(&files).0.clone();
        let before = sent(of(&files));
        files.iter_mut().filter(|(one, _)| *one == path).for_each(|(_, hash)| *hash = 0);
        if added {
            files.push((format!("{path}/new"), 7));
        }
        let after = sent(of(&files));
        let differences = before.differences(&after);
        prop_assert!(!differences.is_empty());
        for one in &differences {
            let is_above = one.name == "." || path.starts_with(&format!("{}/", one.name));
            let is_it = one.name == path || one.name == format!("{path}/new");
            prop_assert!(is_it || (one.part == Part::Directory && is_above), "{path}: {differences:?}");
        }
        prop_assert_eq!(after.differences(&before), differences);
    }
}
