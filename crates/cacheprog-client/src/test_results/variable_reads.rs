//! Which variables a Go file may read where no key has them, by what it says. Go's key of a result has those that its log names, but the log begins with
//! `m.Run`, and has nothing of `os.Environ` and of programs (testing.go `before`, os/env.go, cmd/go/internal/test/test.go `computeTestInputsID`,
//! Go 1.21-1.27). Pure.

use std::collections::BTreeSet;

use memchr::memmem;

use crate::condition::counted_variables::{is_of_name, names_variable, words};

/// Functions of package os that read the variable which is their argument.
const READ_ONE: [&str; 2] = ["Getenv", "LookupEnv"];
/// Parts of names of what reads any: `Environ`, `Expand`, `ExpandEnv`, `/proc/self/environ`.
const READ_ANY: [&str; 3] = ["Environ", "/environ", "Expand"];
/// Beginnings of functions that take a list apart.
const TAKE_APART: [&str; 3] = ["Fields", "Split", "Cut"];
/// What a line has on which a program is told to look at variables, besides `$name`: `printenv name`, `((name + 1))`, `[[ -v name ]]`.
const LOOK_AT: [&str; 9] = ["env", "ENV", "((", "[[", " -v", "declare", "export", "typeset", "let "];

/// Variables that are looked for.
#[derive(Debug, Default)]
pub(super) struct WantedVariables {
    /// Those that count only where a source may read them.
    pub(super) not_counted: BTreeSet<String>,
    /// Those that are set and count for each test.
    pub(super) counted: BTreeSet<String>,
}

impl WantedVariables {
    fn has(&self, name: &str) -> bool {
        self.not_counted.contains(name) || self.counted.contains(name)
    }
}

/// What was found in one file, or in all of a package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct VariableReads {
    /// Whether it may read one whose name is not in the call.
    pub(super) by_other_names: bool,
    /// Whether programs, or other code than Go, may read any.
    pub(super) by_programs: bool,
    /// Those whose names are in calls. One that is not set may be set in another build.
    pub(super) in_calls: BTreeSet<String>,
    /// Those of `not_counted` that a text has.
    pub(super) in_texts: BTreeSet<String>,
    /// Those of `not_counted` that a line has on which programs are told to look at variables.
    pub(super) in_commands: BTreeSet<String>,
}

impl VariableReads {
    pub(super) fn of(source: &[u8], wanted: &WantedVariables) -> Self {
        let has = |text: &&str| memmem::find(source, text.as_bytes()).is_some();
        let calls: Vec<_> = READ_ONE.iter().flat_map(|function| arguments(source, function)).collect();
        let names = calls.iter().flatten().filter(|name| !wanted.counted.contains(**name));
        let mut reads = Self {
            by_other_names: calls.contains(&None) || READ_ANY.iter().any(has),
            in_calls: names.map(|&name| name.to_owned()).collect(),
            ..Self::default()
        };
        for name in &wanted.not_counted {
            let (mut in_text, mut in_command) = (false, false);
            for line in lines_with(source, name) {
                in_text = in_text || names_variable(line, name) || has_list(line, name, wanted);
                in_command = in_command || has_any(line, &LOOK_AT);
                if in_text && in_command {
                    break;
                }
            }
            reads.in_texts.extend(in_text.then(|| name.clone()));
            reads.in_commands.extend(in_command.then(|| name.clone()));
        }
        reads
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.by_other_names |= other.by_other_names;
        self.by_programs |= other.by_programs;
        self.in_calls.extend(other.in_calls.iter().cloned());
        self.in_texts.extend(other.in_texts.iter().cloned());
        self.in_commands.extend(other.in_commands.iter().cloned());
    }

    /// Those that count.
    pub(super) fn into_names(self) -> BTreeSet<String> {
        let mut names = self.in_calls;
        if self.by_other_names || self.by_programs {
            names.extend(self.in_texts);
        }
        if self.by_programs {
            names.extend(self.in_commands);
        }
        names
    }
}

/// The argument of each call of a function. `None` for one that is no plain text, and where the function is not called.
fn arguments<'a>(source: &'a [u8], function: &'a str) -> impl Iterator<Item = Option<&'a str>> {
    memmem::find_iter(source, function).map(move |at| {
        let rest = source[at + function.len()..].strip_prefix(b"(\"")?;
        let text = &rest[..rest.iter().position(|byte| !is_of_name(byte))?];
        rest[text.len()..].starts_with(b"\")").then(|| str::from_utf8(text).ok())?
    })
}

/// The lines that have a name as a word.
fn lines_with<'a>(source: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let mut begin = 0;
    std::iter::from_fn(move || {
        let rest = &source[begin..];
        let at = words(rest, name).next()?;
        let from = memchr::memrchr(b'\n', &rest[..at]).map_or(0, |end| end + 1);
        let to = memchr::memchr(b'\n', &rest[at..]).map_or(rest.len(), |length| at + length);
        begin += to;
        Some(&rest[from..to])
    })
}

fn has_any(line: &[u8], parts: &[&str]) -> bool {
    parts.iter().any(|part| memmem::find(line, part.as_bytes()).is_some())
}

/// Whether a line has a name in a list of variables, as `strings.Fields("pname version")`. It is a list where the line takes it apart, where another
/// word of it is a variable too, or all others are written as such: a message may have the word "name".
fn has_list(line: &[u8], name: &str, wanted: &WantedVariables) -> bool {
    b"\"`".iter().any(|quote| {
        let mut texts = line.split(|byte| byte == quote).skip(1).step_by(2);
        texts.any(|text| {
            words(text, name).next().is_some() && (has_any(line, &TAKE_APART) || is_list(text, name, wanted))
        })
    })
}

fn is_list(text: &[u8], name: &str, wanted: &WantedVariables) -> bool {
    let words = text.split(|byte| !is_of_name(byte)).filter_map(|word| str::from_utf8(word).ok());
    let mut others = words.filter(|word| !word.is_empty() && *word != name);
    let is_capital = |word: &str| !word.contains(|c: char| c.is_ascii_lowercase());
    others.clone().any(|word| wanted.has(word)) || others.all(is_capital)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> VariableReads {
        let not_counted = ["name", "out", "pname", "version"].map(str::to_owned).into();
        let wanted = WantedVariables { not_counted, counted: ["HOME".to_owned()].into() };
        VariableReads::of(source.as_bytes(), &wanted)
    }

    fn joined(names: BTreeSet<String>) -> String {
        names.into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_name_in_the_call_is_all_that_it_reads() {
        for (source, expected) in [
            ("os.Getenv(\"version\") + f(\"name\")", "version"),
            ("syscall.LookupEnv(\"out\")", "out"),
            ("os.Getenv(\"HOME\") + f(\"name\")", ""),
            ("os.Getenv(\"UNSET\")", "UNSET"),
        ] {
            assert_eq!(joined(of(source).into_names()), expected, "{source}");
        }
        for any in [
            "Getenv(name)",
            "Getenv(\"ver\" + x)",
            "Getenv(`HOME`)",
            "Getenv(\"n\\x61me\")",
            "= os.Getenv\n",
            "Environ()",
            "ExpandEnv(x)",
            "LookupEnv( \"x\")",
            "ReadFile(\"/proc/self/environ\")",
        ] {
            assert_eq!(joined(of(&format!("os.{any} + f(\"name\")")).into_names()), "name", "{any}");
        }
    }

    #[test]
    fn names_are_found_in_texts() {
        for (text, expected) in [
            ("x(\"version\") + \"$out/x\" + \"name=\"", "name out version"),
            ("version, out := name, \"outer\" + \"$names\"", ""),
            ("strings.Fields(\"pname version\")", "pname version"),
            ("strings.Fields(`HOME version`)", "version"),
            ("strings.Split(\"channel,version\", x)", "version"),
            ("x(\"CHANNEL version\")", "version"),
            ("x(\"channel version\")", ""),
            ("f(\"x\", \" version \")", "version"),
            ("errors.New(\"the name timed out\")", "name out"),
            ("errors.New(\"the name is taken\")", ""),
        ] {
            assert_eq!(joined(of(text).in_texts), expected, "{text}");
        }
    }

    #[test]
    fn what_programs_are_told_to_look_at_is_found() {
        for (source, expected) in [
            ("run(\"sh\", \"-c\", \"printenv version\")", "version"),
            ("const s = `\n\techo name\n\t[[ -v out ]]\n\techo $((1 + version))`", "out version"),
            ("errors.New(\"the name is taken\")", ""),
        ] {
            let mut reads = of(source);
            assert_eq!(joined(reads.in_commands.clone()), expected, "{source}");
            reads.by_programs = true;
            assert_eq!(joined(reads.into_names()), expected, "{source}");
            assert_eq!(joined(of(source).into_names()), "", "{source}: there are no programs");
        }
    }
}
