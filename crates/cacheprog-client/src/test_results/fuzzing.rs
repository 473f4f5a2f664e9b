//! What fuzz/ checks of the readers of Go sources and of test results.

use std::collections::BTreeMap;
use std::path::Path;

use store::TEST_LOG;

use crate::condition::build_constraint::{HEAD, after_comments, imports_c, is_in_head, is_in_name};
use crate::test_context::TestContext;

use super::go_source::{Wanted, read};
use super::log_files::add_files;
use super::test_inputs::{line, read_line};
use super::test_logs::passed;
use super::variable_reads::WantedVariables;

/// A Go source: what stands before it as a comment changes nothing, the readers agree, and in doubt it may do anything. And the
/// output of a test that passed, the log of a test and a list of its inputs.
pub fn go_source(bytes: &[u8]) {
    let wanted = Wanted {
        of_tree: vec![b"/build".to_vec()],
        variables: WantedVariables {
            not_counted: ["name", "version"].map(str::to_owned).into(),
            counted: ["HOME".to_owned()].into(),
        },
    };
    let source = read(bytes, &wanted);
    assert!(!source.imports.iter().any(|path| path == "C") || imports_c(bytes));
    assert!(source.variables.by_programs || !source.runs_programs);
    let called = read(&[bytes, b"\nvar v = os.Getenv(\"version\")"].concat(), &wanted);
    assert!(called.variables.into_names().contains("version"));
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
    test_inputs(bytes);
}

/// What is made of a test's log can be listed, and a list is read as it is written.
fn test_inputs(bytes: &[u8]) {
    if bytes.starts_with(TEST_LOG.as_bytes()) {
        let mut files = BTreeMap::new();
        let context = TestContext { temporary: vec!["/tmp".into()], ..TestContext::default() };
        let listed = add_files(bytes, (Path::new("/m"), Path::new("/m/p")), &context, &mut files);
        let mut before = "";
        for (path, path_use) in files.iter().filter(|_| listed.is_some()) {
            assert!(Path::new(path).is_absolute(), "{path:?}");
            let line = line("digest", *path_use, path);
            assert_eq!(
                line.strip_suffix('\n').and_then(|line| read_line(line, before)),
                Some(("digest", *path_use, path.as_str()))
            );
            before = path;
        }
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    for one in text.split('\n') {
        if let Some((digest, path_use, path)) = read_line(one, "") {
            assert_eq!(line(digest, path_use, path).strip_suffix('\n'), Some(one));
            assert_eq!(read_line(one, path), None, "each path once");
        }
    }
}

/// The last line alone says what passed.
fn result(bytes: &[u8]) {
    let Some(package) = passed(bytes) else { return };
    assert!(!package.contains(['\n', '\t']));
    assert_eq!(passed(format!("FAIL\nok  \tother\t1s\n{}", String::from_utf8_lossy(bytes)).as_bytes()), Some(package));
    assert_eq!(passed(&[bytes, b"FAIL\n"].concat()), None);
}
