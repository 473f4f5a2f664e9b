//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer.

use remote::url::{Origin, PlainHttp, Url, is_region};

use crate::credentials::{ProfileError, parse_profile};
use crate::engine::{s3_body, xml};
use crate::object_name::ObjectName;
use crate::secret::Secret;

/// What engines send: an error names a code and a region of a few plain characters, a listing only names of objects, and no
/// document tells more of an element than its text has bytes.
pub fn s3_bodies(bytes: &[u8]) {
    let error = s3_body::error(bytes);
    assert!(error.code.len() <= 64 && error.code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert!(error.region.is_none_or(|region| is_region(&region)));
    for prefix in ["", "go/v1/"] {
        if let Ok(page) = s3_body::listing(bytes, prefix) {
            assert!(
                page.objects.iter().all(|object| ObjectName::parse(object.name.as_str()).as_ref() == Ok(&object.name))
            );
            assert!(page.continuation.is_none_or(|token| !token.is_empty()));
        }
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let mut total = 0;
        let read = xml::read(text, |names, text| {
            assert!(names.iter().all(|name| !name.is_empty()));
            total += text.len();
        });
        assert!(total <= text.len(), "references do not grow");
        assert!(read.is_err() || text.contains('<'));
    }
}

/// A credentials file: the first line is the profile's name. A value can be sent in a header, an error names a line, and nothing of a
/// value is printed.
pub fn credentials(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (profile, text) = text.split_once('\n').unwrap_or(("default", text));
    match parse_profile(text, profile) {
        Ok(Some(found)) => {
            let hidden: Vec<_> = found.keys().map(|key| format!("{key:?}: …")).collect();
            assert_eq!(format!("{found:?}"), format!("{{{}}}", hidden.join(", ")));
            for value in found.values().map(Secret::expose) {
                let is_sendable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
                assert!(is_sendable && !value.is_empty() && value.trim() == value);
            }
        }
        Ok(None) => {}
        Err(ProfileError::Line(line) | ProfileError::NoSection(line) | ProfileError::Value(line)) => {
            assert!((1..=text.split('\n').count()).contains(&line));
        }
    }
}

/// The URL that a user writes: one that is read is written as one with the same meaning, has nothing that is a password, and goes
/// without TLS to this machine alone; an error is one line that has no password.
pub fn urls(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match Url::parse(text, PlainHttp::Loopback) {
        Ok(url) => {
            let written = url.to_string();
            assert_eq!(Url::parse(&written, PlainHttp::Loopback), Ok(url.clone()));
            assert!(
                !written.contains(['@', '?', '#', '%', ' ', '\\']) && !written.contains("/../") && written.is_ascii()
            );
            if let Url::Http { origin, .. } = url {
                assert!(origin.is_tls || origin.is_loopback());
                assert_eq!(Origin::parse(&origin.to_string(), PlainHttp::Loopback), Ok(origin));
            }
        }
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && !told.contains('\n') && (!text.contains('@') || !told.contains('@')));
        }
    }
    drop(Origin::parse(text, PlainHttp::Anywhere));
    if let Ok(name) = ObjectName::parse(text) {
        assert!(Url::parse(&format!("https://host/{name}"), PlainHttp::Loopback).is_ok() || name.as_str().len() > 200);
    }
}

#[test]
fn seeds_pass() {
    testkit::check_seeds("s3_bodies", s3_bodies);
    testkit::check_seeds("credentials", credentials);
    testkit::check_seeds("urls", urls);
}
