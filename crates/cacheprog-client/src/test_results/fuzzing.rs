//! What fuzz/ checks of the readers of Go sources and of test results.

use crate::condition::build_constraint::{HEAD, after_comments, imports_c, is_in_head, is_in_name};

use super::go_source::{Wanted, read};
use super::test_logs::passed;

/// A Go source: what stands before it as a comment changes nothing, the readers agree, and in doubt it may do anything. And the
/// output of a test that passed.
pub fn go_source(bytes: &[u8]) {
    let wanted = Wanted {
        of_tree: vec![b"/build".to_vec()],
        variables: vec!["HOME".to_owned(), "NIX_CFLAGS_COMPILE".to_owned()],
    };
    let source = read(bytes, &wanted);
    assert!(!source.imports.iter().any(|path| path == "C") || imports_c(bytes));
    assert!(source.reads_variables || !source.is_unlogged);
    assert!(source.variables.iter().all(|name| wanted.variables.contains(name)));
    assert!(!source.imports.iter().any(|path| path.contains('\\')), "Go reads an escape in a path");
    assert!(source.up <= bytes.len() / 2);
    if !bytes.starts_with(b"\xef\xbb\xbf") {
        for before in [&b"\xef\xbb\xbf"[..], b"// x\n\n", b"/* x */\n"] {
            assert_eq!(read(&[before, bytes].concat(), &wanted), source);
        }
    }
    let rest = after_comments(bytes);
    // U+FEFF is left out at the beginning alone.
    assert!(bytes.ends_with(rest) && (rest.starts_with(b"\xef\xbb\xbf") || after_comments(rest) == rest));
    let head = &bytes[..bytes.len().min(HEAD)];
    assert!(is_in_head(head, false));
    let constrained = [b"//go:build x\n\n", head].concat();
    assert!(is_in_head(&constrained, true));
    assert!(
        !is_in_head(head, true) || is_in_head(&[b"// x\n", head].concat(), true) || head.starts_with(b"\xef\xbb\xbf")
    );
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    assert!(is_in_name(&[line.split(|&byte| byte == b'.').next().unwrap_or_default(), b"_linux.go"].concat()));
    result(bytes);
}

/// The last line alone says what passed.
fn result(bytes: &[u8]) {
    let Some(package) = passed(bytes) else { return };
    assert!(!package.contains(['\n', '\t']));
    assert_eq!(passed(format!("FAIL\nok  \tother\t1s\n{}", String::from_utf8_lossy(bytes)).as_bytes()), Some(package));
    assert_eq!(passed(&[bytes, b"FAIL\n"].concat()), None);
}
