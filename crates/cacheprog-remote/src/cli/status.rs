//! The command `status`: what the remote store has for the builds here.

use proto::error::with_causes;
use proto::figures::{bytes, number, percent, seconds};
use remote::keys::TrustedKeys;
use remote::series::Series;
use remote_sync::objects::Objects;
use remote_sync::status::{Found, Newest, Status};
use serde_json::{Value, json};
use store::View;

use super::failure::{Failure, print};
use super::local::{Local, keys, open, seconds_of, toolchains};
use crate::clock;

/// How it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Lines,
    Json,
}

/// What one key has for builds of one name.
struct Row {
    series: Series,
    key: String,
    found: Found,
}

/// Prints what each key has, and fails where that cannot be used.
pub(super) fn run(objects: &dyn Objects, local: &Local, trusted: &[String], form: Form) -> Result<(), Failure> {
    let (trusted, now) = (TrustedKeys::new(keys(trusted)?), seconds_of(clock::now()));
    let (dir, names) = (local.dir()?, local.names()?);
    let (store, mut rows) = (open(&dir)?, Vec::new());
    for toolchain in toolchains(&dir)? {
        let view = View::common(&toolchain).trusting(trusted.signing_keys());
        let status = Status { store: &store, view: &view, trusted: &trusted, objects, now };
        for series in names.series(&view)? {
            let found = status.of(&series)?.into_iter();
            rows.extend(found.map(|(key, found)| Row { series: series.clone(), key: key.name().to_owned(), found }));
        }
    }
    match form {
        Form::Json => print(&json!({ "heads": rows.iter().map(Row::json).collect::<Vec<_>>() }).to_string())?,
        Form::Lines => rows.iter().try_for_each(|row| print(&row.line(now)))?,
    }
    match rows.iter().filter(|row| row.found.is_err()).count() {
        0 => Ok(()),
        count => Err(format!("heads that cannot be used: {count}").into()),
    }
}

impl Row {
    fn line(&self, now: u64) -> String {
        let Self { series, key, found } = self;
        let found = match found {
            Ok(None) => "nothing".to_owned(),
            Err(e) => format!("cannot be used: {}", with_causes(e)),
            Ok(Some(newest)) => newest_line(newest, now),
        };
        format!("{series}, key {key}: {found}")
    }

    fn json(&self) -> Value {
        let Self { series: Series { partition, toolchain, name }, key, found } = self;
        let mut value = json!({ "partition": partition, "toolchain": toolchain, "name": name, "key": key });
        match found {
            Ok(None) => {}
            Err(e) => value["error"] = with_causes(e).into(),
            Ok(Some(Newest { counter, created, expires, entries, here, files, bytes })) => {
                value["head"] = json!({
                    "counter": counter,
                    "created": created,
                    "expires": expires,
                    "entries": entries,
                    "here": here,
                    "files": files,
                    "bytes": bytes,
                });
            }
        }
        value
    }
}

fn newest_line(newest: &Newest, now: u64) -> String {
    let Newest { counter, created, expires, entries, here, files, bytes: size } = *newest;
    format!(
        "counter {counter}, signed {} ago, expires in {}; {} entries, {} of them here ({}); {} in {} files",
        seconds(now.saturating_sub(created)),
        seconds(expires.saturating_sub(now)),
        number(entries),
        number(here),
        percent(here, entries),
        bytes(size),
        number(files)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use remote_sync::read_index::ReadError;

    fn row(found: Found) -> Row {
        let series = Series::new("common", &"0123456789abcdef".repeat(2), "m@main").unwrap();
        Row { series, key: "ci-1".to_owned(), found }
    }

    #[test]
    fn a_row_is_a_line_or_an_object() {
        let newest =
            Newest { counter: 7, created: 1000, expires: 200_000, entries: 1200, here: 300, files: 2, bytes: 3 << 20 };
        let rows = [Ok(Some(newest)), Ok(None), Err(ReadError::NoIndex("p/0a".to_owned()))].map(row);
        let series = "common/0123456789abcdef0123456789abcdef/m@main, key ci-1:";
        let lines = rows.each_ref().map(|row| row.line(1060));
        let told = "counter 7, signed 1 min 0 s ago, expires in 2 d 7 h; 1,200 entries, 300 of them here (25 %); 3.0 MiB in 2 files";
        assert_eq!(lines[0], format!("{series} {told}"));
        assert_eq!(lines[1], format!("{series} nothing"));
        assert_eq!(lines[2], format!("{series} cannot be used: p/0a is not there, and a head names it"));
        let objects = rows.each_ref().map(Row::json);
        assert_eq!((&objects[0]["name"], &objects[0]["head"]["here"]), (&json!("m@main"), &json!(300)));
        assert_eq!((objects[1].get("head"), objects[1].get("error")), (None, None));
        assert_eq!(objects[2]["error"], "p/0a is not there, and a head names it");
    }
}
