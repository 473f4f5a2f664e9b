//! Each case of the integration tests is in the table that says what it proves.

use crate::source::with_ending;

#[test]
fn each_case_is_in_the_table_of_the_cases() {
    let page = with_ending("integration/README.md").next().unwrap();
    let table = page.text.split("\n## ").find(|section| section.starts_with("The cases\n")).unwrap();
    let rows: Vec<_> = table.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next()).collect();
    let cases = with_ending(".sh").filter(|file| file.name.starts_with("integration/cases/"));
    let is_missing = |name: &&str| !rows.iter().any(|row| row.contains(&format!("`{name}`")));
    let missing: Vec<_> = cases.map(|case| case.stem()).filter(is_missing).collect();
    assert!(missing.is_empty(), "write what they prove into the table of integration/README.md: {missing:#?}");
}
