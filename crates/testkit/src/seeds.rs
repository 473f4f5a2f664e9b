//! The inputs of the fuzz targets: seeds, which were written by hand and lie in fuzz/seeds, and what runs found, in fuzz/corpora.

use std::fs;
use std::path::Path;

/// Calls what a target checks with each of its seeds, of which there is at least one, and with its corpus, if it has one.
pub fn check_seeds(target: &str, check: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let files = |folder: &str| fs::read_dir(fuzz.join(folder).join(target));
    let (seeds, corpus) = (files("seeds").unwrap(), files("corpora").into_iter().flatten());
    let inputs: Vec<_> = seeds.chain(corpus).map(|input| fs::read(input.unwrap().path()).unwrap()).collect();
    assert!(!inputs.is_empty(), "{target} has no seed");
    inputs.iter().for_each(|input| check(input));
}
