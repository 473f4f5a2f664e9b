//! No circle between the files of a crate: a file may use another one only if that one does not lead back to it. So a file can
//! be read with what it uses, and nothing else.

use crate::arrows::{Arrows, in_circles};
use crate::modules::{Crate, sources};

#[test]
fn no_file_leads_back_to_itself() {
    let mut found = Vec::new();
    for folder in sources() {
        let uses = Crate::read(&folder).uses();
        let files =
            |targets: &std::collections::BTreeMap<&str, String>| targets.keys().map(|to| (*to).to_owned()).collect();
        let arrows: Arrows = uses.iter().map(|(from, targets)| ((*from).to_owned(), files(targets))).collect();
        for (from, to) in in_circles(&arrows) {
            found.push(format!("{from} uses {to} ({}), which leads back", uses[from][to]));
        }
    }
    assert!(found.is_empty(), "move what both need to a file of its own:\n{}", found.join("\n"));
}
