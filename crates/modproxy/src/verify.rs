//! Checks that a file is whole and is the requested one: after a download, before it is cached; after a cache hit, before it is
//! served.
//!
//! The go command still compares each file with go.sum or the checksum database itself. This check keeps wrong files of an
//! upstream, by mistake or by intent, out of the cache, so that they are fetched again.

pub(crate) mod content;
mod damage;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(crate) mod gosum;
mod module_zip;
mod zip_end;

use std::fs;

use base64_simd::STANDARD;
use proto::OutputId;
use proto::id::hex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub(crate) use damage::Damage;
use module_zip::Hashes;

use crate::resource::{FileKind, ModuleVersion, Resource, ResourceKind};

/// Whether a file is the requested one: by its form, the checksums in a zip, and its `h1:` hash where that is known.
pub(crate) fn check(resource: &Resource, file: &fs::File, hash: Option<&str>) -> Result<(), Damage> {
    match &resource.kind {
        ResourceKind::File(FileKind::Zip, version) => match hash {
            Some(hash) => compare(&module_zip::hashes(version, file)?, hash),
            None => module_zip::check(version, file),
        },
        ResourceKind::File(FileKind::Mod, _) => go_mod(&content::read(file)?, hash),
        ResourceKind::File(FileKind::Info, version) => info(&content::read(file)?, version),
        ResourceKind::Lookup(version) => lookup(&content::read(file)?, version),
        ResourceKind::Tile(Some(length)) if file.metadata()?.len() != *length => {
            Err(Damage::Is("a tile of another length"))
        }
        ResourceKind::Tile(_) | ResourceKind::Query | ResourceKind::SumdbLatest | ResourceKind::SumdbSupported => {
            Ok(())
        }
    }
}

/// Whether a cached file still has the content that its output id names.
pub(crate) fn check_output(file: &fs::File, output: &OutputId) -> Result<(), Damage> {
    if content::sha256(file)? == output.0 { Ok(()) } else { Err(Damage::Is("not the content that was cached")) }
}

fn go_mod(bytes: &[u8], hash: Option<&str>) -> Result<(), Damage> {
    // Every go.mod has one line that no HTML page and no error text has: `module PATH` or `module (`, perhaps with a comment.
    // A text that begins with `<` is a page whatever follows; one that begins with U+FEFF the go command refuses.
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

fn compare(hashes: &Hashes, expected: &str) -> Result<(), Damage> {
    let mut hasher = Sha256::new();
    for (name, hash) in hashes {
        hasher.update(hex(hash));
        hasher.update(b"  ");
        hasher.update(name);
        hasher.update(b"\n");
    }
    let found = format!("h1:{}", STANDARD.encode_to_string(hasher.finalize()));
    if found == expected { Ok(()) } else { Err(Damage::Hash { found, expected: expected.to_owned() }) }
}

/// cmd/go refuses an answer for another version (cmd/go/internal/modfetch/proxy.go `Stat`), and one with a field of another
/// type (codehost/codehost.go `RevInfo`, Go 1.26). It accepts the field names in upper and lower case.
fn info(bytes: &[u8], ModuleVersion { version, .. }: &ModuleVersion) -> Result<(), Damage> {
    let json = serde_json::from_slice(bytes).ok();
    let is_valid = json.is_some_and(|fields: Map<String, Value>| {
        let field = |name: &'static str| {
            fields.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let versions: Vec<_> = field("Version").collect();
        matches!(versions[..], [Value::String(found)] if found == version)
            && field("Time").all(|time| time.is_null() || time.as_str().is_some_and(is_time))
            && field("Origin").all(|origin| origin.is_null() || origin.is_object())
    });
    if is_valid { Ok(()) } else { Err(Damage::Is("not the information of this version")) }
}

/// Whether a text is a time of RFC 3339.
fn is_time(text: &str) -> bool {
    let has_form = |text: &str, form: &str| {
        let fits = |(b, f): (u8, u8)| if f == b'0' { b.is_ascii_digit() } else { b == f };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
    };
    let Some((seconds, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else { return false };
    let zone = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    has_form(seconds, "0000-00-00T00:00:00") && (zone == "Z" || has_form(zone, "+00:00") || has_form(zone, "-00:00"))
}

/// Whether a changeable answer has the form of one, so that it is worth remembering. The go command gets it in any case.
pub(crate) fn is_plausible(resource: &Resource, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let is_version =
        |line: &str| line.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    match resource.kind {
        ResourceKind::Query if resource.path.ends_with("/@v/list") => {
            text.trim().is_empty() || text.lines().any(is_version)
        }
        ResourceKind::Query => serde_json::from_slice::<Map<String, Value>>(bytes).is_ok(),
        ResourceKind::SumdbLatest => text.starts_with("go.sum database tree\n"),
        ResourceKind::SumdbSupported | ResourceKind::File(..) | ResourceKind::Lookup(_) | ResourceKind::Tile(_) => true,
    }
}

/// A number, the lines of go.sum for the version, and a signed note. The go command checks the signature.
fn lookup(bytes: &[u8], version: &ModuleVersion) -> Result<(), Damage> {
    let text = str::from_utf8(bytes).ok();
    let is_valid = text.and_then(|text| {
        let (record, note) = text.split_once("\n\n")?;
        let has_number = record.lines().next()?.parse::<u64>().is_ok();
        let has_hashes =
            [FileKind::Zip, FileKind::Mod].iter().all(|&file| gosum::hash_in(record, file, version).is_some());
        Some(has_number && has_hashes && note.contains("\n\n\u{2014} "))
    });
    if is_valid == Some(true) { Ok(()) } else { Err(Damage::Is("not an answer of a checksum database")) }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;

    fn file(bytes: &[u8]) -> fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn checked(path: &str, bytes: &[u8], hash: Option<&str>) -> Result<(), Damage> {
        check(&Resource::parse(path).unwrap(), &file(bytes), hash)
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
    fn mod_info_and_lookup_files_are_checked_by_their_form() {
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
            (
                "a.test/@v/v1.0.0.info",
                &format!(r#"{{"Version":"v1.0.0","X":{}{}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20)),
            ),
            ("sumdb/sum.test/lookup/a.test@v1.0.0", page),
            ("sumdb/sum.test/lookup/a.test@v1.0.0", "7\nb.test v1.0.0 h1:x=\n\nx\n\n\u{2014} s\n"),
            (
                "sumdb/sum.test/lookup/a.test@v1.0.0", // of another version
                "7\na.test v1.0.1 h1:x=\na.test v1.0.1/go.mod h1:y=\n\nx\n\n\u{2014} s\n",
            ),
            (
                "sumdb/sum.test/lookup/a.test@v1.0.0", // without a signature
                "7\na.test v1.0.0 h1:x=\na.test v1.0.0/go.mod h1:y=\n\ngo.sum database tree\n9\nroot\n",
            ),
            ("sumdb/sum.test/lookup/a.test@v1.0.0", "7\na.test v1.0.0 h1:x=\n\nx\n\n\u{2014} s\n"), // of its go.mod no hash
            ("sumdb/sum.test/tile/8/0/001", page),
        ] {
            assert!(checked(path, text.as_bytes(), None).is_err(), "{path} {text}");
        }
        checked("sumdb/sum.test/tile/8/0/001", &[0; 8192], None).unwrap();
    }

    #[test]
    fn an_html_page_is_not_remembered_as_an_answer() {
        let is_plausible = |path: &str, text: &str| is_plausible(&Resource::parse(path).unwrap(), text.as_bytes());
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
    fn a_cached_file_is_compared_with_its_output_id() {
        let output = OutputId(Sha256::digest(b"bytes").into());
        check_output(&file(b"bytes"), &output).unwrap();
        assert!(check_output(&file(b"bytez"), &output).is_err());
    }
}
