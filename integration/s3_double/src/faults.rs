//! Faults and the rules that say which requests meet them. A rule is JSON, such as
//!
//! ```json
//! {"method": "GET", "name": "o/", "times": 2, "fault": {"kind": "status", "status": 503, "code": "SlowDown"}}
//! ```
//!
//! A request meets the fault of the first rule that matches and has times left, and of no other.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::mutex::lock;

/// Which requests meet a fault, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The method; without it every method.
    #[serde(default)]
    pub method: Option<String>,
    /// A part of the object's name; without it every name. The name of a list is `?` and its prefix.
    #[serde(default)]
    pub name: Option<String>,
    /// How many requests; without it all.
    #[serde(default)]
    pub times: Option<u64>,
    /// What happens to them.
    pub fault: Fault,
}

/// What happens to a request. Nothing is stored or deleted if the answer is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// This status with this code of S3, as 403 `AccessDenied`, 500 `InternalError`, 503 `SlowDown`.
    Status {
        /// The HTTP status.
        status: u16,
        /// The code in the body.
        code: String,
    },
    /// The answer begins so much later.
    Delay {
        /// Of the time.
        milliseconds: u64,
    },
    /// The bodies of request and answer are read and sent at this rate.
    Drip {
        /// The rate.
        bytes_per_second: usize,
    },
    /// The connection is reset after so many bytes: of a PUT's body, or of the answer's.
    Reset {
        /// Bytes of the body.
        after: usize,
    },
    /// The connection is closed in an orderly way after so many bytes of the answer's body; its length is right.
    Cut {
        /// Bytes of the body.
        after: usize,
    },
    /// One byte of the answer's body is another one, with the right length and `ETag`.
    WrongByte {
        /// Which, from the body's begin; beyond its end it is the last one.
        at: usize,
    },
    /// The answer's Content-Length is wrong by so much. The body is sent as it is, then the connection is closed.
    OtherLength {
        /// Added to the length.
        difference: i64,
    },
    /// The whole object with 200, whatever range was asked for.
    IgnoreRange,
    /// A redirect.
    Redirect {
        /// 301, 302, 307 or 308.
        status: u16,
        /// The URL; `{path}` in it stands for the request's path and query.
        location: String,
    },
    /// 400 `ExpiredToken`.
    ExpiredToken,
    /// The server's clock is off by so much: over 900 s it refuses the signature.
    Clock {
        /// Seconds ahead; negative: behind.
        seconds: i64,
    },
    /// 404 `NoSuchBucket`.
    NoBucket,
    /// The connection is reset without an answer. A rule without method and name: as soon as it is accepted.
    Refuse,
    /// There is no answer until the client closes the connection.
    Hang,
    /// A full disk: 507 to WebDAV, 500 `InternalError` to S3.
    FullDisk,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
}

impl Faults {
    pub(crate) fn add(&self, rules: impl IntoIterator<Item = Rule>) {
        lock(&self.rules).extend(rules);
    }

    pub(crate) fn clear(&self) {
        lock(&self.rules).clear();
    }

    /// The rules with the times that they have left.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        lock(&self.rules).clone()
    }

    /// The fault of a request. It counts as one of the rule's times.
    pub(crate) fn take(&self, method: &str, name: &str) -> Option<Fault> {
        let is_part = |part: &String| name.contains(part.as_str());
        self.take_first(|rule| {
            rule.method.as_ref().is_none_or(|wanted| wanted == method) && rule.name.as_ref().is_none_or(is_part)
        })
    }

    /// Whether a new connection is refused.
    pub(crate) fn refuse_connection(&self) -> bool {
        self.take_first(|rule| rule.fault == Fault::Refuse && rule.method.is_none() && rule.name.is_none()).is_some()
    }

    fn take_first(&self, matches: impl Fn(&Rule) -> bool) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let rule = rules.iter_mut().find(|rule| rule.times != Some(0) && matches(rule))?;
        rule.times = rule.times.map(|times| times - 1);
        Some(rule.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_for_the_next_requests_that_match_and_no_others() {
        let faults = Faults::default();
        let rule = r#"{"method": "GET", "name": "o/", "times": 2, "fault": {"kind": "no_bucket"}}"#;
        faults.add([serde_json::from_str(rule).unwrap()]);
        assert_eq!([faults.take("PUT", "o/1"), faults.take("GET", "p/1")], [None, None]);
        let taken = [faults.take("GET", "x/o/1"), faults.take("GET", "o/1"), faults.take("GET", "o/1")];
        assert_eq!(taken, [Some(Fault::NoBucket), Some(Fault::NoBucket), None]);
    }

    #[test]
    fn misspelled_rules_are_errors() {
        for rule in [
            r#"{"methods": "GET", "fault": {"kind": "hang"}}"#,
            r#"{"fault": {"kind": "hangs"}}"#,
            r#"{"fault": {"kind": "cut", "after": 1, "at": 2}}"#,
        ] {
            assert!(serde_json::from_str::<Rule>(rule).is_err(), "{rule}");
        }
    }
}
