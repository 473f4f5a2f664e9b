//! The seeds of the fuzz targets, which lie in fuzz/seeds.

use std::fs;
use std::path::Path;

/// Calls what a target checks with each of its seeds; there is at least one.
pub fn check_seeds(target: &str, check: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let seeds: Vec<_> = fs::read_dir(dir).unwrap().map(|seed| fs::read(seed.unwrap().path()).unwrap()).collect();
    assert!(!seeds.is_empty(), "{target} has no seed");
    seeds.iter().for_each(|seed| check(seed));
}
