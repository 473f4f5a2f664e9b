//! The paths in a file of Rust: what its `use` lines bring in, by which name, and what it names in full elsewhere. Whose file a
//! path leads to is for `modules.rs`.

use crate::tokens::is_name;

/// A path that a `use` line brings in, under a name. `is_public`: others may have it from here (`pub use`).
#[derive(Debug, PartialEq)]
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    pub(crate) is_public: bool,
}

/// What the `use` lines bring in, and the tokens without these lines.
pub(crate) fn imports(tokens: &[String]) -> (Vec<Import>, Vec<String>) {
    let mut found = Vec::new();
    let mut rest = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let end = tokens[at..].iter().position(|token| token == ";").map_or(tokens.len(), |length| at + length);
        if tokens[at] == "use" {
            let is_public = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
            tree(&tokens[at + 1..end], &[], is_public, &mut found);
            at = end;
        } else {
            rest.push(tokens[at].clone());
        }
        at += 1;
    }
    (found, rest)
}

/// One tree of a `use` line, below what stands before it: `a::{b, c::*, d as e}`.
fn tree(tokens: &[String], before: &[String], is_public: bool, found: &mut Vec<Import>) {
    let mut path = before.to_vec();
    let mut name = None;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "::" => {}
            "{" => {
                for branch in branches(&tokens[at + 1..tokens.len() - 1]) {
                    tree(branch, &path, is_public, found);
                }
                return;
            }
            "as" => {
                name = tokens.get(at + 1).cloned();
                break;
            }
            part => path.push(part.to_owned()),
        }
        at += 1;
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
    found.push(Import { name, path, is_public });
}

/// What commas part, outside of inner braces.
fn branches(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0_usize;
    let is_comma = |token: &String| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token == ","
    };
    tokens.split(is_comma).filter(|branch| !branch.is_empty()).collect()
}

/// Paths of two names and more that are written in full.
pub(crate) fn written_in_full(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let mut path = Vec::new();
        let begins = is_name(&tokens[at]) && (at == 0 || tokens[at - 1] != "::");
        if begins {
            path.push(tokens[at].clone());
            while tokens.get(at + 1).is_some_and(|next| next == "::")
                && tokens.get(at + 2).is_some_and(|next| is_name(next))
            {
                path.push(tokens[at + 2].clone());
                at += 2;
            }
        }
        if path.len() > 1 {
            found.push(path);
        }
        at += 1;
    }
    found
}

/// The names of the modules that have files of their own (`mod name;`).
pub(crate) fn modules(tokens: &[String]) -> Vec<String> {
    let is_module = |three: &&[String]| three[0] == "mod" && is_name(&three[1]) && three[2] == ";";
    tokens.windows(3).filter(is_module).map(|three| three[1].clone()).collect()
}

#[test]
fn imports_are_read_as_rust_reads_them() {
    let text = "pub(crate) use a::{self, b::{C, d::*}, e as f}; use g; fn h() { crate::i::j(k::l) }";
    let tokens: Vec<_> = crate::tokens::tokens(text).into_iter().map(str::to_owned).collect();
    let (found, rest) = imports(&tokens);
    let told: Vec<_> =
        found.iter().map(|import| (import.path.join("::"), import.name.as_str(), import.is_public)).collect();
    let expected =
        [("a", "a", true), ("a::b::C", "C", true), ("a::b::d::*", "*", true), ("a::e", "f", true), ("g", "g", false)];
    assert_eq!(told, expected.map(|(path, name, is_public)| (path.to_owned(), name, is_public)));
    assert_eq!(written_in_full(&rest), [vec!["crate", "i", "j"], vec!["k", "l"]]);
}
