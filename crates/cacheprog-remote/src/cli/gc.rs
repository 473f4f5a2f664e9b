//! The command `gc`: removes what is too old, for engines that have no rule for it.
//!
//! It does what such a rule does: an object goes so long after it was last written, whatever refers to it. Ages are by the engine's clock, and
//! where that may be wrong nothing is removed. What has a name of another form stays.

use std::time::{Duration, SystemTime};

use proto::figures::{bytes, duration, number};
use remote::name::ObjectKind;
use store::Mode;

use super::failure::{Failure, print};
use crate::clock;
use crate::engine::{Engine, EngineError, ListedObject};

/// Heads first: where it ends early, none is left whose index is gone.
const KINDS: [(ObjectKind, &str); 3] =
    [(ObjectKind::Head, "heads"), (ObjectKind::Index, "indexes"), (ObjectKind::File, "frame files")];

/// Pages of one kind: ten million objects. It ends with an engine that always names one more page.
const MOST_PAGES: u32 = 10_000;

/// How far the engine's clock and this one may be apart. Most engines refuse requests beyond it (AWS, Swift). By a clock that is ahead, new
/// objects look old.
const CLOCKS: Duration = Duration::from_secs(15 * 60);

/// Failures that are told one by one.
const MOST_TOLD: u64 = 10;

const DAY: u64 = 24 * 3600;

/// What is removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// How long objects are kept after they were last written.
    pub(super) kept_for: Duration,
    pub(super) mode: Mode,
}

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    objects: u64,
    bytes: u64,
}

impl Totals {
    fn add(&mut self, object: &ListedObject) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(object.size);
    }
}

/// One run, and what was done so far.
struct Sweep<'a> {
    engine: &'a Engine,
    options: Options,
    /// In the order of [`KINDS`].
    gone: [Totals; KINDS.len()],
    left: Totals,
    /// Objects with other names.
    others: u64,
    failed: u64,
}

/// Removes, or tells what would be removed.
pub(super) fn run(engine: &Engine, url: &str, options: Options) -> Result<(), Failure> {
    if !engine.has_listings() {
        return Err(without_listings(options.kept_for).into());
    }
    let gone = [Totals::default(); KINDS.len()];
    let mut sweep = Sweep { engine, options, gone, left: Totals::default(), others: 0, failed: 0 };
    let result = (0..).zip(KINDS).try_for_each(|(at, (kind, _))| sweep.kind(kind, at));
    // Where it was refused, there is nothing to tell but that.
    if result.is_ok() || sweep.gone.iter().any(|gone| gone.objects > 0) {
        print(&sweep.report(url))?;
    }
    result?;
    match sweep.failed {
        0 => Ok(()),
        failed => Err(format!("objects that could not be removed: {}; run it again", number(failed)).into()),
    }
}

/// The period of an option.
pub(super) fn kept_for(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|e| e.to_string())?;
    if time < Duration::from_secs(DAY) { Err("it is at least 1d".to_owned()) } else { Ok(time) }
}

/// What to do with a web server: they have no list in a form that all share.
fn without_listings(kept_for: Duration) -> String {
    format!(
        "gc needs an S3 engine, as web servers have no list that all share. On the server run each day, in the directory of the URL: \
         find o p h -type f -mtime +{} -delete",
        kept_for.as_secs() / DAY
    )
}

impl Sweep<'_> {
    /// Removes what is old of one kind. A page is done before the next one is asked for: what was put again meanwhile is not old then.
    fn kind(&mut self, kind: ObjectKind, at: usize) -> Result<(), Failure> {
        let mut next = None;
        for _ in 0..MOST_PAGES {
            let page = self.engine.list(kind.prefix(), next.as_deref()).map_err(told)?;
            let now = engine_time(page.date, clock::now())?;
            self.others += page.others;
            for object in &page.objects {
                if ObjectKind::of(object.name.as_str()) != Some(kind) {
                    self.others += 1;
                } else if is_old(object, now, self.options.kept_for) && self.remove(object)? {
                    self.gone[at].add(object);
                } else {
                    self.left.add(object);
                }
            }
            next = page.continuation;
            if next.is_none() {
                return Ok(());
            }
        }
        Err(format!("{} has more than {MOST_PAGES} pages of names: the rest was not read", kind.prefix()).into())
    }

    /// Whether it is gone now, or would be. What fails with one object does not end the rest; what fails with all of them does.
    fn remove(&mut self, object: &ListedObject) -> Result<bool, Failure> {
        if self.options.mode == Mode::DryRun {
            return Ok(true);
        }
        match self.engine.delete(&object.name) {
            Ok(()) => return Ok(true),
            Err(e @ (EngineError::Paused { .. } | EngineError::Credentials(_))) => {
                return Err(e.into());
            }
            Err(e) if self.failed < MOST_TOLD => log::warn!("{}", told(e)),
            Err(e) => log::debug!("{e}"),
        }
        self.failed += 1;
        Ok(false)
    }

    fn report(&self, url: &str) -> String {
        let does = if self.options.mode == Mode::DryRun { "would remove" } else { "removed" };
        let told = |totals: &Totals| format!("{} ({})", number(totals.objects), bytes(totals.bytes));
        let gone = KINDS.iter().zip(&self.gone).map(|((_, name), gone)| format!("{name} {}", told(gone)));
        let gone = gone.collect::<Vec<_>>().join(", ");
        let mut text =
            format!("{url}: kept for {}\n{does}: {gone}\nleft: {}", duration(self.options.kept_for), told(&self.left));
        if self.others > 0 {
            text += &format!("; objects with names of another form: {}", number(self.others));
        }
        text
    }
}

fn is_old(object: &ListedObject, now: SystemTime, kept_for: Duration) -> bool {
    now.duration_since(object.modified).is_ok_and(|age| age > kept_for)
}

/// The engine's clock, where it can be right.
fn engine_time(date: Option<SystemTime>, here: SystemTime) -> Result<SystemTime, Failure> {
    let date = date.ok_or("the engine's answer has no Date, so ages are not known: nothing more is removed")?;
    let apart = date.duration_since(here).unwrap_or_else(|e| e.duration());
    if apart <= CLOCKS {
        return Ok(date);
    }
    let [theirs, ours] = [date, here].map(humantime::format_rfc3339_seconds);
    Err(format!(
        "the engine's clock ({theirs}) and this machine's ({ours}) are {} apart: one of them is wrong, and new objects may look old. \
         Nothing more is removed: set the clock",
        duration(apart)
    )
    .into())
}

/// An error with what this command needs.
fn told(e: EngineError) -> Failure {
    match e {
        EngineError::Denied { at, status, .. } => format!(
            "{at}: access denied ({status}): gc needs credentials that may list the bucket and remove objects; those of readers may not"
        )
        .into(),
        e => e.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_name::ObjectName;
    use std::time::UNIX_EPOCH;

    const NOW: u64 = 1_795_806_630;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_object_is_old_after_the_period_and_one_from_the_future_is_not() {
        let goes = |modified| {
            let name = ObjectName::parse("o/0a").unwrap();
            is_old(&ListedObject { name, size: 1, modified: at(modified) }, at(NOW), Duration::from_secs(DAY))
        };
        assert!(goes(NOW - DAY - 1) && goes(0));
        assert!(!goes(NOW - DAY) && !goes(NOW) && !goes(NOW + 100 * DAY));
    }

    #[test]
    fn a_clock_that_is_wrong_or_not_known_stops_it() {
        let told = |date, here| engine_time(date, here).unwrap_err().to_string();
        assert_eq!(engine_time(Some(at(NOW)), at(NOW + 900)).unwrap(), at(NOW), "ages are by the engine's clock");
        assert!(told(None, at(NOW)).starts_with("the engine's answer has no Date"));
        for here in [NOW + 901, NOW - 901, NOW - 40 * DAY, 0] {
            assert!(told(Some(at(NOW)), at(here)).contains("one of them is wrong"), "{here}");
        }
    }

    #[test]
    fn a_period_is_a_day_at_least() {
        for (text, days) in [("1d", 1), ("30d", 30), ("48h", 2)] {
            assert_eq!(kept_for(text), Ok(Duration::from_secs(days * DAY)));
        }
        for text in ["23h", "0d", "30", "-1d", ""] {
            assert!(kept_for(text).is_err(), "{text}");
        }
    }
}
