//! Finds the results of tests among the puts of a go command, each with the logs that may belong to it. The list of the test's
//! inputs is made of these (`test_inputs.rs`); without a list no other build gets the result.

use std::collections::BTreeSet;
use std::sync::Arc;

use store::{TEST_LOG, TEST_PASSED};

use crate::put_body::PutBody;

/// Bytes of logs that are kept for a go command.
const MAX_LOGS: usize = 1 << 20;

/// The logs that a go command put.
#[derive(Debug, Default)]
pub(crate) struct TestLogs {
    logs: BTreeSet<Arc<[u8]>>,
    /// Logs whose result was not put yet. cmd/go puts a log and then its result, for several packages side by side, and does
    /// not show which log belongs to which result. So a result gets the files of all logs since no log was outstanding: its own
    /// files, or more than those.
    outstanding: usize,
    /// The current put was not inspected yet.
    is_uninspected: bool,
    /// A log may be missing: from now on no result can be listed.
    is_incomplete: bool,
}

/// The result of a test that passed.
#[derive(Debug)]
pub(crate) struct TestResult {
    /// Its import path.
    pub(crate) package: String,
    /// All logs that may belong to it.
    pub(crate) logs: BTreeSet<Arc<[u8]>>,
}

impl TestLogs {
    /// A put begins. If the one before was not inspected, it may have been a log.
    pub(crate) fn begin(&mut self) {
        self.is_incomplete |= std::mem::replace(&mut self.is_uninspected, true);
    }

    /// Inspects the body of a put. `Some` if it is the result of a test whose inputs can be listed.
    pub(crate) fn inspect(&mut self, body: &PutBody) -> Option<TestResult> {
        let (bytes, is_all) = body.beginning(TEST_LOG.len())?;
        self.is_uninspected = false;
        let passed = if is_all { passed(&bytes) } else { None };
        let Some(package) = passed else {
            if bytes.starts_with(TEST_LOG.as_bytes()) {
                self.keep_log(&bytes, is_all);
            }
            return None;
        };
        if self.is_incomplete || self.outstanding == 0 {
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
        self.is_incomplete |= !is_all || bytes + log.len() > MAX_LOGS;
        if self.is_incomplete {
            self.logs.clear();
        } else {
            self.logs.insert(log.into());
        }
    }
}

/// The import path in the last line of a result that passed.
pub(super) fn passed(body: &[u8]) -> Option<&str> {
    let text = str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let last = text.rsplit('\n').next()?;
    last.strip_prefix(TEST_PASSED)?.split('\t').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(logs: &mut TestLogs, body: &[u8]) -> Option<Vec<String>> {
        logs.begin();
        let result = logs.inspect(&PutBody::of(body))?;
        assert_eq!(result.package, "example.test/m/golden");
        Some(result.logs.iter().map(|log| String::from_utf8_lossy(log).into_owned()).collect())
    }

    const RESULT: &[u8] = b"ok  \texample.test/m/golden\t0.01s\n";

    #[test]
    fn a_result_has_all_logs_that_may_belong_to_it() {
        let mut logs = TestLogs::default();
        assert_eq!(put(&mut logs, RESULT), None, "a result without a log");
        let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| format!("{TEST_LOG}stat {name}\n"));
        assert_eq!(put(&mut logs, one.as_bytes()), None);
        put(&mut logs, two.as_bytes());
        for _ in 0..2 {
            assert_eq!(put(&mut logs, RESULT), Some(vec![one.clone(), two.clone()]));
        }
        put(&mut logs, three.as_bytes());
        assert_eq!(put(&mut logs, RESULT), Some(vec![three]));
        put(&mut logs, four.as_bytes());
        logs.begin(); // a put that is never inspected
        put(&mut logs, b"archive");
        assert_eq!(put(&mut logs, RESULT), None);
        let mut logs = TestLogs::default();
        put(&mut logs, &[TEST_LOG.as_bytes(), &b"stat x\n".repeat(200_000)].concat());
        assert_eq!(put(&mut logs, RESULT), None, "a log of 1.4 MB");
    }

    #[test]
    fn a_result_is_recognised_by_its_last_line() {
        assert_eq!(passed(b"ok  \texample.test/m\t0.01s\n"), Some("example.test/m"));
        assert_eq!(passed(b"# test log\nok  \texample.test/m\t0.01s\tcoverage: 1%\n"), Some("example.test/m"));
        for other in [b"ok  \tm\t0.01s".as_slice(), b"FAIL\tm\n", b"", b"\n", b"ok  \tm\t1s\nmore\n", b"\xff\n"] {
            assert_eq!(passed(other), None);
        }
    }
}
