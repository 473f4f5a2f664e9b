//! The results of tests among what a go command puts, each with the logs that may be its own: for the list of what that test
//! looked at (lists.rs), without which no other build gets it.

use std::collections::BTreeSet;
use std::sync::Arc;

use store::{TEST_LOG, TEST_PASSED};

use crate::put_body::Held;

/// Logs that are kept of a go command, in bytes.
const MOST_LOGS: usize = 1 << 20;

/// The logs that a go command put.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    logs: BTreeSet<Arc<[u8]>>,
    /// Logs whose result was not put yet. cmd/go puts a log and then its result, several packages side by side, and does not
    /// say which belongs to which: the files of all logs since there was none outstanding are a result's, or more than those.
    outstanding: usize,
    /// A put is under way and was not looked at yet.
    unseen: bool,
    /// A log may have been missed: nothing is known of any result any more.
    is_over: bool,
}

/// The result of a test that passed.
#[derive(Debug)]
pub(crate) struct TestResult {
    /// Its import path.
    pub(crate) package: String,
    /// All that may be its log.
    pub(crate) logs: BTreeSet<Arc<[u8]>>,
}

impl Inputs {
    /// A put begins. One that was not seen to its end may have been a log.
    pub(crate) fn begin(&mut self) {
        self.is_over |= std::mem::replace(&mut self.unseen, true);
    }

    /// Looks at a body that is put: whether it is a test's result of which it can be told what it looked at.
    pub(crate) fn see(&mut self, body: &Held) -> Option<TestResult> {
        let (bytes, is_all) = body.beginning(TEST_LOG.len())?;
        self.unseen = false;
        let passed = if is_all { passed(&bytes) } else { None };
        let Some(package) = passed else {
            if bytes.starts_with(TEST_LOG.as_bytes()) {
                self.keep_log(&bytes, is_all);
            }
            return None;
        };
        if self.is_over || self.outstanding == 0 {
            return None;
        }
        let result = TestResult { package: package.to_owned(), logs: self.logs.clone() };
        self.outstanding -= 1;
        if self.outstanding == 0 {
            self.logs.clear();
        }
        Some(result)
    }

    fn keep_log(&mut self, log: &[u8], is_all: bool) {
        self.outstanding += 1;
        let bytes: usize = self.logs.iter().map(|log| log.len()).sum();
        self.is_over |= !is_all || bytes + log.len() > MOST_LOGS;
        if self.is_over {
            self.logs.clear();
        } else {
            self.logs.insert(log.into());
        }
    }
}

/// The import path in the last line of a result that passed.
fn passed(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let last = text.rsplit('\n').next()?;
    last.strip_prefix(TEST_PASSED)?.split('\t').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(inputs: &mut Inputs, body: &[u8]) -> Option<Vec<String>> {
        inputs.begin();
        let result = inputs.see(&Held::of(body))?;
        assert_eq!(result.package, "example.test/m/golden");
        Some(result.logs.iter().map(|log| String::from_utf8_lossy(log).into_owned()).collect())
    }

    const RESULT: &[u8] = b"ok  \texample.test/m/golden\t0.01s\n";

    #[test]
    fn a_result_has_all_logs_that_may_be_its_own() {
        let mut inputs = Inputs::default();
        assert_eq!(put(&mut inputs, RESULT), None, "a result without a log");
        let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| format!("{TEST_LOG}stat {name}\n"));
        assert_eq!(put(&mut inputs, one.as_bytes()), None);
        put(&mut inputs, two.as_bytes());
        for _ in 0..2 {
            assert_eq!(put(&mut inputs, RESULT), Some(vec![one.clone(), two.clone()]));
        }
        put(&mut inputs, three.as_bytes());
        assert_eq!(put(&mut inputs, RESULT), Some(vec![three]));
        put(&mut inputs, four.as_bytes());
        inputs.begin(); // a put that was never looked at
        put(&mut inputs, b"archive");
        assert_eq!(put(&mut inputs, RESULT), None);
        let mut inputs = Inputs::default();
        put(&mut inputs, &[TEST_LOG.as_bytes(), &b"stat x\n".repeat(200_000)].concat());
        assert_eq!(put(&mut inputs, RESULT), None, "a log of 1.4 MB");
    }

    #[test]
    fn a_result_is_told_by_its_last_line() {
        assert_eq!(passed(b"ok  \texample.test/m\t0.01s\n"), Some("example.test/m"));
        assert_eq!(passed(b"# test log\nok  \texample.test/m\t0.01s\tcoverage: 1%\n"), Some("example.test/m"));
        for other in [b"ok  \tm\t0.01s".as_slice(), b"FAIL\tm\n", b"", b"\n", b"ok  \tm\t1s\nmore\n", b"\xff\n"] {
            assert_eq!(passed(other), None);
        }
    }
}
