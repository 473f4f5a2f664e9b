//! What fuzz/ checks of the readers of downloaded files. ../fuzzing.rs has the others.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::{Map, Value};

use super::{go_mod, gosum, info, is_plausible, lookup, module_zip as zip};
use crate::resource::{FileKind, ModuleVersion, Resource, is_below};

fn version() -> ModuleVersion {
    ModuleVersion { module: "example.test/dep".to_owned(), version: "v1.0.0".to_owned() }
}

/// The small files: lines of go.sum, answers of checksum databases, go.mod, `.info` and lists. What passes as one of them passes as
/// no other one.
pub fn proxy_files(bytes: &[u8]) {
    let (is_info, is_lookup) = (info(bytes, &version()).is_ok(), lookup(bytes, &version()).is_ok());
    let is_go_mod = go_mod(bytes, None).is_ok();
    assert!(!is_info || !(is_lookup || is_go_mod));
    assert!(go_mod(bytes, Some("h1:")).is_err(), "no file has this hash");
    if is_info {
        let read = serde_json::from_slice::<Map<String, Value>>(bytes).unwrap_or_default();
        let written = serde_json::to_vec(&read).unwrap_or_default();
        assert!(info(&written, &version()).is_ok());
        let other = ModuleVersion { version: "v1.0.1".to_owned(), ..version() };
        assert!(info(bytes, &other).is_err(), "one version is no other one");
    }
    if let Some(list) = Resource::parse("example.test/dep/@v/list") {
        assert!(is_plausible(&list, &[bytes, b"\nv1.0.0\n"].concat()));
    }
    let latest = Resource::parse("example.test/dep/@latest");
    assert!(!is_info || latest.is_some_and(|latest| is_plausible(&latest, bytes)));
    if let Ok(text) = str::from_utf8(bytes) {
        sums(text);
    }
}

/// The hash of each line is found by what the line names, in the text and in what is kept of the file.
fn sums(text: &str) {
    let kept = gosum::hashes(text);
    for (name, _) in gosum::lines(text) {
        let Some((module, version)) = name.split_once(' ') else { continue };
        let (file, version) = match version.strip_suffix("/go.mod") {
            Some(version) => (FileKind::Mod, version),
            None => (FileKind::Zip, version),
        };
        let version = ModuleVersion { module: module.to_owned(), version: version.to_owned() };
        let found = gosum::hash_in(text, file, &version);
        assert!(found.as_ref().is_some_and(|hash| hash.starts_with("h1:")));
        assert_eq!(kept.get(name), found.as_ref());
    }
}

/// A module's zip: the two ways to read it agree, and no name leads out of the module's directory. It is tried with right checksums
/// too, which no fuzzer finds.
pub fn module_zip(bytes: &[u8]) {
    zip_file(bytes);
    zip_file(&with_checksums(bytes));
}

fn zip_file(bytes: &[u8]) {
    let Ok(file) = memfd_create("module.zip", MemfdFlags::CLOEXEC).map(File::from) else { return };
    if file.write_all_at(bytes, 0).is_err() {
        return;
    }
    let (checked, hashes) = (zip::check(&version(), &file), zip::hashes(&version(), &file));
    assert_eq!(checked.is_ok(), hashes.is_ok(), "{checked:?}");
    for name in hashes.iter().flat_map(|hashes| hashes.keys()) {
        assert!(name.strip_prefix(b"example.test/dep@v1.0.0/").is_some_and(is_below));
        assert!(stands_twice(bytes, name), "the name stands before the member and in the directory");
    }
}

/// Whether a text stands in another one twice.
fn stands_twice(bytes: &[u8], name: &[u8]) -> bool {
    bytes.windows(name.len()).filter(|window| *window == name).count() > 1
}

/// The same with the CRC-32 of each member that is stored as it is.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut zip = bytes.to_vec();
    for entry in entries(bytes) {
        if let Some((crc, header)) = checksum(bytes, entry) {
            zip[entry + 16..entry + 20].copy_from_slice(&crc);
            zip[header + 14..header + 18].copy_from_slice(&crc);
        }
    }
    zip
}

/// The places of what begins as an entry of the directory does.
fn entries(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(46).enumerate().filter(|(_, window)| window.starts_with(b"PK\x01\x02")).map(|(at, _)| at)
}

/// The CRC-32 of the member with this entry, and where the header of the member is.
fn checksum(bytes: &[u8], entry: usize) -> Option<([u8; 4], usize)> {
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)));
    let long = |at: usize| usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok();
    let (method, size, header) = (short(entry + 10)?, long(entry + 20)?, long(entry + 42)?);
    let start = header + 30 + short(header + 26)? + short(header + 28)?;
    let data = bytes.get(start..start.checked_add(size)?).filter(|_| method == 0)?;
    let crc = data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    Some(((!crc).to_le_bytes(), header))
}
