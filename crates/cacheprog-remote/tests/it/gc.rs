use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cacheprog_remote::cli::Args;
use clap::Parser;

use crate::fake_engine::{Behavior, FakeEngine, Request, s3_error, status};

const DAY: u64 = 24 * 3600;

/// A bucket whose listings have one name a page.
#[derive(Debug, Default)]
struct Bucket {
    /// Names and their ages in days.
    objects: Mutex<Vec<(String, u64)>>,
    /// Names that it does not remove.
    locked: Vec<String>,
}

impl Bucket {
    fn names(&self) -> Vec<String> {
        self.objects.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    fn answer(&self, request: &Request, clock: SystemTime) -> Behavior {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if request.method == "GET" {
            return self.page(query, clock);
        }
        let name = path.strip_prefix("/b-1/go/").unwrap();
        if self.locked.iter().any(|locked| locked == name) {
            return s3_error(403, "AccessDenied");
        }
        self.objects.lock().unwrap().retain(|(other, _)| other != name);
        status(204, "")
    }

    fn page(&self, query: &str, clock: SystemTime) -> Behavior {
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let prefix = value("prefix").unwrap().replace("%2F", "/");
        let prefix = prefix.strip_prefix("go/").unwrap().to_owned();
        let after = value("continuation-token").unwrap_or_default().replace("%2F", "/");
        let objects = self.objects.lock().unwrap();
        let mut found = objects.iter().filter(|(name, _)| name.starts_with(&prefix) && **name > *after);
        let (mut page, mut end) = (String::new(), "<IsTruncated>false</IsTruncated>".to_owned());
        if let Some((name, age)) = found.next() {
            let time = humantime::format_rfc3339_millis(clock - Duration::from_secs(age * DAY + 60));
            page =
                format!("<Contents><Key>go/{name}</Key><LastModified>{time}</LastModified><Size>7</Size></Contents>");
            if found.next().is_some() {
                end = format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{name}</NextContinuationToken>");
            }
        }
        let body = format!("<ListBucketResult>{page}{end}</ListBucketResult>");
        Behavior::Send(200, format!("Date: {}\r\n", http_date(clock)), body.into_bytes())
    }
}

/// As HTTP writes it. The day of the week is not read.
fn http_date(time: SystemTime) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let month: usize = text[5..7].parse().unwrap();
    format!("Mon, {} {} {} {} GMT", &text[8..10], MONTHS[month - 1], &text[..4], &text[11..19])
}

fn name(kind: &str, digit: char) -> String {
    let hex = |digits| digit.to_string().repeat(digits);
    if kind == "h" { format!("h/common/{0}/{0}/{0}", hex(32)) } else { format!("{kind}/{}", hex(64)) }
}

/// Old and new objects, and others below the same prefixes.
fn bucket(locked: &[String]) -> Arc<Bucket> {
    let mut objects = Vec::new();
    for kind in ["h", "o", "p"] {
        objects.extend([('1', 31), ('2', 29), ('3', 31)].map(|(digit, age)| (name(kind, digit), age)));
    }
    objects.extend(["o/notes", "o/README.md", "backup/o/x"].map(|name| (name.to_owned(), 400)));
    objects.sort();
    Arc::new(Bucket { objects: Mutex::new(objects), locked: locked.to_vec() })
}

/// A server with this bucket whose clock is so many seconds ahead of this one.
fn server(bucket: &Arc<Bucket>, ahead: u64) -> FakeEngine {
    let bucket = Arc::clone(bucket);
    FakeEngine::start(move |request| bucket.answer(request, SystemTime::now() + Duration::from_secs(ahead)))
}

fn gc(server: &FakeEngine, arguments: &[&str]) -> Result<(), String> {
    let mut credentials = tempfile::NamedTempFile::new().unwrap();
    credentials.write_all(b"[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n").unwrap();
    let (endpoint, file) = (format!("http://{}", server.address), credentials.path().to_str().unwrap());
    let fixed = ["cacheprog-remote", "gc", "--url", "s3://b-1/go", "--endpoint", &endpoint, "--credentials-file", file];
    Args::try_parse_from(fixed.iter().chain(arguments)).unwrap().run().map_err(|e| e.to_string())
}

#[test]
fn what_is_old_goes_and_what_is_new_or_of_others_stays() {
    let bucket = bucket(&[]);
    let server = server(&bucket, 0);
    let before = bucket.names();
    gc(&server, &["--dry-run"]).unwrap();
    assert_eq!(bucket.names(), before, "a dry run removes nothing");
    gc(&server, &["--kept-for", "60d"]).unwrap();
    assert_eq!(bucket.names(), before);
    gc(&server, &[]).unwrap();
    let left = [
        "backup/o/x".to_owned(),
        name("h", '2'),
        name("o", '2'),
        "o/README.md".into(),
        "o/notes".into(),
        name("p", '2'),
    ];
    assert_eq!(bucket.names(), left);
    let requests = server.requests();
    let removed = requests.iter().filter(|request| request.method == "DELETE").map(|request| &request.path[8..11]);
    assert_eq!(removed.collect::<Vec<_>>(), ["h/c", "h/c", "p/1", "p/3", "o/1", "o/3"], "heads first");
}

#[test]
fn one_object_that_stays_is_said_and_the_rest_goes() {
    let bucket = bucket(&[name("h", '1')]);
    let error = gc(&server(&bucket, 0), &[]).unwrap_err();
    assert_eq!(error, "objects that could not be removed: 1; run it again");
    assert_eq!(bucket.names().len(), 7, "six that are not old or not ours, and it");
}

#[test]
fn nothing_goes_by_a_clock_that_is_ahead() {
    let bucket = bucket(&[]);
    let (before, server) = (bucket.names(), server(&bucket, 40 * DAY));
    assert!(gc(&server, &[]).unwrap_err().contains("one of them is wrong"));
    let without_date = FakeEngine::start({
        let bucket = Arc::clone(&bucket);
        move |request| match bucket.answer(request, SystemTime::now()) {
            Behavior::Send(status, _, body) => Behavior::Send(status, String::new(), body),
            other => other,
        }
    });
    assert!(gc(&without_date, &[]).unwrap_err().contains("has no Date"));
    assert_eq!(bucket.names(), before);
}

#[test]
fn a_web_server_and_a_reader_are_told_what_is_missing() {
    let server = FakeEngine::start(|_| s3_error(403, "AccessDenied"));
    let error = gc(&server, &[]).unwrap_err();
    assert!(error.contains("gc needs credentials that may list the bucket and remove objects"), "{error}");
    let url = format!("http://{}/go", server.address);
    let args = Args::try_parse_from(["cacheprog-remote", "gc", "--url", &url, "--kept-for", "14d"]).unwrap();
    assert!(args.run().unwrap_err().to_string().ends_with("find o p h -type f -mtime +14 -delete"));
    assert!(Args::try_parse_from(["cacheprog-remote", "gc", "--url", &url, "--kept-for", "23h"]).is_err());
}

#[test]
fn an_engine_that_does_not_answer_is_left_alone() {
    let bucket = bucket(&[]);
    let server = FakeEngine::start({
        let bucket = Arc::clone(&bucket);
        move |request| match request.method.as_str() {
            "DELETE" => s3_error(503, "SlowDown"),
            _ => bucket.answer(request, SystemTime::now()),
        }
    });
    assert!(gc(&server, &[]).unwrap_err().contains("not tried"));
    let deletes = server.requests().iter().filter(|request| request.method == "DELETE").count();
    assert_eq!(deletes, 6, "three objects, each twice; then the breaker is open");
}
