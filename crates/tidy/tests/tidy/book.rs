//! The documentation is read in the repository and as a site (book.toml): the site has each page once, in the order of
//! docs/README.md, and a link that leads out of docs/ has the repository's address, since the site has no other files.

use crate::citations::{repository, targets};
use crate::source::{File, root, with_ending};

/// Where the pages are.
const PAGES: &str = "docs/";
/// The site's list of pages, which is no page.
const SUMMARY: &str = "docs/SUMMARY.md";

/// The pages by name, as the files are.
fn pages() -> impl Iterator<Item = &'static File> {
    with_ending(".md").filter(|file| file.name.starts_with(PAGES) && file.name != SUMMARY)
}

#[test]
fn the_site_has_each_page_once_in_the_order_of_the_first_page() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let (first, summary) = (read("docs/README.md"), read(SUMMARY));
    let listed: Vec<_> = targets(&summary).collect();
    let in_order: Vec<_> = ["README.md"].into_iter().chain(targets(&first)).collect();
    assert_eq!(listed, in_order, "{SUMMARY} and docs/README.md name different pages, or in another order");
    let mut listed: Vec<_> = listed.into_iter().map(|page| format!("{PAGES}{page}")).collect();
    listed.sort_unstable();
    let mut pages: Vec<_> = pages().map(|page| &page.name).collect();
    pages.sort_unstable();
    assert_eq!(listed.iter().collect::<Vec<_>>(), pages, "{SUMMARY} has to name each page of docs/ once");
}

#[test]
fn links_from_pages_to_files_that_the_site_has_not_name_the_repository() {
    let mut broken = Vec::new();
    for page in pages() {
        let depth = page.name.matches('/').count();
        let leads_out = |target: &&str| target.matches("../").count() >= depth;
        broken.extend(targets(&page.text).filter(leads_out).map(|target| format!("{}: {target}", page.name)));
    }
    assert!(
        broken.is_empty(),
        "the site has no such files, write the repository's address and /blob/HEAD/: {broken:#?}"
    );
}

#[test]
fn the_site_names_the_repository_of_the_manifest() {
    let settings = std::fs::read_to_string(root().join("book.toml")).unwrap();
    assert!(settings.contains(&format!("git-repository-url = \"{}\"\n", repository())), "correct book.toml");
}
