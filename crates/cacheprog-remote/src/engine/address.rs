//! Where an object is asked for: host and path, in S3's two styles, and the region that an endpoint's name has. Pure.

use remote::url::{Addressing, Origin, is_region};
use ureq::http::Uri;

use crate::object_name::ObjectName;

/// The region where nothing names one. Engines that have none accept it.
const DEFAULT_REGION: &str = "us-east-1";

/// Ends of the names of AWS' endpoints.
const AWS: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];

/// A bucket at an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    endpoint: Origin,
    name: String,
    prefix: String,
    addressing: Addressing,
}

/// Where one request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) origin: Origin,
    /// Escaped, with its first slash.
    pub(crate) path: String,
    /// Escaped, without `?`; may be empty.
    pub(crate) query: String,
}

impl Target {
    /// The URL without its query, for people.
    pub(crate) fn shown(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// The URL of the request.
    pub(crate) fn uri(&self) -> Result<Uri, ureq::http::uri::InvalidUri> {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{}", self.origin, self.path, self.query).parse()
    }
}

impl Bucket {
    /// A bucket. Without an endpoint it is one of AWS. Path style is the default of all others, and of names that a certificate for
    /// `*.host` does not cover.
    pub(crate) fn new(endpoint: Option<Origin>, name: String, prefix: String, addressing: Option<Addressing>) -> Self {
        let aws = Origin { is_tls: true, host: format!("s3.{}", AWS[0]), port: None };
        let endpoint = endpoint.unwrap_or(aws);
        let is_virtual = aws_suffix(&endpoint.host).is_some() && !name.contains('.');
        let default = if is_virtual { Addressing::VirtualHost } else { Addressing::Path };
        Self { endpoint, name, prefix, addressing: addressing.unwrap_or(default) }
    }

    /// The region in the endpoint's name, or the default.
    pub(crate) fn region(&self) -> String {
        region_of(&self.endpoint.host).unwrap_or_else(|| DEFAULT_REGION.to_owned())
    }

    /// What stands before the names of objects in a listing.
    pub(crate) fn key_prefix(&self) -> String {
        if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) }
    }

    /// Where an object is, or the bucket itself.
    pub(crate) fn target(&self, object: Option<&ObjectName>, region: &str) -> Target {
        let mut origin = self.endpoint.clone();
        if let Some(suffix) = aws_suffix(&origin.host) {
            origin.host = format!("s3.{region}.{suffix}");
        }
        let key = object.map(|object| format!("{}{object}", self.key_prefix())).unwrap_or_default();
        let path = match self.addressing {
            Addressing::VirtualHost => {
                origin.host = format!("{}.{}", self.name, origin.host);
                format!("/{key}")
            }
            Addressing::Path if key.is_empty() => format!("/{}", self.name),
            Addressing::Path => format!("/{}/{key}", self.name),
        };
        Target { origin, path, query: String::new() }
    }

    /// The region of a host, if it is an endpoint of the same service in another region, with or without the bucket's name: then a
    /// request to it is signed again.
    pub(crate) fn region_of_sibling(&self, host: &str) -> Option<String> {
        let host = host.strip_prefix(&format!("{}.", self.name)).unwrap_or(host);
        let region = region_of(host)?;
        (service(host)? == service(&self.endpoint.host)?).then_some(region)
    }
}

/// AWS' own end of a name such as `s3.eu-west-1.amazonaws.com`. Names of access points and of other services have none.
fn aws_suffix(host: &str) -> Option<&'static str> {
    let suffix = AWS.into_iter().find(|suffix| host.ends_with(&format!(".{suffix}")))?;
    let before = host.strip_suffix(suffix)?.trim_end_matches('.');
    let is_s3 = before == "s3"
        || before.strip_prefix("s3").is_some_and(|rest| is_region(&rest[1..]) && rest.starts_with(['.', '-']));
    is_s3.then_some(suffix)
}

/// The region in a name such as `s3.eu-west-1.amazonaws.com`, `s3-eu-west-1.…`, `s3.dualstack.eu-west-1.…`, `s3.fr-par.scw.cloud`.
fn region_of(host: &str) -> Option<String> {
    if host.ends_with(".r2.cloudflarestorage.com") {
        return Some("auto".to_owned());
    }
    if AWS.iter().any(|suffix| host == format!("s3.{suffix}")) {
        return Some(DEFAULT_REGION.to_owned());
    }
    let label = parts(host)?.0;
    // `s3.my-company.com` has no region: the end of the name has two parts at least.
    (label.contains('-') && is_region(label)).then(|| label.to_owned())
}

/// The end of the name of a service, which its regions share.
fn service(host: &str) -> Option<&str> {
    AWS.into_iter().find(|suffix| host == format!("s3.{suffix}")).or_else(|| Some(parts(host)?.1))
}

/// The part after `s3.` or `s3-`, and the rest, which has two parts at least.
fn parts(host: &str) -> Option<(&str, &str)> {
    let rest = host.strip_prefix("s3.").or_else(|| host.strip_prefix("s3-"))?;
    let rest = rest.strip_prefix("dualstack.").unwrap_or(rest);
    rest.split_once('.').filter(|(_, suffix)| suffix.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use remote::url::PlainHttp;

    fn bucket(endpoint: &str, name: &str, addressing: Option<Addressing>) -> Bucket {
        let endpoint = (!endpoint.is_empty()).then(|| Origin::parse(endpoint, PlainHttp::Loopback).unwrap());
        Bucket::new(endpoint, name.to_owned(), "go/v1".to_owned(), addressing)
    }

    #[test]
    fn objects_are_addressed_in_both_styles() {
        let object = ObjectName::parse("o/0a").unwrap();
        let shown = |bucket: &Bucket, region: &str| bucket.target(Some(&object), region).shown();
        let aws = bucket("", "b-1", None);
        assert_eq!(aws.region(), "us-east-1");
        assert_eq!(shown(&aws, "us-east-1"), "https://b-1.s3.us-east-1.amazonaws.com/go/v1/o/0a");
        assert_eq!(shown(&aws, "eu-west-1"), "https://b-1.s3.eu-west-1.amazonaws.com/go/v1/o/0a");
        let dots = bucket("https://s3-eu-west-1.amazonaws.com", "b.1", None);
        assert_eq!(shown(&dots, &dots.region()), "https://s3.eu-west-1.amazonaws.com/b.1/go/v1/o/0a");
        let own = bucket("http://127.0.0.1:9000", "b-1", None);
        assert_eq!(shown(&own, "garage"), "http://127.0.0.1:9000/b-1/go/v1/o/0a");
        assert_eq!(own.target(None, "x").shown(), "http://127.0.0.1:9000/b-1");
        let own = bucket("https://s3.example.com", "b-1", Some(Addressing::VirtualHost));
        assert_eq!(shown(&own, &own.region()), "https://b-1.s3.example.com/go/v1/o/0a");
        assert_eq!(own.target(None, "x").shown(), "https://b-1.s3.example.com/");
        let point = bucket("https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com", "b-1", None);
        assert_eq!(shown(&point, "x"), "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com/b-1/go/v1/o/0a");
    }

    #[test]
    fn a_region_is_read_from_the_endpoint() {
        for (host, expected) in [
            ("s3.amazonaws.com", Some("us-east-1")),
            ("s3.dualstack.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("s3.fr-par.scw.cloud", Some("fr-par")),
            ("0a1b.r2.cloudflarestorage.com", Some("auto")),
            ("s3.my-company.com", None),
            ("minio.example.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(region_of(host).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn only_endpoints_of_the_same_service_are_siblings() {
        let aws = bucket("https://s3.eu-west-1.amazonaws.com", "b-1", None);
        for (host, expected) in [
            ("b-1.s3.us-west-2.amazonaws.com", Some("us-west-2")),
            ("b-1.s3-us-west-2.amazonaws.com", Some("us-west-2")),
            ("s3.amazonaws.com", Some("us-east-1")),
            ("s3.us-west-2.amazonaws.com.evil.test", None),
            ("evil.s3.us-west-2.amazonaws.com", None),
            ("s3.us-west-2.evil.com", None),
        ] {
            assert_eq!(aws.region_of_sibling(host).as_deref(), expected, "{host}");
        }
        let other = bucket("https://minio.example.com", "b-1", None);
        assert_eq!(other.region_of_sibling("s3.us-west-2.example.com"), None);
    }
}
