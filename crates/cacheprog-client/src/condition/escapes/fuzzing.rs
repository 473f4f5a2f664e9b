//! What fuzz/ checks of the search for paths that lead out of a module.

use std::path::Path;
use std::time::Instant;

use super::reference::{Reference, References};
use super::scan::{FilePlace, Language, Names, PIECE, Scanner};

/// A source of any language: the paths in it are found as well where it comes in pieces, also within a large file.
pub fn escapes(bytes: &[u8]) {
    for language in [Language::Any, Language::Go] {
        let found = found(&[bytes], language);
        for reference in found.iter() {
            if let Reference::Certain(path)
            | Reference::IfThere(path)
            | Reference::IfFile(path)
            | Reference::IfRun(path) = reference
            {
                assert!(path.is_absolute(), "{path:?}");
            }
        }
        // A line of its own before it, so long that the file is looked at in pieces, which end somewhere in the text.
        let middle = bytes.len() / 2;
        let mut large = b" x\n".repeat((PIECE - middle) / 3);
        let begins = large.len();
        large.extend_from_slice(bytes);
        let in_pieces = self::found(&[&large[..begins + middle], &large[begins + middle..]], language);
        // The large file is no script.
        let found = found.iter().filter(|one| !matches!(one, Reference::IfRun(_)));
        let missing: Vec<_> = found.filter(|one| !in_pieces.iter().any(|other| other == *one)).collect();
        assert!(missing.is_empty(), "not found in pieces: {missing:?}");
    }
    time(bytes);
}

const ROOT: &str = "/tree/module";

fn found(pieces: &[&[u8]], language: Language) -> References {
    let place = FilePlace { root: Path::new(ROOT), dir: Path::new("/tree/module/dir") };
    let mut references = References::default();
    let names = Names {
        top: vec![b"/data".to_vec(), b"/tree".to_vec()],
        left_out: vec!["/tree/module/mod".into()],
        programs: vec!["/tree/module/bin".into()],
    };
    let mut scanner = Scanner::new(place, language, &names, &mut references);
    pieces.iter().for_each(|piece| scanner.feed(piece));
    scanner.finish();
    references
}

/// The same text over and over takes as long as it is: 16 KiB of it less than two seconds, which is a thousand times what it should,
/// in one of three tries: the machine may be busy.
fn time(bytes: &[u8]) {
    if bytes.is_empty() || !bytes.windows(2).any(|two| two == b"..") {
        return;
    }
    let large = bytes.repeat((16 << 10) / bytes.len() + 1);
    let is_quick = |_| {
        let began = Instant::now();
        drop(found(&[&large], Language::Any));
        began.elapsed().as_secs() < 2
    };
    assert!((0..3).any(is_quick), "it takes long");
}
