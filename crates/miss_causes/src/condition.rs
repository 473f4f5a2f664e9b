//! A condition that did not hold, in words. Pure.
//!
//! What differs, the daemon found (proto: profile.rs `Rejection`, parts.rs).

use proto::parts::{Difference, Part};
use proto::profile::{Action, BuildProfile, Rejection, Session};
use proto::{Scope, scopes};

use crate::cause::{Cause, Verdict, verdict};

/// How many differences a sentence names.
const NAMED: usize = 3;

/// Why the build missed what it was offered under a condition; `None` where it was offered nothing, or nothing under a condition.
pub(crate) fn by_condition(profile: &BuildProfile, action: &Action) -> Option<Verdict> {
    let rejection = profile.rejections.get(usize::from(action.rejection?))?;
    Some(rejected(rejection, profile.sessions.get(usize::from(action.session))))
}

/// The scopes that name no module, in words.
static FIXED: [(Scope, &str); 7] = [
    (scopes::STD, "standard library"),
    (scopes::ASM_STD, "assembly of the standard library"),
    (scopes::TREE, "source tree"),
    (scopes::TREE_WITH_GO, "source tree with its Go files"),
    (scopes::VET, "vet"),
    (scopes::VET_OUTPUT, "vet"),
    (scopes::FACTS, "vet"),
];

/// Why an entry was not used whose condition did not hold.
fn rejected(rejection: &Rejection, session: Option<&Session>) -> Verdict {
    let Rejection { scope, differences, more } = rejection;
    let words = scope_words(scope);
    if scope == scopes::TREE_WITH_GO.as_str() && session.is_some_and(|session| !session.only_conditional) {
        let detail =
            "what others put came from go commands with -toolexec, -overlay or the like, and is for such alone";
        return verdict(Cause::OtherFlags, true, detail);
    }
    if differences.is_empty() {
        return verdict(Cause::OtherCondition, true, format!("{words}: it holds something else, not known what"));
    }
    let is_plural = matches!(&differences[..], [one] if one.part == Part::Flags && one.name == "arguments");
    let verb = if differences.len() + (*more as usize) == 1 && !is_plural { "differs" } else { "differ" };
    verdict(Cause::OtherCondition, true, format!("{words}: {} {verb}", list(differences, *more)))
}

/// A scope in words.
#[must_use]
pub fn scope_words(scope: &str) -> String {
    let Ok(scope) = Scope::new(scope) else { return scope.to_owned() };
    if let Some((_, words)) = FIXED.iter().find(|(fixed, _)| *fixed == scope) {
        return (*words).to_owned();
    }
    let module = match scope.module_and_version() {
        Some((path, Some(version))) => format!("module {path}@{version}"),
        Some((path, None)) => format!("module {path}"),
        None => return scope.as_str().to_owned(),
    };
    if scope.is_asm() { format!("assembly of {module}") } else { module }
}

/// `variable REV`, `variables A, B and 3 more`, `variable REV, file a.h`.
#[must_use]
pub fn list(differences: &[Difference], more: u32) -> String {
    let shown = &differences[..differences.len().min(NAMED)];
    let is_plural = |part: Part| shown.iter().filter(|one| one.part == part).count() > 1;
    let mut words = Vec::new();
    for (n, one) in shown.iter().enumerate() {
        let is_next = n > 0 && shown[n - 1].part == one.part;
        words.push(match one.part {
            _ if is_next => one.name.clone(),
            Part::Variable if is_plural(one.part) => format!("variables {}", one.name),
            Part::Flags if is_plural(one.part) => format!("flags {}", one.name),
            Part::Program if is_plural(one.part) => format!("programs {}", one.name),
            Part::File if is_plural(one.part) => format!("files {}", one.name),
            Part::Directory if is_plural(one.part) => format!("directories {}", one.name),
            _ => one.to_string(),
        });
    }
    let left = differences.len() - shown.len() + more as usize;
    if left > 0 { format!("{} and {left} more", words.join(", ")) } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(scope: &str, differences: &[(Part, &str)], more: u32) -> String {
        let differences = differences.iter().map(|(part, name)| Difference { part: *part, name: (*name).to_owned() });
        let rejection = Rejection { scope: scope.to_owned(), differences: differences.collect(), more };
        rejected(&rejection, None).detail
    }

    #[test]
    fn a_rejection_names_scope_and_differences() {
        let file = (Part::File, "sqlite3.h");
        assert_eq!(
            said("module github.com/a/b@v1.2.3", &[file], 0),
            "module github.com/a/b@v1.2.3: file sqlite3.h differs"
        );
        assert_eq!(
            said("asm a.b/c", &[file, (Part::File, "b.h")], 0),
            "assembly of module a.b/c: files sqlite3.h, b.h differ"
        );
        let (rev, cc) = ((Part::Variable, "REV"), (Part::Program, "CC"));
        assert_eq!(said("tree", &[rev, cc], 0), "source tree: variable REV, program CC differ");
        assert_eq!(
            said("std", &[rev, (Part::Variable, "CPATH"), cc, file], 4),
            "standard library: variables REV, CPATH, program CC and 5 more differ"
        );
        assert_eq!(said("vet output", &[], 0), "vet: it holds something else, not known what");
        assert_eq!(
            said("tree with Go", &[(Part::Flags, "-toolexec")], 0),
            "source tree with its Go files: flag -toolexec differs"
        );
        assert_eq!(said("something new", &[file], 0), "something new: file sqlite3.h differs");
    }
}
