//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer. Those of downloaded
//! files are in verify/.

use crate::goproxy_list;
use crate::http;
use crate::netrc::Netrc;
use crate::resource::{FileKind, Resource, ResourceKind};

pub use crate::verify::fuzzing::{module_zip, proxy_files};

/// Requests of a go command: one that came whole is the same with more behind it and is not whole with less, no other host is
/// served, and a path that is asked for names what it is made of. And the lists that users write.
pub fn http(bytes: &[u8]) {
    if let Ok(Some((request, length))) = http::parse(bytes) {
        assert_eq!(whole(&bytes[..length]), Some((request.path.clone(), length)));
        assert!(matches!(http::parse(&bytes[..length - 1]), Ok(None)));
        // A request may come after empty lines.
        let start = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(0);
        if let Some(line) = bytes[start..].iter().position(|&byte| byte == b'\n') {
            let (first, rest) = bytes.split_at(start + line + 1);
            let elsewhere = [first, b"Host: elsewhere.example\r\n", rest].concat();
            assert!(!matches!(http::parse(&elsewhere), Ok(Some(_))), "another host is served");
        }
        // server.rs takes the secret off, which is the first part.
        resource(request.path.split_once('/').map_or("", |(_, path)| path));
    }
    if let Ok(text) = str::from_utf8(bytes) {
        text.lines().for_each(resource);
        drop(goproxy_list::parse(text));
        let (host, _) = text.split_once('\n').unwrap_or_default();
        drop(Netrc::parse(text).login(host));
    }
}

fn whole(bytes: &[u8]) -> Option<(String, usize)> {
    http::parse(bytes).ok().flatten().map(|(request, length)| (request.path, length))
}

fn resource(path: &str) {
    let Some(resource) = Resource::parse(path) else { return };
    assert_eq!(resource.path, path);
    let leads_elsewhere = path.split('/').any(|part| matches!(part, "" | "." | ".."));
    assert!(!leads_elsewhere && !path.contains(['?', '#', '\\', '%', '\n']), "{path:?}");
    match &resource.kind {
        ResourceKind::File(file, version) => {
            let ending = match file {
                FileKind::Info => "info",
                FileKind::Mod => "mod",
                FileKind::Zip => "zip",
            };
            assert_eq!(format!("{}/@v/{}.{ending}", escaped(&version.module), escaped(&version.version)), path);
        }
        ResourceKind::Lookup(version) => {
            let lookup = format!("/lookup/{}@{}", escaped(&version.module), escaped(&version.version));
            assert!(path.starts_with("sumdb/") && path.ends_with(&lookup));
        }
        ResourceKind::Tile(length) => assert!(length.is_none_or(|length| (32..=32 << 30).contains(&length))),
        ResourceKind::Query | ResourceKind::SumdbLatest | ResourceKind::SumdbSupported => {}
    }
}

/// golang.org/x/mod/module `escapeString`.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |text, letter| match letter {
        'A'..='Z' => text + "!" + &letter.to_ascii_lowercase().to_string(),
        _ => text + &letter.to_string(),
    })
}

#[test]
fn seeds_pass() {
    testkit::check_seeds("http", http);
    testkit::check_seeds("proxy_files", proxy_files);
    testkit::check_seeds("module_zip", module_zip);
}
