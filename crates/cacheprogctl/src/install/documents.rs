//! The steps for man pages and completions. The shells and man look for them below a directory such as /usr/local/share.

use super::destination::Destination;
use super::steps::Step;
use crate::generate::Document;

/// The steps that write them; none where a package has them.
pub(crate) fn plan_writing(destination: &Destination, documents: Vec<Document>) -> Vec<Step> {
    let Some(share) = &destination.share else { return Vec::new() };
    documents.into_iter().map(|Document { place, text, .. }| Step::Write { path: share.join(place), text }).collect()
}

/// What writing or removing them told, a line for each file, in a line for the man pages and one for the completions.
pub(super) fn in_few_lines(said: &str) -> String {
    let (pages, completions): (Vec<_>, Vec<_>) = said.lines().partition(|line| line.contains("/man/"));
    let in_one = |lines: &[&str], what: &str| match lines {
        [] => String::new(),
        [first, ..] => format!("{first} and so on: {} {what}\n", lines.len()),
    };
    in_one(&pages, "man pages") + &in_one(&completions, "files for completion in bash, zsh and fish")
}

/// The steps that remove them.
pub(crate) fn plan_removal(destination: &Destination, documents: &[Document]) -> Vec<Step> {
    let Some(share) = &destination.share else { return Vec::new() };
    documents.iter().map(|document| Step::Remove { path: share.join(&document.place) }).collect()
}
