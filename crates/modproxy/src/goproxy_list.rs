//! The GOPROXY list, as cmd/go/internal/modfetch/proxy.go `proxyList` reads it (Go 1.21-1.27). Pure.
//!
//! The list ends here at `direct` or `off`: the go command handles what follows itself, and everything that this proxy
//! answers with an error.

use percent_encoding::percent_decode_str;
use ureq::http::Uri;

/// One proxy of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As written, with user and password: part of the cache key.
    pub text: String,
    /// Where it is.
    pub location: Location,
    /// What follows an error other than "not found".
    pub on_error: OnError,
}

/// Where a proxy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A server.
    Server {
        /// Scheme, host, port and path, without a final slash and without user and password.
        base: String,
        /// A query that each request keeps, with its question mark; mostly empty.
        query: String,
        /// User and password of the URL, decoded.
        login: Option<(String, String)>,
    },
    /// A directory.
    Directory(String),
}

/// The meaning of a separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// `,`, or the end of the list: the error is the answer.
    Stop,
    /// `|`: the next entry is asked.
    TryNext,
}

/// A list that the go command refuses as well, or that this proxy cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("GOPROXY has an entry that is no proxy: {0}")]
pub struct ListError(&'static str);

/// The proxies before the first `direct` or `off`.
///
/// # Errors
/// A [`ListError`], without the entry, which may hold a password.
pub fn parse(list: &str) -> Result<Vec<Entry>, ListError> {
    let mut entries = Vec::new();
    for piece in list.split_inclusive([',', '|']) {
        let on_error = if piece.ends_with('|') { OnError::TryNext } else { OnError::Stop };
        let text = piece.trim_end_matches([',', '|']).trim();
        match text {
            "" => continue,
            "off" | "direct" => break,
            _ => entries.push(entry(text, on_error)?),
        }
    }
    Ok(entries)
}

fn entry(text: &str, on_error: OnError) -> Result<Entry, ListError> {
    let is_host = text.contains(['.', ':', '/']) && !text.contains(":/") && !text.starts_with('/');
    let text = if is_host { format!("https://{text}") } else { text.to_owned() };
    if let Some(path) = text.strip_prefix("file://") {
        // Only a path: no host, query or fragment.
        if !path.starts_with('/') || path.contains(['?', '#']) {
            return Err(ListError("a file URL with more than a path"));
        }
        let path = percent_decode_str(path.trim_end_matches('/')).decode_utf8();
        let path = path.map_err(|_| ListError("a file URL that is not UTF-8"))?.into_owned();
        return Ok(Entry { text, location: Location::Directory(path), on_error });
    }
    let uri: Uri = text.parse().map_err(|_| ListError("not a URL"))?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(ListError("neither http, https nor file"));
    };
    let (login, host) = match authority.as_str().rsplit_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority.as_str()),
    };
    let login = login.map(|login| {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        (decoded(user), decoded(password))
    });
    if login.is_some() && scheme == "http" {
        return Err(ListError("a password for a server without TLS, which the go command refuses to send"));
    }
    let base = format!("{scheme}://{host}{}", uri.path().trim_end_matches('/'));
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(Entry { location: Location::Server { base, query, login }, text, on_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(base: &str) -> Location {
        Location::Server { base: base.into(), query: String::new(), login: None }
    }

    #[test]
    fn the_list_is_read_as_cmd_go_reads_it() {
        let read =
            parse(" https://a.test/x/ , b.test:8080|file:///srv/a%20b|,,http://c.test,direct,https://d.test").unwrap();
        let locations: Vec<_> = read.iter().map(|entry| (entry.location.clone(), entry.on_error)).collect();
        assert_eq!(
            locations,
            [
                (server("https://a.test/x"), OnError::Stop),
                (server("https://b.test:8080"), OnError::TryNext),
                (Location::Directory("/srv/a b".into()), OnError::TryNext),
                (server("http://c.test"), OnError::Stop),
            ]
        );
        for empty in ["", "off", "direct", ",", "direct,https://a.test", "off|https://a.test"] {
            assert_eq!(parse(empty), Ok(Vec::new()), "{empty}");
        }
    }

    #[test]
    fn a_password_is_not_in_the_address_and_stays_in_the_text() {
        let read = parse("https://me:p%40ss@a.test/x?y=1").unwrap().remove(0);
        let login = Some(("me".to_owned(), "p@ss".to_owned()));
        assert_eq!(read.location, Location::Server { base: "https://a.test/x".into(), query: "?y=1".into(), login });
        assert!(read.text.contains("p%40ss"));
    }

    #[test]
    fn a_list_that_the_go_command_refuses_is_an_error() {
        for bad in ["word", "ftp://a.test", "file://host/x", "file:///x?y", "http://me:pw@a.test", "https://", "/srv/x"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
