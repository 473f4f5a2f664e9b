//! Where a redirect leads, and what may go with the request. Pure.
//!
//! The rule: an `Authorization` header goes to the server it was made for, and to no other. An endpoint of the same S3 service in
//! another region gets a signature of its own. Never from TLS to none.

use remote::url::{Origin, PlainHttp};
use ureq::http::Uri;

use super::address::{Bucket, Target};

/// How the request is authorized at the new address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Authorization {
    /// As at the first address.
    Same,
    /// With a signature for this region.
    Region(String),
    /// Not at all.
    None,
}

/// The new address of a request, and how it is authorized there; `Err` with what is wrong with the address. `first` is where the
/// request went before all redirects; `is_authorized`, whether the latest address got an authorization: after a foreign server
/// none comes back, since that server chose this address.
pub(crate) fn follow(
    first: &Origin,
    from: &Target,
    location: &str,
    bucket: Option<&Bucket>,
    is_authorized: bool,
) -> Result<(Target, Authorization), &'static str> {
    let target = resolve(from, location).ok_or("a redirect without an address that can be used")?;
    if from.origin.is_tls && !target.origin.is_tls {
        return Err("a redirect from https to http");
    }
    let is_same = target.origin == *first;
    let region = || {
        bucket?.region_of_sibling(&target.origin.host).filter(|_| target.origin.is_tls && target.origin.port.is_none())
    };
    let authorization = match is_authorized {
        false => Authorization::None,
        true if is_same => Authorization::Same,
        true => region().map_or(Authorization::None, Authorization::Region),
    };
    Ok((target, authorization))
}

/// The address of a `Location` header: with a scheme, or relative to a server.
fn resolve(from: &Target, location: &str) -> Option<Target> {
    let location = location.split('#').next().unwrap_or_default();
    let uri: Uri = match location {
        _ if location.starts_with("//") => format!("{}:{location}", if from.origin.is_tls { "https" } else { "http" }),
        _ if location.starts_with('/') => format!("{}{location}", from.origin),
        _ => location.to_owned(),
    }
    .parse()
    .ok()?;
    // Also refuses `user:password@`.
    let origin = Origin::parse(&format!("{}://{}", uri.scheme_str()?, uri.authority()?), PlainHttp::Anywhere).ok()?;
    Some(Target { origin, path: uri.path().to_owned(), query: uri.query().unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text, PlainHttp::Anywhere).unwrap()
    }

    fn target(text: &str) -> Target {
        Target { origin: origin(text), path: "/b-1/o/0a".into(), query: String::new() }
    }

    /// The new address with its query, and the authorization.
    fn follow_from(from: &str, location: &str) -> Result<(String, Authorization), &'static str> {
        let bucket = Bucket::new(Some(origin(from)), "b-1".into(), String::new(), None);
        let (target, authorization) = follow(&origin(from), &target(from), location, Some(&bucket), true)?;
        Ok((target.uri().unwrap().to_string(), authorization))
    }

    #[test]
    fn an_authorization_stays_with_its_server() {
        let aws = "https://s3.eu-west-1.amazonaws.com";
        let us = "https://b-1.s3.us-west-2.amazonaws.com/o/0a";
        for (from, location, expected) in [
            (aws, "/x?y=1", Authorization::Same),
            (aws, "https://s3.eu-west-1.amazonaws.com:443/x", Authorization::Same),
            (aws, us, Authorization::Region("us-west-2".into())),
            (aws, "https://b-1.s3.us-west-2.amazonaws.com:8443/x", Authorization::None),
            (aws, "https://evil.test/x", Authorization::None),
            (aws, "//evil.test/x", Authorization::None),
            ("https://a.test", "https://a.test:8443/x", Authorization::None),
            ("https://a.test", "https://sub.a.test/x", Authorization::None),
            ("http://a.test", "https://a.test/x", Authorization::None),
        ] {
            assert_eq!(follow_from(from, location).unwrap().1, expected, "{from} {location}");
        }
        assert_eq!(follow_from(aws, "/x?y=1").unwrap().0, "https://s3.eu-west-1.amazonaws.com/x?y=1");
        assert_eq!(follow_from(aws, us).unwrap().0, us);
        let (first, here) = (origin("https://a.test"), target("https://evil.test"));
        let back = follow(&first, &here, "https://a.test/x", None, false).unwrap();
        assert_eq!(back.1, Authorization::None, "an address that a foreign server chose");
    }

    #[test]
    fn other_addresses_are_refused() {
        for location in [
            "",
            "x",
            "http://a.test/x",
            "ftp://a.test/",
            "https://u:p@a.test/",
            "https://",
            "file:///etc/passwd",
            "https://a b/",
        ] {
            assert!(follow_from("https://a.test", location).is_err(), "{location}");
        }
        assert!(follow_from("http://a.test", "http://b.test/").is_ok());
    }
}
