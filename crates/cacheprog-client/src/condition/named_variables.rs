//! Variables that otherwise do not count, and that a program of the build names: a compiler that is a script, or a tool of a flag.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::counted_variables::{OF_PLACES, names_variable, not_for_c, words};
use super::excluded::OF_NIX;
use super::variables::Variables;

/// A larger program is not read; it may name all of them.
const MAX_SIZE: u64 = 64 << 20;

/// Names and values, in the order of names. Of programs in the store, scripts are looked at, and not for places: where a wrapper keeps
/// its temporary files is in no object. `is_known`: whether a path lies where its content counts or does not change. `None` where a
/// variable names an existing path elsewhere: the program may read what is there.
pub(super) fn find(
    files: &[PathBuf],
    in_store: &[PathBuf],
    variables: &Variables,
    is_known: impl Fn(&Path) -> bool,
) -> Option<Vec<(String, Vec<u8>)>> {
    let mut left_out = not_for_c(variables);
    if left_out.is_empty() || (files.is_empty() && in_store.is_empty()) {
        return Some(Vec::new());
    }
    let texts: Vec<_> = files.iter().map(|file| read(file)).collect();
    // Such a file has all variables, and is a part of no scope.
    let reads_all = |text: &[u8]| text.starts_with(b"#!") && OF_NIX.iter().any(|name| has(text, name));
    if texts.iter().flatten().any(|text| reads_all(text)) {
        return None;
    }
    let scripts: Vec<_> =
        in_store.iter().filter_map(|file| read(file)).filter(|text| text.starts_with(b"#!")).collect();
    // A home that is there may have settings of a compiler; of a module's condition it is no part.
    let has_home = left_out.iter().any(|(name, value)| name == "HOME" && path(value).exists());
    if has_home && scripts.iter().any(|text| names_variable(text, "HOME")) {
        return None;
    }
    left_out.retain(|(name, _)| {
        texts.iter().any(|text| text.as_ref().is_none_or(|text| names(text, name)))
            || (!OF_PLACES.contains(&name.as_str()) && scripts.iter().any(|text| names_variable(text, name)))
    });
    left_out.sort();
    let is_apart = |value: &[u8]| {
        let path = path(value);
        path.is_absolute() && path.exists() && !is_known(path)
    };
    (!left_out.iter().any(|(_, value)| is_apart(value))).then_some(left_out)
}

/// Adds those of the candidates whose names stand in one of the files of the tree, again and again.
pub(super) fn add_named(
    files: &mut Vec<PathBuf>,
    mut candidates: Vec<PathBuf>,
    is_of_tree: impl Fn(&&PathBuf) -> bool,
) {
    let mut texts: Vec<_> = files.iter().filter(&is_of_tree).filter_map(|file| read(file)).collect();
    while let Some(text) = texts.pop() {
        let is_named = |file: &mut PathBuf| file.file_name().is_some_and(|name| has(&text, name.as_bytes()));
        for file in candidates.extract_if(.., is_named) {
            texts.extend(read(&file));
            files.push(file);
        }
    }
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let metadata = fs::metadata(file).ok().filter(|metadata| metadata.is_file() && metadata.len() <= MAX_SIZE)?;
    let mut text = Vec::new();
    File::open(file).ok()?.take(metadata.len()).read_to_end(&mut text).ok()?;
    Some(text)
}

fn path(value: &[u8]) -> &Path {
    str::from_utf8(value).map(Path::new).unwrap_or(Path::new(""))
}

fn has(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// A script names it for its shell, or as a word of a line that is no comment: `printenv version`, `$((version))`. In a program that is
/// no script a name may stand anywhere.
fn names(text: &[u8], name: &str) -> bool {
    if !text.starts_with(b"#!") {
        return has(text, name.as_bytes());
    }
    let mut lines = text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    names_variable(text, name) || lines.any(|line| words(line, name).next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_a_script_names_count() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("cc");
        let home = dir.path().join("home");
        let variables: Variables = [
            ("NIX_BUILD_TOP", "/build"),
            ("version", "1"),
            ("name", "x"),
            ("COLOUR", "red"),
            ("HOME", home.to_str().unwrap()),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let found = |text: &str| {
            fs::write(&script, text).unwrap();
            let found = find(std::slice::from_ref(&script), &[], &variables, |_| false)?;
            Some(found.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(found("#!/bin/sh\n# a name\ngcc -DV=$version $COLOUR").as_deref(), Some("version"));
        assert_eq!(found("#!/bin/sh\ngcc -DV=$(printenv version)").as_deref(), Some("version"));
        assert_eq!(found("#!/bin/sh\ngcc").as_deref(), Some(""));
        assert_eq!(found("#!/bin/sh\n. ${HOME}/x").as_deref(), Some("HOME"), "nothing is there");
        let [real, other, flags] = ["real.sh", "other.sh", "flags"].map(|name| dir.path().join(name));
        fs::write(&script, "#!/bin/sh\nexec ./real.sh").unwrap();
        fs::write(&real, "#!/bin/sh\n. ./flags").unwrap();
        fs::write(&flags, "DEFINE=$version").unwrap();
        let mut all = vec![script.clone()];
        add_named(&mut all, vec![other, real.clone(), flags.clone()], |_| true);
        assert_eq!(all, [script.clone(), real, flags]);
        assert_eq!(find(&all, &[], &variables, |_| false).map(|found| found.len()), Some(1));
        assert_eq!(found("\x7fELF.version.name.").as_deref(), Some("name version"));
        fs::create_dir(&home).unwrap();
        assert_eq!(found("#!/bin/sh\n. $HOME/x"), None);
        assert_eq!(find(&[], &[], &variables, |_| false), Some(Vec::new()));
        fs::write(&script, "#!/bin/sh\n. .attrs.sh\ngcc").unwrap();
        assert_eq!(find(std::slice::from_ref(&script), &[], &variables, |_| true), None, "a file with all variables");
        fs::write(&script, "#!/bin/sh\n. $HOME/x").unwrap();
        assert_eq!(find(&[], std::slice::from_ref(&script), &variables, |_| true), None);
        fs::write(&script, "#!/bin/sh\ngcc -DV=$version -o $TMPDIR/x").unwrap();
        let of_store = find(&[], std::slice::from_ref(&script), &variables, |_| true).unwrap();
        assert_eq!(of_store, [("version".to_owned(), b"1".to_vec())]);
    }
}
