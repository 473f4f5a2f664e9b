//! Where a redirect leads, as Go's HTTP client follows it (net/http/client.go `do`, `redirectBehavior`, `shouldCopyHeaderOnRedirect`,
//! Go 1.26). Pure.
//!
//! The HTTP library would follow redirects too, with the HTTP proxy of the first host for all of them, and after it has read the
//! redirect's body to its end, which need not come.

use ureq::http::{HeaderMap, Uri};

/// The address that a response names in the place of its file, if it does: an empty one is none.
pub(crate) fn location(status: u16, headers: &HeaderMap) -> Option<String> {
    let location = headers.get("location").filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308))?;
    (!location.is_empty()).then(|| String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// That address as a URL; `None` where it is not one of HTTP, or where it would lead from TLS to none.
pub(crate) fn target(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let to: Uri = if location.split(['/', '?']).next().unwrap_or_default().contains(':') {
        location.parse()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}").parse()
    } else {
        let path = if location.starts_with('/') {
            location.to_owned()
        } else if location.is_empty() || location.starts_with('?') {
            format!("{}{location}", from.path())
        } else {
            relative(from.path(), location)
        };
        format!("{scheme}://{authority}{path}").parse()
    }
    .ok()?;
    let is_as_safe = to.scheme_str() == Some("https") || (scheme, to.scheme_str()) == ("http", Some("http"));
    (is_as_safe && to.host().is_some_and(|host| !host.is_empty())).then_some(to)
}

/// A path that is relative to another one.
fn relative(from: &str, location: &str) -> String {
    let (path, query) = location.split_once('?').map_or((location, None), |(path, query)| (path, Some(query)));
    let mut names: Vec<_> = from.split('/').skip(1).collect();
    names.pop();
    for name in path.split('/') {
        match name {
            "." => {}
            ".." => drop(names.pop()),
            other => names.push(other),
        }
    }
    format!("/{}{}", names.join("/"), query.map(|query| format!("?{query}")).unwrap_or_default())
}

/// Whether the password for the first address goes to this one too: to the same host, with TLS. Go sends it to hosts below that one
/// as well (`isDomainOrSubdomain`), which here get none.
pub(crate) fn keeps_login(first: &Uri, to: &Uri) -> bool {
    to.scheme_str() == Some("https") && first.host() == to.host()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_a_reference() {
        let from: Uri = "https://a.test:8443/x/@v/v1.mod?y=1".parse().unwrap();
        let to = |location: &str| target(&from, location).map(|to| to.to_string());
        for (location, expected) in [
            ("https://b.test/z?q=a%2Fb#part", "https://b.test/z?q=a%2Fb"),
            ("//b.test/z", "https://b.test/z"),
            ("/z?t=http://x", "https://a.test:8443/z?t=http://x"),
            ("v2.mod", "https://a.test:8443/x/@v/v2.mod"),
            ("../../z/./w?q=../r", "https://a.test:8443/z/w?q=../r"),
            ("../../../../z", "https://a.test:8443/z"),
            ("?q", "https://a.test:8443/x/@v/v1.mod?q"),
            ("", "https://a.test:8443/x/@v/v1.mod"),
        ] {
            assert_eq!(to(location).as_deref(), Some(expected), "{location}");
        }
        for bad in [
            "http://b.test/",
            "file:///etc/passwd",
            "file:/x",
            "data:,x",
            "https:///x",
            "https:x",
            "//",
            "a b",
            "\u{7f}:",
        ] {
            assert_eq!(to(bad), None, "{bad}");
        }
        let plain: Uri = "http://a.test/x".parse().unwrap();
        assert_eq!(target(&plain, "http://b.test/").unwrap().host(), Some("b.test"));
        assert!(target(&plain, "https://b.test/").is_some() && target(&plain, "ftp://b.test/").is_none());
    }

    #[test]
    fn a_login_stays_with_its_host() {
        let first: Uri = "https://a.test/x".parse().unwrap();
        for (to, keeps) in [
            ("https://a.test:9/y", true),
            ("https://sub.a.test/", false),
            ("https://b.test/", false),
            ("http://a.test/", false),
        ] {
            assert_eq!(keeps_login(&first, &to.parse().unwrap()), keeps, "{to}");
        }
    }
}
