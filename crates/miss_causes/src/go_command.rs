//! The first difference of two go commands that counts in the keys of what they compile. Pure.

use std::collections::BTreeMap;

use proto::wire::Command;

/// What is compiled. It decides which flags and settings count.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Subject {
    pub(crate) is_cgo: bool,
    pub(crate) is_program: bool,
}

/// Flags of go commands that are in the keys of packages (cmd/go/internal/work/build.go, Go 1.21-1.27). `ldflags` is in a
/// program's alone, as part of its build info.
const FLAGS: [&str; 18] = [
    "asan",
    "asmflags",
    "buildmode",
    "compiler",
    "cover",
    "covermode",
    "coverpkg",
    "gccgoflags",
    "gcflags",
    "installsuffix",
    "linkshared",
    "modfile",
    "msan",
    "overlay",
    "pgo",
    "race",
    "tags",
    "trimpath",
];
const OF_PROGRAMS: [&str; 2] = ["ldflags", "buildvcs"];

/// Flags that take no value.
const WITHOUT_VALUE: [&str; 7] = ["asan", "cover", "linkshared", "msan", "race", "trimpath", "buildvcs"];

/// Settings that are in the keys of cgo packages alone; and the setting that holds flags.
const OF_CGO: [&str; 9] =
    ["AR", "CC", "CXX", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS", "GCCGO", "PKG_CONFIG"];
const GOFLAGS: &str = "GOFLAGS";

/// The first difference, as `NAME: OLD, now NEW`.
pub(crate) fn difference(then: &Command, now: &Command, subject: Subject) -> Option<String> {
    let (then, now) = (all(then), all(now));
    let names = then.keys().chain(now.keys());
    let counts = |name: &&String| match name.strip_prefix('-') {
        Some(flag) => FLAGS.contains(&flag) || (subject.is_program && OF_PROGRAMS.contains(&flag)),
        None => subject.is_cgo || !OF_CGO.contains(&name.as_str()),
    };
    let different = names.filter(counts).filter(|name| then.get(*name) != now.get(*name)).min()?;
    let value = |all: &BTreeMap<String, String>| or_none(all.get(different).map_or("", String::as_str)).to_owned();
    Some(format!("{different}: {}, now {}", value(&then), value(&now)))
}

/// The text, or `none` where it is empty.
pub(crate) fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// Settings by name and flags by `-name`, those of `GOFLAGS` first: the command line overrules them.
fn all(command: &Command) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut words = Vec::new();
    for setting in &command.settings {
        match setting.split_once('=') {
            Some((GOFLAGS, flags)) => words.extend(flags.split_whitespace().map(str::to_owned)),
            Some((name, value)) => drop(all.insert(name.to_owned(), value.to_owned())),
            None => {}
        }
    }
    words.extend(command.arguments.iter().skip(1).cloned());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None if WITHOUT_VALUE.contains(&flag) => (flag.to_owned(), "yes".to_owned()),
            None if FLAGS.contains(&flag) || OF_PROGRAMS.contains(&flag) => {
                (flag.to_owned(), words.next().unwrap_or_default())
            }
            None => continue,
        };
        all.insert(format!("-{name}"), if value == "true" { "yes".to_owned() } else { value });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str, settings: &[&str]) -> Command {
        let settings = settings.iter().map(|&s| s.to_owned()).collect();
        Command { arguments: line.split(' ').map(str::to_owned).collect(), settings, ..Command::default() }
    }

    #[test]
    fn only_what_is_in_the_keys_differs() {
        let plain = command("go build ./...", &["GOFLAGS=-mod=vendor -trimpath", "GOARCH=amd64", "CGO_CFLAGS=-O2"]);
        let cgo = Subject { is_cgo: true, is_program: false };
        let differs = |line: &str, settings: &[&str], subject| difference(&plain, &command(line, settings), subject);
        let same = ["GOFLAGS=-trimpath", "GOARCH=amd64", "CGO_CFLAGS=-O2"];
        assert_eq!(differs("go test -v -p 2 -run X ./lib", &same, cgo), None);
        assert_eq!(differs("go build -tags netgo", &same, cgo).unwrap(), "-tags: none, now netgo");
        assert_eq!(differs("go build --tags=netgo", &same, cgo).unwrap(), "-tags: none, now netgo");
        assert_eq!(differs("go build -race", &same, cgo).unwrap(), "-race: none, now yes");
        let without = ["GOARCH=amd64", "CGO_CFLAGS=-O2"];
        assert_eq!(differs("go build", &without, cgo).unwrap(), "-trimpath: yes, now none");
        assert_eq!(differs("go build -trimpath=true", &without, cgo), None);
        let other = ["GOFLAGS=-trimpath", "GOARCH=amd64", "CGO_CFLAGS=-O1"];
        assert_eq!(differs("go build", &other, cgo).unwrap(), "CGO_CFLAGS: -O2, now -O1");
        assert_eq!(differs("go build", &other, Subject::default()), None);
        let program = Subject { is_cgo: false, is_program: true };
        assert_eq!(differs("go build -ldflags -s", &same, program).unwrap(), "-ldflags: none, now -s");
        assert_eq!(differs("go build -ldflags -s", &same, Subject::default()), None);
    }
}
