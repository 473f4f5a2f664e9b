//! What is whole: of a download before it is kept, of what was kept before it is served.
//!
//! What the go command would make of a file, it still makes of it: it compares each with go.sum or the checksum database
//! itself. This keeps out what an upstream gave by mistake or with intent, so that it is asked for again.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};

use base64_simd::STANDARD;
use proto::OutputId;
use proto::id::hex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use zip::result::ZipError;

use crate::archive::{self, Hashes};
use crate::gosum;
use crate::path::{File, Target, Version, What};

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("reading it back: {0}")]
    Read(#[from] io::Error),
    #[error("it is not a zip file: {0}")]
    Zip(#[from] ZipError),
    #[error("it is {0}")]
    Is(&'static str),
    #[error("its hash is {found}, not {wanted}")]
    Hash { found: String, wanted: String },
}

/// Whether a file may be taken for what was asked for: by its form, a zip's own checksums, and its `h1:` hash where that is
/// known.
pub(crate) fn check(target: &Target, file: &fs::File, hash: Option<&str>) -> Result<(), Damage> {
    match &target.what {
        What::File(File::Zip, version) => match hash {
            Some(hash) => compare(&archive::hashes(version, file)?, hash),
            None => archive::check(version, file),
        },
        What::File(File::Mod, _) => go_mod(&read(file)?, hash),
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

pub(crate) fn digest(input: &mut (impl Read + ?Sized)) -> io::Result<[u8; 32]> {
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

pub(crate) fn rewound(mut file: &fs::File) -> io::Result<&fs::File> {
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn go_mod(bytes: &[u8], hash: Option<&str>) -> Result<(), Damage> {
    // The one line that every go.mod has, and no page of HTML or error in plain text: `module PATH` or `module (`, with a
    // comment perhaps. What begins with `<` is a page whatever comes in it, and with U+FEFF the go command refuses it.
    let names_module = |line: &str| {
        let mut words = line.split("//").next().unwrap_or_default().split_whitespace();
        words.next() == Some("module") && words.next().is_some() && words.next().is_none()
    };
    let text = String::from_utf8_lossy(bytes);
    if text.trim_start().starts_with(['<', '\u{feff}']) || !text.lines().any(names_module) {
        return Err(Damage::Is("not a go.mod"));
    }
    let hashes = Hashes::from([(b"go.mod".to_vec(), Sha256::digest(bytes).into())]);
    hash.map_or(Ok(()), |hash| compare(&hashes, hash))
}

fn compare(hashes: &Hashes, wanted: &str) -> Result<(), Damage> {
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

/// cmd/go refuses an answer for another version (cmd/go/internal/modfetch/proxy.go `Stat`), and one whose fields are not of
/// their types (codehost/codehost.go `RevInfo`, Go 1.26). It takes their names in any case.
fn info(bytes: &[u8], Version { version, .. }: &Version) -> Result<(), Damage> {
    let json = serde_json::from_slice(bytes).ok();
    let is_it = json.is_some_and(|fields: Map<String, Value>| {
        let field = |name: &'static str| {
            fields.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let versions: Vec<_> = field("Version").collect();
        matches!(versions[..], [Value::String(found)] if found == version)
            && field("Time").all(|time| time.is_null() || time.as_str().is_some_and(is_time))
            && field("Origin").all(|origin| origin.is_null() || origin.is_object())
    });
    if is_it { Ok(()) } else { Err(Damage::Is("not the version's information")) }
}

/// Whether a text is a time as RFC 3339 has them.
fn is_time(text: &str) -> bool {
    let is_like = |text: &str, form: &str| {
        let is_in_place = |(b, f): (u8, u8)| if f == b'0' { b.is_ascii_digit() } else { b == f };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(is_in_place)
    };
    let Some((seconds, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else { return false };
    let zone = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    is_like(seconds, "0000-00-00T00:00:00") && (zone == "Z" || is_like(zone, "+00:00") || is_like(zone, "-00:00"))
}

/// Whether an answer that may change has the form of one, so that it is worth remembering. The go command gets it as it is.
pub(crate) fn is_plausible(target: &Target, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let is_version =
        |line: &str| line.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    match target.what {
        What::Query if target.path.ends_with("/@v/list") => text.trim().is_empty() || text.lines().any(is_version),
        What::Query => serde_json::from_slice::<Map<String, Value>>(bytes).is_ok(),
        What::SumdbLatest => text.starts_with("go.sum database tree\n"),
        What::SumdbSupported | What::File(..) | What::Lookup(_) | What::Tile(_) => true,
    }
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

    fn checked(path: &str, bytes: &[u8], hash: Option<&str>) -> Result<(), Damage> {
        check(&Target::parse(path).unwrap(), &file(bytes), hash)
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
        checked("example.test/dep/@v/v1.0.0.mod", MOD, Some(MOD_HASH)).unwrap();
        checked("example.test/dep/@v/v1.0.0.zip", &dep(), Some(ZIP_HASH)).unwrap();
        for (path, bytes) in [("example.test/dep/@v/v1.0.0.mod", MOD), ("example.test/dep/@v/v1.0.0.zip", &dep())] {
            let wrong = checked(path, bytes, Some("h1:AAAA"));
            assert!(matches!(wrong, Err(Damage::Hash { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn texts_have_their_form() {
        let good = [
            ("a.test/@v/v1.0.0.mod", "// old\nmodule a.test // Deprecated: no\n"),
            ("a.test/@v/v1.0.0.mod", "go 1.21\r\nmodule \"a.test\"\r\n"),
            ("a.test/@v/v1.0.0.mod", "module (\n\ta.test\n)\n"),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}"#),
            (
                "a.test/@v/v1.0.0.info",
                r#"{"version":"v1.0.0","TIME":"2020-01-01T00:00:00.5+01:00","Origin":{"VCS":"git"}}"#,
            ),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.0","Time":null,"Origin":null,"Other":7}"#),
            (
                "sumdb/sum.test/lookup/a.test@v1.0.0",
                "7\na.test v1.0.0 h1:x=\na.test v1.0.0/go.mod h1:y=\n\ngo.sum database tree\n9\nroot\n\n\u{2014} sum.test s\n",
            ),
            ("a.test/@v/list", "<html>"),
        ];
        for (path, text) in good {
            checked(path, text.as_bytes(), None).unwrap();
        }
        let page = "<html><body>Sign in</body></html>";
        for (path, text) in [
            ("a.test/@v/v1.0.0.mod", page),
            ("a.test/@v/v1.0.0.mod", "<html>\nmodule a.test\n</html>\n"),
            ("a.test/@v/v1.0.0.mod", "\u{feff}module a.test\n"),
            ("a.test/@v/v1.0.0.mod", "module not found\n"),
            ("a.test/@v/v1.0.0.mod", "modules are elsewhere\n"),
            ("a.test/@v/v1.0.0.mod", "go 1.21\n"),
            ("a.test/@v/v1.0.0.mod", ""),
            ("a.test/@v/v1.0.0.info", page),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.1"}"#),
            ("a.test/@v/v1.0.0.info", "\u{feff}{\"Version\":\"v1.0.0\"}"),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.0"} x"#),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.0""#),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.0","version":"v1.0.1"}"#),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.0","Time":"yesterday"}"#),
            ("a.test/@v/v1.0.0.info", r#"{"Version":"v1.0.0","Origin":7}"#),
            ("a.test/@v/v1.0.0.info", "null"),
            ("a.test/@v/v1.0.0.info", r#"["v1.0.0"]"#),
            ("sumdb/sum.test/lookup/a.test@v1.0.0", page),
            ("sumdb/sum.test/lookup/a.test@v1.0.0", "7\nb.test v1.0.0 h1:x=\n\nx\n\n\u{2014} s\n"),
            ("sumdb/sum.test/tile/8/0/001", page),
        ] {
            assert!(checked(path, text.as_bytes(), None).is_err(), "{path} {text}");
        }
        checked("sumdb/sum.test/tile/8/0/001", &[0; 8192], None).unwrap();
    }

    #[test]
    fn a_page_in_the_place_of_an_answer_is_not_worth_remembering() {
        let is_plausible = |path: &str, text: &str| is_plausible(&Target::parse(path).unwrap(), text.as_bytes());
        for (path, text) in [
            ("a.test/@v/list", ""),
            ("a.test/@v/list", "garbage\nv1.0.0 2020-01-01T00:00:00Z\n"),
            ("a.test/@latest", r#"{"Version":"v1.0.0"}"#),
            ("a.test/@v/master.info", r#"{"Version":"v1.0.0"}"#),
            ("sumdb/sum.test/latest", "go.sum database tree\n9\nroot\n"),
            ("sumdb/sum.test/supported", ""),
        ] {
            assert!(is_plausible(path, text), "{path} {text}");
            let page = "<html>\n<body>Sign in</body></html>";
            assert!(!is_plausible(path, page) || path.ends_with("supported"), "{path}");
        }
    }

    #[test]
    fn what_was_kept_is_compared_with_its_name() {
        let output = OutputId(Sha256::digest(b"bytes").into());
        is_same(&file(b"bytes"), &output).unwrap();
        assert!(is_same(&file(b"bytez"), &output).is_err());
    }
}
