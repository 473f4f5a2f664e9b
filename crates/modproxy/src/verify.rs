//! What is whole: of a download before it is kept, of what was kept before it is served.
//!
//! What the go command would make of a file, it still makes of it: it compares each with go.sum or the checksum database
//! itself. This keeps out what an upstream gave by mistake or with intent, so that it is asked for again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use base64_simd::STANDARD;
use proto::OutputId;
use proto::id::hex;
use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::fetch::MOST_ZIP;
use crate::gosum;
use crate::path::{File, Target, Version, What};

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("reading it back")]
    Read(#[from] io::Error),
    #[error("it is not a zip file")]
    Zip(#[from] ZipError),
    #[error("it is {0}")]
    Is(&'static str),
    #[error("its hash is {found}, not {wanted}")]
    Hash { found: String, wanted: String },
}

/// What there is to compare a file with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof<'a> {
    /// Its `h1:` hash.
    Hash(&'a str),
    /// A zip's own checksums: all of it is read.
    Checksums,
    /// Its form alone.
    Form,
}

/// Whether a file may be taken for what was asked for.
pub(crate) fn check(target: &Target, file: &fs::File, proof: Proof<'_>) -> Result<(), Damage> {
    match &target.what {
        What::File(File::Zip, version) => zip(version, file, proof),
        What::File(File::Mod, _) => go_mod(&read(file)?, proof),
        What::File(File::Info, version) => info(&read(file)?, version),
        What::Lookup(version) => lookup(&read(file)?, version),
        What::Tile(Some(length)) if file.metadata()?.len() != *length => Err(Damage::Is("a tile of another length")),
        What::Tile(_) | What::Query | What::SumdbLatest | What::SumdbSupported => Ok(()),
    }
}

/// Whether a file that was kept is still what it was.
pub(crate) fn is_same(file: &fs::File, output: &OutputId) -> Result<(), Damage> {
    if sha256(file)? == output.0 { Ok(()) } else { Err(Damage::Is("not what was kept")) }
}

/// The sha256 of a file.
pub(crate) fn sha256(file: &fs::File) -> io::Result<[u8; 32]> {
    digest(&mut rewound(file)?)
}

fn digest(input: &mut impl Read) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match input.read(&mut piece)? {
            0 => return Ok(hasher.finalize().into()),
            n => hasher.update(&piece[..n]),
        }
    }
}

/// A small file from its beginning: the download saw to its size.
pub(crate) fn read(file: &fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    rewound(file)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn rewound(mut file: &fs::File) -> io::Result<&fs::File> {
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Every name in it begins with the module and version, or the go command refuses it
/// (cmd/go/internal/modfetch/fetch.go `downloadZip`).
fn zip(Version { module, version }: &Version, file: &fs::File, proof: Proof<'_>) -> Result<(), Damage> {
    let mut archive = ZipArchive::new(BufReader::with_capacity(PIECE, rewound(file)?))?;
    let prefix = format!("{module}@{version}/");
    if archive.is_empty() || !archive.file_names().all(|name| name.starts_with(&prefix)) {
        return Err(Damage::Is("a zip file of another module"));
    }
    if matches!(proof, Proof::Form) {
        return Ok(());
    }
    // Sorted by name, as golang.org/x/mod/sumdb/dirhash `Hash1` has them.
    let mut hashes = BTreeMap::new();
    // What a header says of a member's size may be anything, and members may overlap: what is unpacked is counted.
    let mut left = MOST_ZIP;
    for index in 0..archive.len() {
        let member = archive.by_index(index)?;
        let name = member.name_raw().to_owned();
        let mut member = member.take(left + 1);
        hashes.insert(name, digest(&mut member)?);
        left = member.limit().checked_sub(1).ok_or(Damage::Is("a zip file of more than a module may hold"))?;
    }
    compare(&hashes, proof)
}

fn go_mod(bytes: &[u8], proof: Proof<'_>) -> Result<(), Damage> {
    // The one thing that every go.mod has, and no page of HTML.
    let names_module = |line: &[u8]| line.trim_ascii_start().starts_with(b"module");
    if !bytes.split(|&byte| byte == b'\n').any(names_module) {
        return Err(Damage::Is("not a go.mod"));
    }
    compare(&BTreeMap::from([(b"go.mod".to_vec(), Sha256::digest(bytes).into())]), proof)
}

fn compare(hashes: &BTreeMap<Vec<u8>, [u8; 32]>, proof: Proof<'_>) -> Result<(), Damage> {
    let Proof::Hash(wanted) = proof else { return Ok(()) };
    let mut hasher = Sha256::new();
    for (name, hash) in hashes {
        hasher.update(hex(hash));
        hasher.update(b"  ");
        hasher.update(name);
        hasher.update(b"\n");
    }
    let found = format!("h1:{}", STANDARD.encode_to_string(hasher.finalize()));
    if found == wanted { Ok(()) } else { Err(Damage::Hash { found, wanted: wanted.to_owned() }) }
}

/// cmd/go refuses an answer for another version (cmd/go/internal/modfetch/proxy.go `Stat`).
fn info(bytes: &[u8], Version { version, .. }: &Version) -> Result<(), Damage> {
    let json: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let is_it = json.and_then(|json| json.get("Version")?.as_str().map(|found| found == version));
    if is_it == Some(true) { Ok(()) } else { Err(Damage::Is("not the version's information")) }
}

/// A number, the version's lines of go.sum, and a signed note. The go command checks the signature.
fn lookup(bytes: &[u8], version: &Version) -> Result<(), Damage> {
    let text = str::from_utf8(bytes).ok();
    let is_it = text.and_then(|text| {
        let (record, note) = text.split_once("\n\n")?;
        let has_number = record.lines().next()?.parse::<u64>().is_ok();
        let has_hashes = [File::Zip, File::Mod].iter().all(|&file| gosum::hash_in(record, file, version).is_some());
        Some(has_number && has_hashes && note.contains("\n\n\u{2014} "))
    });
    if is_it == Some(true) { Ok(()) } else { Err(Damage::Is("not what a checksum database says")) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn checked(path: &str, bytes: &[u8], proof: Proof<'_>) -> Result<(), Damage> {
        check(&Target::parse(path).unwrap(), &file(bytes), proof)
    }

    fn packed(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in members {
            let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            zip.start_file(*name, stored).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    // Hashes computed with golang.org/x/mod/sumdb/dirhash, by `go mod download` of this module from a directory.
    const MOD: &[u8] = b"module example.test/dep\n\ngo 1.21\n";
    const MOD_HASH: &str = "h1:Lf8yDwLhoIx+9ubIbqBvQLnlw5TTame7owF6vSmGpyU=";
    const ZIP_HASH: &str = "h1:l3EstjXXN4heV5YxpKr7Ys3lhJcJF/DL4bzupGsnySE=";

    fn dep() -> Vec<u8> {
        packed(&[("example.test/dep@v1.0.0/go.mod", MOD), ("example.test/dep@v1.0.0/dep.go", b"package dep\n")])
    }

    #[test]
    fn hashes_are_those_of_the_go_command() {
        checked("example.test/dep/@v/v1.0.0.mod", MOD, Proof::Hash(MOD_HASH)).unwrap();
        checked("example.test/dep/@v/v1.0.0.zip", &dep(), Proof::Hash(ZIP_HASH)).unwrap();
        for (path, bytes) in [("example.test/dep/@v/v1.0.0.mod", MOD), ("example.test/dep/@v/v1.0.0.zip", &dep())] {
            let wrong = checked(path, bytes, Proof::Hash("h1:AAAA"));
            assert!(matches!(wrong, Err(Damage::Hash { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn a_zip_is_whole_and_of_its_module() {
        let path = "example.test/dep/@v/v1.0.0.zip";
        let whole = dep();
        checked(path, &whole, Proof::Form).unwrap();
        for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
            assert!(checked(path, &whole[..cut], Proof::Form).is_err(), "{cut}");
        }
        for other in [packed(&[]), packed(&[("other.test@v1.0.0/go.mod", MOD)]), b"<html></html>".to_vec()] {
            assert!(checked(path, &other, Proof::Form).is_err());
        }
        let mut flipped = packed(&[("example.test/dep@v1.0.0/a", b"these bytes are as they are")]);
        checked(path, &flipped, Proof::Checksums).unwrap();
        let at = flipped.windows(5).position(|bytes| bytes == b"bytes").unwrap();
        flipped[at] ^= 1;
        checked(path, &flipped, Proof::Form).unwrap();
        assert!(checked(path, &flipped, Proof::Checksums).is_err());
    }

    #[test]
    fn texts_have_their_form() {
        let good = [
            ("a.test/@v/v1.0.0.mod", "// old\nmodule a.test\n"),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}"#),
            (
                "sumdb/sum.test/lookup/a.test@v1.0.0",
                "7\na.test v1.0.0 h1:x=\na.test v1.0.0/go.mod h1:y=\n\ngo.sum database tree\n9\nroot\n\n\u{2014} sum.test s\n",
            ),
            ("a.test/@v/list", "<html>"),
        ];
        for (path, text) in good {
            checked(path, text.as_bytes(), Proof::Form).unwrap();
        }
        let page = "<html><body>Sign in</body></html>";
        for (path, text) in [
            ("a.test/@v/v1.0.0.mod", page),
            ("a.test/@v/v1.0.0.info", page),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.1"}"#),
            ("sumdb/sum.test/lookup/a.test@v1.0.0", page),
            ("sumdb/sum.test/lookup/a.test@v1.0.0", "7\nb.test v1.0.0 h1:x=\n\nx\n\n\u{2014} s\n"),
            ("sumdb/sum.test/tile/8/0/001", page),
        ] {
            assert!(checked(path, text.as_bytes(), Proof::Form).is_err(), "{path} {text}");
        }
        checked("sumdb/sum.test/tile/8/0/001", &[0; 8192], Proof::Form).unwrap();
    }

    #[test]
    fn what_was_kept_is_compared_with_its_name() {
        let output = OutputId(Sha256::digest(b"bytes").into());
        is_same(&file(b"bytes"), &output).unwrap();
        assert!(is_same(&file(b"bytez"), &output).is_err());
    }
}
