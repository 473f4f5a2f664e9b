//! A request as both faces see it: method, path, query, headers, body. Percent-encoding is in this file alone.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::reply::ApiError;

/// All but the unreserved characters of RFC 3986, which is what `SigV4` encodes.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const RESERVED_IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

/// A request, with its body once that was read.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query as they were sent.
    pub(crate) target: String,
    /// The path, decoded.
    pub(crate) path: String,
    /// The query, decoded.
    pub(crate) query: Vec<(String, String)>,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str, headers: Vec<(String, String)>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        };
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            path: decoded(path),
            query: pairs.map(pair).collect(),
            headers,
            body: Vec::new(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// The part of a body of so many bytes that is asked for, as its begin and end; none: all of it. One range alone is served:
    /// engines treat several in three ways, so that a client must not send them.
    pub(crate) fn range(&self, length: usize) -> Result<Option<(usize, usize)>, ApiError> {
        let Some(range) = self.header("range") else { return Ok(None) };
        let malformed = || ApiError::not_implemented(&format!("the range {range:?}; one range of bytes is served"));
        let (first, last) =
            range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(malformed)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| malformed());
        let (begin, end) = match (first, last) {
            ("", last) => (length.saturating_sub(number(last)?), length),
            (first, "") => (number(first)?, length),
            (first, last) => (number(first)?, number(last)?.saturating_add(1).min(length)),
        };
        if begin >= end {
            let range = ("Content-Range", format!("bytes */{length}"));
            return Err(ApiError::new(416, "InvalidRange", "The requested range is not satisfiable").with_header(range));
        }
        Ok(Some((begin, end)))
    }
}

/// As `SigV4` writes the path.
pub(crate) fn encoded_path(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_PATHS).to_string()
}

/// As `SigV4` writes names and values of the query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = |text: &str| {
            let request = Request::new("GET", "/", vec![("range".to_owned(), text.to_owned())]);
            request.range(10).map_err(|error| error.status)
        };
        assert_eq!(range("bytes=0-9"), Ok(Some((0, 10))));
        assert_eq!(range("bytes=9-100"), Ok(Some((9, 10))));
        assert_eq!(range("bytes=4-"), Ok(Some((4, 10))));
        assert_eq!(range("bytes=-3"), Ok(Some((7, 10))));
        assert_eq!(range("bytes=-30"), Ok(Some((0, 10))));
        assert_eq!([range("bytes=10-"), range("bytes=-0"), range("bytes=5-4")], [Err(416), Err(416), Err(416)]);
        assert_eq!([range("bytes=0-1,3-4"), range("lines=1-2"), range("bytes=1")], [Err(501), Err(501), Err(501)]);
    }
}
