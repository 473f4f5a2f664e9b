//! What the documentation links to, and what sources cite of it, is there; and nothing leads out of the repository but to the web.

use crate::source::{File, files, root, with_ending};
use std::path::Path;

/// Stands between the repository's address and the path of a file.
const IN_REPOSITORY: &str = "/blob/HEAD/";

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let of_repository = repository() + IN_REPOSITORY;
    let mut broken = Vec::new();
    for file in with_ending(".md") {
        let folder = Path::new(&file.name).parent().unwrap_or(Path::new(""));
        for target in targets(&file.text) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let place = match path.strip_prefix(&of_repository) {
                Some(path) => root().join(path),
                None if path.contains("://") && !path.contains(IN_REPOSITORY) => continue,
                None if path.is_empty() => root().join(&file.name),
                None => root().join(folder).join(path),
            };
            let is_there = place.exists() && (heading.is_empty() || has_anchor(&place, heading));
            if !is_there {
                broken.push(format!("{}: {target}", file.name));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

/// The repository's address, as Cargo.toml has it.
pub(crate) fn repository() -> String {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let value = manifest.lines().find_map(|line| line.strip_prefix("repository = \""));
    value.unwrap().trim_end_matches('"').to_owned()
}

/// The targets of `[text](target)`.
pub(crate) fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// Whether a page has a heading that the web's viewers give this name.
fn has_anchor(page: &Path, name: &str) -> bool {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == name)
}

fn anchor(heading: &str) -> String {
    let kept = |sign: &char| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_');
    heading.trim_start_matches('#').trim().chars().filter(kept).collect::<String>().to_lowercase().replace(' ', "-")
}

/// `docs/….md` in a source is a page, and a quoted text right after it (`docs/facts/go.md, "Traffic"`) is a heading of that page.
#[test]
fn pages_that_sources_cite_are_there() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.name != "CHANGELOG.md") {
        for cited in file.text.split("docs/").skip(1) {
            let length =
                cited.find(|sign: char| !(sign.is_alphanumeric() || "-_/.".contains(sign))).unwrap_or(cited.len());
            let name = cited[..length].trim_end_matches('.');
            if !name.ends_with(".md") {
                continue;
            }
            let heading = cited[name.len()..]
                .strip_prefix(", \"")
                .and_then(|rest| rest.split_once('"'))
                .map(|(heading, _)| heading);
            if !has(name, heading) {
                broken.push(format!("{}: docs/{name} {}", file.name, heading.unwrap_or_default()));
            }
        }
    }
    assert!(broken.is_empty(), "pages or headings that are not there: {broken:#?}");
}

fn has(page: &str, heading: Option<&str>) -> bool {
    let Ok(text) = std::fs::read_to_string(root().join("docs").join(page)) else { return false };
    heading.is_none_or(|heading| {
        text.lines().any(|line| line.trim_start_matches('#').trim() == heading && line.starts_with('#'))
    })
}

#[test]
fn nothing_outside_of_the_repository_is_cited() {
    let outside = ["../sha".to_owned() + "red", "FAC".to_owned() + "TS-"];
    let leads_out = |file: &&File| outside.iter().any(|word| file.text.contains(word.as_str()));
    let inside = files().iter().filter(|file| !file.name.starts_with("integration/programs/")); // an include of theirs
    let found: Vec<_> = inside.filter(leads_out).map(|file| &file.name).collect();
    assert!(found.is_empty(), "cite docs/facts/, which are in the repository: {found:#?}");
}

/// `evict/plan.rs` on a page is the end of a path, and a long name such as `no_bytes_panic_at_all` is a test. One that is cut
/// short ends with `_…`.
#[test]
fn sources_and_tests_that_pages_name_are_there() {
    let mut broken = Vec::new();
    for page in with_ending(".md").filter(|file| file.name.starts_with("docs/")) {
        for word in page.text.split(|sign: char| !(sign.is_alphanumeric() || "_/.-…".contains(sign))) {
            if word.ends_with(".rs")
                && !files().iter().any(|file| format!("/{}", file.name).ends_with(&format!("/{word}")))
            {
                broken.push(format!("{}: {word}", page.name));
            }
            let is_test = page.name.starts_with("docs/explanation/")
                && word.matches('_').count() > 2
                && !word.contains(['/', '.']);
            if is_test && word == word.to_lowercase() && !has_function(word) {
                broken.push(format!("{}: {word}", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "sources or tests that are not there: {broken:#?}");
}

fn has_function(name: &str) -> bool {
    let begin = name.strip_suffix('…').map_or_else(|| format!("fn {name}("), |begin| format!("fn {begin}"));
    with_ending(".rs").any(|file| file.text.contains(&begin))
}
