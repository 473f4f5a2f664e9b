//! Tells the forms of a package apart: one build may compile a package with and without its tests, for two platforms, or with other
//! flags. Pure.

use proto::profile::Package;

/// Digits of an action's key that tell two forms apart where nothing else does.
const KEY_DIGITS: usize = 8;

/// In what this form of a package differs from the others in the build; empty for an only one without tests.
pub(crate) fn form(package: &Package, all: &[Package]) -> String {
    let others: Vec<_> =
        all.iter().filter(|other| other.path == package.path && other.action.key != package.action.key).collect();
    let differs = |of: fn(&Package) -> &str| others.iter().any(|other| of(other) != of(package));
    let mut words = Vec::new();
    if package.is_test {
        words.push("with its tests".to_owned());
    } else if others.iter().any(|other| other.is_test) {
        words.push("without its tests".to_owned());
    }
    if differs(|package| &package.go) {
        words.push(format!("for {}", package.go));
    }
    if others.iter().any(|other| other.is_cgo != package.is_cgo) {
        words.push(if package.is_cgo { "with cgo" } else { "without cgo" }.to_owned());
    }
    if differs(|package| &package.flags) {
        words.push(format!("flags: {}", if package.flags.is_empty() { "none" } else { &package.flags }));
    }
    if differs(|package| &package.directory) {
        let directory = &package.directory;
        words.push(if directory.is_empty() { "with -trimpath".to_owned() } else { format!("in {directory}") });
    }
    if words.is_empty() && !others.is_empty() {
        words.push(format!("action {}", package.action.key.get(..KEY_DIGITS).unwrap_or(&package.action.key)));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    use proto::profile::Action;

    fn package(key: &str, change: impl Fn(&mut Package)) -> Package {
        let action = Action { key: key.to_owned(), ..Action::default() };
        let mut package = Package { action, path: "p".to_owned(), ..Package::default() };
        change(&mut package);
        package
    }

    fn forms(all: &[Package]) -> Vec<String> {
        all.iter().map(|package| form(package, all)).collect()
    }

    #[test]
    fn two_forms_of_a_package_have_different_words_and_one_form_has_none() {
        let plain = || package("1", |_| {});
        assert_eq!(forms(&[plain(), package("2", |p| p.path = "q".to_owned())]), ["", ""]);
        for (other, words) in [
            (package("2", |p| p.is_test = true), ["without its tests", "with its tests"]),
            (package("2", |p| p.go = "linux arm64 go1.26.8".to_owned()), ["for ", "for linux arm64 go1.26.8"]),
            (package("2", |p| p.is_cgo = true), ["without cgo", "with cgo"]),
            (package("2", |p| p.flags = "-race".to_owned()), ["flags: none", "flags: -race"]),
            (package("2", |p| p.directory = "/build".to_owned()), ["with -trimpath", "in /build"]),
            (package("0123456789abcdef", |_| {}), ["action 1", "action 01234567"]),
        ] {
            assert_eq!(forms(&[plain(), other]), words);
        }
    }
}
