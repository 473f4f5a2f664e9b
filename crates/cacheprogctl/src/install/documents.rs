//! The steps for man pages and completions. The shells and man look for them below a directory such as /usr/local/share.

use super::destination::Destination;
use super::steps::Step;
use crate::generate::Document;

/// The steps that write them; none where a package has them.
pub(crate) fn plan_writing(destination: &Destination, documents: Vec<Document>) -> Vec<Step> {
    let Some(share) = &destination.share else { return Vec::new() };
    documents.into_iter().map(|Document { place, text, .. }| Step::Write { path: share.join(place), text }).collect()
}

/// The steps that remove them.
pub(crate) fn plan_removal(destination: &Destination, documents: &[Document]) -> Vec<Step> {
    let Some(share) = &destination.share else { return Vec::new() };
    documents.iter().map(|document| Step::Remove { path: share.join(&document.place) }).collect()
}
