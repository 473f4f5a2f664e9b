//! Each fuzz target is built, has seeds, and calls checks that ordinary tests run on these seeds.

use crate::source::{files, root};
use std::collections::BTreeSet;

#[test]
fn each_fuzz_target_is_built_and_tested_on_its_seeds() {
    let below = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(root().join("fuzz").join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".rs", "")).collect()
    };
    let targets = below("fuzz_targets");
    assert_eq!(below("seeds"), targets, "left: targets with seeds, right: targets");
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let built = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    assert_eq!(built.map(str::to_owned).collect::<BTreeSet<_>>(), targets, "left: fuzz/Cargo.toml, right: targets");
    for target in targets {
        let source = std::fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{target}.rs"))).unwrap();
        let called: BTreeSet<_> =
            source.split("::fuzzing::").skip(1).map(|call| call.split('(').next().unwrap()).collect();
        let test = format!("check_seeds(\"{target}\", ");
        let tests = files().iter().filter(|file| file.name.ends_with("/src/fuzzing.rs"));
        let tested: BTreeSet<_> =
            tests.flat_map(|file| file.text.split(&test).skip(1)).filter_map(|call| call.split(')').next()).collect();
        assert_eq!(called, tested, "{target}: left: what the target calls, right: what tests call");
    }
}
