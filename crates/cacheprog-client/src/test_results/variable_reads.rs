//! Which variables a Go file may read, by what it says. A test's log has each name that was asked for, but it begins with `m.Run`, and it
//! has nothing of `os.Environ` and of programs (os/env.go, testing.go `before`, Go 1.21-1.27). Pure.

use std::collections::BTreeSet;

use memchr::memmem;

use crate::condition::counted_variables::{names_variable, words};

/// Functions of package os that read the variable which is their argument.
const OF_ONE: [&str; 2] = ["Getenv", "LookupEnv"];
/// Functions that read any: `Environ`, `Expand`, `ExpandEnv`.
const OF_ANY: [&str; 2] = ["Environ", "Expand"];
/// Beginnings of functions that take a text apart.
const APART: [&str; 3] = ["Fields", "Split", "Cut"];

/// Variables that are looked for.
#[derive(Debug, Default)]
pub(super) struct WantedVariables {
    /// Those that count where a source reads them.
    pub(super) names: Vec<String>,
    /// All that are set, and usual ones.
    pub(super) known: BTreeSet<String>,
}

/// What was found in one file, or in all of a package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct VariableReads {
    /// Whether it may read one whose name is not in the call.
    pub(super) any: bool,
    /// Those that it reads by name.
    pub(super) by_name: BTreeSet<String>,
    /// Those that a text in it has, which may be read in another place.
    pub(super) in_texts: BTreeSet<String>,
}

impl VariableReads {
    pub(super) fn of(source: &[u8], wanted: &WantedVariables) -> Self {
        let arguments: Vec<_> = OF_ONE.iter().flat_map(|function| arguments(source, function)).collect();
        let any =
            arguments.contains(&None) || OF_ANY.iter().any(|name| memmem::find(source, name.as_bytes()).is_some());
        let those = |counts: &dyn Fn(&str) -> bool| wanted.names.iter().filter(|name| counts(name)).cloned().collect();
        Self {
            any,
            by_name: those(&|name| arguments.contains(&Some(name.as_bytes()))),
            in_texts: those(&|name| names_variable(source, name) || is_in_list(source, name, &wanted.known)),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.any |= other.any;
        self.by_name.extend(other.by_name.iter().cloned());
        self.in_texts.extend(other.in_texts.iter().cloned());
    }

    /// Those that count.
    pub(super) fn into_names(mut self) -> BTreeSet<String> {
        if self.any {
            self.by_name.append(&mut self.in_texts);
        }
        self.by_name
    }
}

/// The argument of each call of a function. `None` for one that is no text, and where the function is not called.
fn arguments<'a>(source: &'a [u8], function: &'a str) -> impl Iterator<Item = Option<&'a [u8]>> {
    memmem::find_iter(source, function).map(move |at| {
        let rest = source[at + function.len()..].strip_prefix(b"(\"")?;
        let text = &rest[..memchr::memchr2(b'"', b'\\', rest)?];
        rest[text.len()..].starts_with(b"\")").then_some(text)
    })
}

/// Whether a text of one line has a name in a list of variables, as `strings.Fields("pname version")`. It is a list where the line takes it apart,
/// where another word of it is a variable too, or all are written as such: a message may have the word "name".
fn is_in_list(source: &[u8], name: &str, known: &BTreeSet<String>) -> bool {
    let has_name = |text: &[u8]| words(text, name).next().is_some();
    has_name(source)
        && source.split(|&byte| byte == b'\n').any(|line| {
            let is_parted = APART.iter().any(|function| memmem::find(line, function.as_bytes()).is_some());
            b"\"`".iter().any(|quote| {
                let mut texts = line.split(|byte| byte == quote).skip(1).step_by(2);
                texts.any(|text| has_name(text) && (is_parted || is_list(text, name, known)))
            })
        })
}

fn is_list(text: &[u8], name: &str, known: &BTreeSet<String>) -> bool {
    let Ok(text) = str::from_utf8(text) else { return true };
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut others = text.split(|c| !is_of_word(c)).filter(|word| !word.is_empty() && *word != name);
    let is_capital = |word: &str| !word.contains(|c: char| c.is_ascii_lowercase());
    others.clone().any(|word| known.contains(word)) || others.all(is_capital)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> VariableReads {
        let known = ["HOME", "name", "out", "pname", "version"].map(str::to_owned);
        let wanted = WantedVariables { names: known[1..].to_vec(), known: known.into() };
        VariableReads::of(source.as_bytes(), &wanted)
    }

    fn names(source: &str) -> String {
        of(source).into_names().into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_name_in_the_call_is_all_that_it_reads() {
        assert_eq!(names("os.Getenv(\"version\") + f(\"name\")"), "version");
        assert_eq!(names("syscall.LookupEnv(\"out\")"), "out");
        assert_eq!(names("os.Getenv(\"HOME\") + f(\"name\")"), "");
        for any in [
            "Getenv(name)",
            "Getenv(\"ver\" + x)",
            "Getenv(\"n\\x61me\")",
            "= os.Getenv\n",
            "Environ()",
            "ExpandEnv(x)",
            "LookupEnv( \"x\")",
        ] {
            assert_eq!(names(&format!("os.{any} + f(\"name\")")), "name", "{any}");
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
            assert_eq!(of(text).in_texts.into_iter().collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }
}
