//! What counts in a go.mod or go.work (golang.org/x/mod/modfile; one grammar for both).

use std::path::{Path, PathBuf};

/// The lines of a go.mod or a go.work that say where modules are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GoMod {
    /// `module`
    pub(super) module: Option<String>,
    /// `go`
    pub(super) go: Option<String>,
    /// `require`: path and version.
    pub(super) requires: Vec<(String, String)>,
    /// `replace`
    pub(super) replaces: Vec<Replace>,
    /// `use`, in a go.work.
    pub(super) uses: Vec<String>,
}

/// A line of `replace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replace {
    pub(super) path: String,
    /// `None`: all versions.
    pub(super) version: Option<String>,
    pub(super) target: Target,
}

/// What stands in place of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Directory(PathBuf),
    Module(String, String),
}

impl GoMod {
    /// Reads a file's text; `dir` is the directory of the file. `None` for what this reader does not know.
    pub(super) fn parse(text: &str, dir: &Path) -> Option<Self> {
        let mut read = Self::default();
        let mut block: Option<String> = None;
        for line in text.lines() {
            let words = words(line)?;
            let mut words = words.iter().map(String::as_str).collect::<Vec<_>>();
            match (&block, words.as_slice()) {
                (_, []) => continue,
                (Some(_), [")"]) => {
                    block = None;
                    continue;
                }
                (None, [verb, "("]) => {
                    block = Some((*verb).to_owned());
                    continue;
                }
                (Some(verb), _) => words.insert(0, verb),
                (None, _) => {}
            }
            read.add(&words, dir)?;
        }
        block.is_none().then_some(read)
    }

    fn add(&mut self, words: &[&str], dir: &Path) -> Option<()> {
        match words {
            ["module", path] if self.module.is_none() => self.module = Some((*path).to_owned()),
            ["go", version] => self.go = Some((*version).to_owned()),
            ["require", path, version] => self.requires.push(((*path).to_owned(), (*version).to_owned())),
            ["use", path] => self.uses.push((*path).to_owned()),
            ["replace", old @ .., "=>", target] => self.add_replace(old, Target::Directory(dir.join(target)))?,
            ["replace", old @ .., "=>", path, version] => {
                self.add_replace(old, Target::Module((*path).to_owned(), (*version).to_owned()))?;
            }
            ["module" | "require" | "replace" | "use", ..] => return None,
            _ => {}
        }
        Some(())
    }

    fn add_replace(&mut self, old: &[&str], target: Target) -> Option<()> {
        let (path, version) = match old {
            [path] => (*path, None),
            [path, version] => (*path, Some((*version).to_owned())),
            _ => return None,
        };
        self.replaces.push(Replace { path: path.to_owned(), version, target });
        Some(())
    }
}

/// The words of a line, without its comment. `None` for a quote without an end.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with("//") {
        let end = if let Some(quote) = rest.chars().next().filter(|first| matches!(first, '"' | '`')) {
            let end = rest[1..].find(quote)? + 2;
            let text = &rest[1..end - 1];
            // An escape in a path would have to be read as Go does.
            words.push((!text.contains('\\')).then(|| text.to_owned())?);
            end
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')')).unwrap_or(rest.len()).max(1);
            words.push(rest[..end].to_owned());
            end
        };
        rest = rest[end..].trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<GoMod> {
        GoMod::parse(text, Path::new("/m"))
    }

    #[test]
    fn a_go_mod_is_read() {
        let read = parse(
            "// x\nmodule example.org/m // y\n\ngo 1.24.0\ntoolchain go1.26.8\n\nrequire example.org/a v1.0.0 // indirect\n\
             require (\n\texample.org/b v2.0.0+incompatible\n\t// no\n)\nexclude example.org/x v1.0.0\n\
             replace example.org/a v1.0.0 => ../a\nreplace (\n\texample.org/b => example.org/c v3.0.0\n\t\"q\" => `./d e`\n)\n\
             retract [v1.0.0, v1.1.0]\ntool example.org/t\n",
        )
        .unwrap();
        assert_eq!(read.module.as_deref(), Some("example.org/m"));
        assert_eq!(read.go.as_deref(), Some("1.24.0"));
        let pair = |path: &str, version: &str| (path.to_owned(), version.to_owned());
        assert_eq!(read.requires, [pair("example.org/a", "v1.0.0"), pair("example.org/b", "v2.0.0+incompatible")]);
        let targets: Vec<_> = read.replaces.iter().map(|replace| (&*replace.path, replace.target.clone())).collect();
        assert_eq!(targets[0], ("example.org/a", Target::Directory("/m/../a".into())));
        assert_eq!(targets[1], ("example.org/b", Target::Module("example.org/c".into(), "v3.0.0".into())));
        assert_eq!(targets[2], ("q", Target::Directory("/m/./d e".into())));
        assert_eq!(read.replaces[0].version.as_deref(), Some("v1.0.0"));
    }

    #[test]
    fn a_go_work_is_read() {
        let read = parse("go 1.26\nuse (\n\t./a\n\t../b\n)\nuse ./c\n").unwrap();
        assert_eq!(read.uses, ["./a", "../b", "./c"]);
    }

    #[test]
    fn what_is_not_known_is_nothing() {
        for text in [
            "module a\nmodule b\n",
            "module a b\n",
            "require a\n",
            "replace a => b c d\n",
            "replace a b c => d\n",
            "replace (\n",
            "module \"a\n",
            "module \"a\\x20b\"\n",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
