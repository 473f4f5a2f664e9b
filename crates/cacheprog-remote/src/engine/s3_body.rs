//! The bodies that S3 engines send: an error, and a page of a listing (`ListObjectsV2`). Pure.

use std::time::SystemTime;

use percent_encoding::percent_decode_str;
use remote::url::is_region;

use super::xml::{self, XmlError};
use crate::object_name::ObjectName;

/// What is used of an error's body. Its message is not: it is a text of the engine, and may repeat what was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct S3Error {
    /// Such as `NoSuchKey`: letters and digits, at most 64.
    pub(crate) code: String,
    /// The region in which the bucket lies.
    pub(crate) region: Option<String>,
}

/// A page of the names of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The objects that can have been put by this project, in the engine's order.
    pub objects: Vec<ListedObject>,
    /// How many objects have names that no object of this project can have.
    pub others: u64,
    /// How to ask for the next page, if there is one.
    pub continuation: Option<String>,
    /// The engine's clock when it answered, if it told.
    pub date: Option<SystemTime>,
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its name below the URL's prefix.
    pub name: ObjectName,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, by the engine's clock.
    pub modified: SystemTime,
}

/// Reads an error's body; the default where it is none.
pub(crate) fn error(body: &[u8]) -> S3Error {
    let mut found = S3Error::default();
    let text = str::from_utf8(body).unwrap_or_default();
    let read = xml::read(text, |names, text| match names {
        ["Error", "Code"] if is_code(text) => text.clone_into(&mut found.code),
        // AWS names the expected region in an element of its own, besides the message.
        ["Error", "Region"] if is_region(text) => found.region = Some(text.to_owned()),
        ["Error", "Message"] if found.region.is_none() => found.region = expected_region(text),
        _ => {}
    });
    if read.is_ok() { found } else { S3Error::default() }
}

/// The region that a message names as the right one, of an engine that sends no element for it.
fn expected_region(message: &str) -> Option<String> {
    let (_, after) = message.split_once("expecting '")?;
    after.split('\'').next().filter(|region| is_region(region)).map(str::to_owned)
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Key, size and time of an object, as they stand in a listing.
type Fields = [String; 3];

/// Reads a page of a listing. `prefix` is what stands before our names, with its slash.
pub(crate) fn listing(body: &[u8], prefix: &str) -> Result<Listing, XmlError> {
    let text = str::from_utf8(body).map_err(|_| XmlError)?;
    let (mut found, mut root) = (Vec::<Fields>::new(), false);
    let [mut key, mut size, mut modified] = Fields::default();
    let (mut is_truncated, mut next, mut is_escaped) = (false, None, false);
    xml::read(text, |names, text| match names {
        ["ListBucketResult", "Contents", "Key"] => text.clone_into(&mut key),
        ["ListBucketResult", "Contents", "Size"] => text.clone_into(&mut size),
        ["ListBucketResult", "Contents", "LastModified"] => text.clone_into(&mut modified),
        ["ListBucketResult", "Contents"] => found.push([&mut key, &mut size, &mut modified].map(std::mem::take)),
        ["ListBucketResult", "EncodingType"] => is_escaped = text == "url",
        ["ListBucketResult", "IsTruncated"] => is_truncated = text == "true",
        ["ListBucketResult", "NextContinuationToken"] => next = Some(text.to_owned()),
        ["ListBucketResult"] => root = true,
        _ => {}
    })?;
    let continuation = next.filter(|_| is_truncated);
    // A page that says that there are more, and not how to get them, must not pass for the last one.
    let is_complete = !is_truncated || continuation.as_ref().is_some_and(|token| !token.is_empty());
    if !root || !is_complete {
        return Err(XmlError);
    }
    let mut page = Listing { continuation, ..Listing::default() };
    for [key, size, modified] in found {
        // Garage escapes slashes too, AWS and Swift do not.
        let key = if is_escaped { percent_decode_str(&key).decode_utf8_lossy() } else { key.into() };
        let Some(name) = key.strip_prefix(prefix).and_then(|name| ObjectName::parse(name).ok()) else {
            page.others += 1;
            continue;
        };
        let size = size.parse().map_err(|_| XmlError)?;
        let modified = humantime::parse_rfc3339(&modified).map_err(|_| XmlError)?;
        page.objects.push(ListedObject { name, size, modified });
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// Pages in the form of three engines, which are seeds of the fuzzer too. That of Swift 2.38.3 was recorded; the others are as their
    /// documentation (AWS) and source (Garage 2.5) have them.
    const AWS: &str = include_str!("../../../../fuzz/seeds/s3_bodies/listing_aws");
    const SWIFT: &str = include_str!("../../../../fuzz/seeds/s3_bodies/listing_swift");
    const GARAGE: &str = include_str!("../../../../fuzz/seeds/s3_bodies/listing_garage");

    #[test]
    fn an_error_is_its_code_and_region() {
        let read = |text: &str| error(text.as_bytes());
        let both = read(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization \
             header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>",
        );
        let expected = S3Error { code: "AuthorizationHeaderMalformed".into(), region: Some("eu-west-1".into()) };
        assert_eq!(both, expected);
        let message =
            read("<Error><Message>x; expecting 'garage'</Message><Code>AuthorizationHeaderMalformed</Code></Error>");
        assert_eq!(message.region.as_deref(), Some("garage"));
        for other in ["", "<html><body>403</body></html>", "<Error><Code>a b</Code></Error>", "<Error><Code>X</Code>"] {
            assert_eq!(read(other), S3Error::default(), "{other}");
        }
        assert_eq!(read("<Error><Region>a/b.evil</Region></Error>").region, None);
    }

    #[test]
    fn a_page_has_our_objects_and_the_next_page() {
        let page = |contents: &str, end: &str| {
            let text = format!(
                "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{contents}{end}</ListBucketResult>"
            );
            listing(text.as_bytes(), "go/")
        };
        let object = |key: &str, size: &str| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>1970-01-01T00:01:00.500Z</LastModified><Size>{size}</Size></Contents>"
            )
        };
        let contents = object("go/o/0a", "7") + &object("go/README.md", "x") + &object("other/o/1", "1");
        let listed = ListedObject {
            name: ObjectName::parse("o/0a").unwrap(),
            size: 7,
            modified: UNIX_EPOCH + Duration::from_millis(60_500),
        };
        let next = "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b=</NextContinuationToken>";
        let expected = Listing { objects: vec![listed], others: 2, continuation: Some("a&b=".into()), date: None };
        assert_eq!(page(&contents, next).unwrap(), expected);
        assert_eq!(page("", "<IsTruncated>false</IsTruncated>").unwrap(), Listing::default());
        for (contents, end) in [("", "<IsTruncated>true</IsTruncated>"), (&*object("go/a", "-1"), ""), ("<a>", "")] {
            assert_eq!(page(contents, end), Err(XmlError), "{contents} {end}");
        }
        assert_eq!(listing(b"<Error/>", ""), Err(XmlError));
    }

    /// Names, and times in milliseconds since 1970, of what an engine sent for a list of `go/p/`; and how to go on.
    fn recorded(text: &str) -> (Vec<(String, u64, u128)>, u64, Option<String>) {
        let page = listing(text.as_bytes(), "go/").unwrap();
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let objects = page.objects.iter().map(|object| (object.name.to_string(), object.size, since(object.modified)));
        (objects.collect(), page.others, page.continuation)
    }

    #[test]
    fn pages_of_engines_are_read() {
        let found = |milliseconds: u128| vec![("p/0a".to_owned(), 434_234, 1_795_806_630_000 + milliseconds)];
        // AWS: a token is its own, and may have what a URL escapes. A foreign name has a control character.
        let token = "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=".to_owned();
        assert_eq!(recorded(AWS), (found(0), 1, Some(token)));
        // Swift: the token is the last name, in base64; times are rounded up to seconds.
        assert_eq!(recorded(SWIFT), (found(0), 1, Some("Z28vcC8wYQ==".to_owned())));
        // Garage: slashes are escaped too.
        assert_eq!(recorded(GARAGE), (found(123), 1, None));
        // An engine without fractions of seconds, which does not know `encoding-type`.
        let other = GARAGE.replace(".123Z", "Z").replace("<EncodingType>url</EncodingType>", "").replace("%2F", "/");
        assert_eq!(recorded(&other), (found(0), 1, None));
    }

    #[test]
    fn a_page_with_a_time_that_cannot_be_read_is_none() {
        for other in ["", "yesterday", "2026-11-27T20:10:30.000+01:00", "Fri, 27 Nov 2026 19:10:30 GMT"] {
            let changed = SWIFT.replace("2026-11-27T19:10:30.000Z", other);
            assert_eq!(listing(changed.as_bytes(), "go/"), Err(XmlError), "{other}");
        }
    }
}
