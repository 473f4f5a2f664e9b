//! What fuzz/ checks of the readers of go.mod, go.work and vendor/modules.txt.

use std::ffi::{OsStr, OsString};
use std::hint::black_box;
use std::path::Path;

use super::flags::mod_flag;
use super::go_mod::{GoMod, Replace, Target};
use super::graph::{clean, escape, is_at_least_1_14, unescape};
use super::modules_txt::ModulesTxt;

const DIR: &str = "/m";

/// A text is read as each of these files. What is read is written to a text that is read as the same.
pub fn module_files(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    go_mod(text);
    modules_txt(text);
    for line in text.lines() {
        assert!(unescape(line).is_none_or(|plain| escape(&plain) == line));
        assert!(line.contains('!') || unescape(&escape(line)).as_deref() == Some(line));
        let cleaned = clean(Path::new(line));
        assert_eq!(clean(&cleaned), cleaned);
        black_box(is_at_least_1_14(line));
    }
}

/// A `-mod` behind all others counts, unless it may be a program's.
pub(in crate::condition) fn mod_flags(line: &[OsString], goflags: &OsStr) {
    let before = mod_flag(line, goflags);
    let more: Vec<_> = line.iter().cloned().chain(["-modfile=x.mod".into()]).collect();
    assert_eq!(mod_flag(&more, goflags), None);
    let same: Vec<_> = line.iter().cloned().chain(["-trimpath".into()]).collect();
    let takes_next = line.last().is_some_and(|last| last == "-mod" || last == "--mod");
    assert!(takes_next || mod_flag(&same, goflags) == before);
}

fn go_mod(text: &str) {
    let Some(read) = GoMod::parse(text, Path::new(DIR)) else { return };
    let more = format!("{text}\n\n// more\n");
    assert_eq!(GoMod::parse(&more, Path::new(DIR)).as_ref(), Some(&read));
    if let Some(written) = written(&read) {
        assert_eq!(GoMod::parse(&written, Path::new(DIR)), Some(read), "{written}");
    }
}

/// `None` for words that mean something else where they stand alone.
fn written(read: &GoMod) -> Option<String> {
    let mut text = String::new();
    let mut add = |verb: &str, words: &[&str]| {
        let words = words.iter().map(|word| quoted(word)).collect::<Option<Vec<_>>>()?;
        text += &format!("{verb} {}\n", words.join(" "));
        Some(())
    };
    read.module.iter().try_for_each(|path| add("module", &[path]))?;
    read.go.iter().try_for_each(|version| add("go", &[version]))?;
    read.requires.iter().try_for_each(|(path, version)| add("require", &[path, version]))?;
    read.uses.iter().try_for_each(|path| add("use", &[path]))?;
    read.replaces.iter().try_for_each(|Replace { path, version, target }| {
        let old = [path].into_iter().chain(version).map(String::as_str);
        let new = match target {
            Target::Directory(dir) => vec![dir.to_str()?],
            Target::Module(path, version) => vec![path.as_str(), version],
        };
        add("replace", &old.chain(["=>"]).chain(new).collect::<Vec<_>>())
    })?;
    Some(text)
}

fn quoted(word: &str) -> Option<String> {
    let is_plain = !word.is_empty()
        && !word.starts_with(['"', '`'])
        && !word.starts_with("//")
        && !word.contains(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
    let quote = match (is_plain, word.contains('"')) {
        (true, _) => "",
        (false, false) => "\"",
        (false, true) => "`",
    };
    (!matches!(word, "(" | ")")).then(|| format!("{quote}{word}{quote}"))
}

fn modules_txt(text: &str) {
    let read = ModulesTxt::parse(text);
    assert_eq!(ModulesTxt::parse(&format!("{text}\n")), read);
    assert!(read.packages.values().all(|module| read.versions.contains_key(module)), "a package is of a module");
    assert!(read.versions.keys().chain(read.versions.values()).all(|word| word.split_whitespace().count() == 1));
    if read.packages.keys().any(|path| path.starts_with('#')) {
        return; // such a line stood behind white space
    }
    let mut written = if read.is_workspace { "## workspace\n".to_owned() } else { String::new() };
    for (module, version) in &read.versions {
        written += &format!("# {module} {version}\n");
        for (path, _) in read.packages.iter().filter(|(_, of)| *of == module) {
            written += &format!("{path}\n");
        }
    }
    assert_eq!(ModulesTxt::parse(&written), read);
}
