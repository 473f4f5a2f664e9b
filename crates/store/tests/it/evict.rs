//! What goes, what stays, and what a crash leaves behind.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use store::{Exposure, Mode, Reason, Removed, Store, Swept, Targets, Totals};

use super::*;

/// Times of last use are the file system's: tests look from the future.
fn later(days: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(days * 24 * 3600)
}

fn sweep(store: &Store, targets: &Targets, now: SystemTime) -> Swept {
    store.evictor().sweep(targets, now, Mode::Apply, &mut || true).unwrap().unwrap()
}

fn age(days: u64) -> Targets {
    Targets { max_age: Some(Duration::from_secs(days * 24 * 3600)), ..Targets::default() }
}

fn files(store: &Store, dir: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut dirs = vec![store.root().join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() { dirs.push(entry.path()) } else { all.push(entry.path()) }
        }
    }
    all
}

const LARGE: usize = 1 << 20;

#[test]
fn the_least_recently_used_go_and_the_count_is_kept() {
    let (_dir, store) = open();
    for n in 0..10 {
        publish(&store, &put(n, 500), &[n; LARGE]);
    }
    let each = LARGE as u64 + 4096;
    assert_eq!(store.counters().totals(), Totals { entries: 10, objects: 10, bytes: 10 * each });
    assert_eq!(store.evictor().count().unwrap(), store.counters().totals());
    // Asked for a day later: a use is noted once an hour.
    for n in [0, 3, 7] {
        store.get(&view(), &action(n), later(1)).unwrap().plain.unwrap();
    }
    let targets = Targets { max_size: Some(4 * each), ..Targets::default() };
    let would = store.evictor().sweep(&targets, later(2), Mode::DryRun, &mut || true).unwrap().unwrap();
    assert_eq!(store.counters().totals().entries, 10, "nothing went");
    let swept = sweep(&store, &targets, later(2));
    assert_eq!(swept, would);
    let left = Totals { entries: 3, objects: 3, bytes: 3 * each };
    assert_eq!(swept.left, left);
    assert_eq!(swept.gone[&Reason::Size], Removed { entries: 7, objects: 7, bytes: 7 * each });
    assert_eq!((store.counters().totals(), store.evictor().count().unwrap()), (left, left));
    for n in 0..10 {
        assert_eq!(found(&store, n).is_some_and(|record| content(&store, &record).is_some()), [0, 3, 7].contains(&n));
    }
}

#[test]
fn the_count_goes_from_process_to_process() {
    let (dir, store) = open();
    publish(&store, &put(1, 500), b"one");
    store.counters().save().unwrap();
    let other = Store::open(&dir.path().join("state"), Access::Owner).unwrap();
    assert!(other.counters().reload());
    assert_eq!(other.counters().totals(), store.counters().totals());
    // One sweeps while the other puts: what was put since it began to look counts.
    publish(&store, &put(2, 500), b"two");
    store.counters().begin_sweep_elsewhere();
    sweep(&other, &age(1), later(2));
    publish(&store, &put(3, 500), b"three");
    assert!(store.counters().reload(), "what the other one says counts when it is over");
    assert_eq!(store.counters().totals().entries, 3);
    store.counters().end_sweep_elsewhere(None);
    assert_eq!(store.counters().totals(), Totals { entries: 1, objects: 1, bytes: 2 * 4096 });
    assert_eq!(store.evictor().count().unwrap(), store.counters().totals());
    // Or it says what it took away, whatever was put meanwhile.
    store.counters().begin_sweep_elsewhere();
    publish(&store, &put(4, 500), b"four");
    let swept = sweep(&other, &age(1), later(2));
    store.counters().end_sweep_elsewhere(Some(Totals {
        entries: swept.before.entries,
        objects: swept.before.objects,
        bytes: swept.before.bytes,
    }));
    assert_eq!(store.counters().totals(), Totals::default());
    assert!(store.counters().reload());
    assert_eq!(store.evictor().count().unwrap(), store.counters().totals());
}

#[test]
fn what_was_exposed_to_a_build_stays_readable_to_it() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"exposed");
    let build = store.create_build(proto::BuildId([7; 16])).unwrap();
    let record = found(&store, 1).unwrap();
    assert_eq!(build.expose(record.output, Exposure::Link).unwrap(), store::Exposed::Yes);
    let swept = sweep(&store, &age(1), later(2));
    assert_eq!(swept.gone[&Reason::Age].objects, 1);
    assert_eq!(found(&store, 1), None);
    assert_eq!(fs::read(build.view().join("o").join(record.output.id.to_string())).unwrap(), b"exposed");
}

#[test]
fn a_short_disk_takes_nothing_that_live_builds_hold() {
    let (_dir, store) = open();
    for n in 0..4 {
        publish(&store, &put(n, 500), &[n; LARGE]);
    }
    let build = store.create_build(proto::BuildId([7; 16])).unwrap();
    let record = |n| found(&store, n).unwrap();
    assert_eq!(build.expose(record(0).output, Exposure::Link).unwrap(), store::Exposed::Yes);
    let mut table = build.begin_table([3; 32]).unwrap();
    assert!(table.add(action(1), &record(1)));
    let all = Targets { bytes_to_free: u64::MAX, ..Targets::default() };
    assert_eq!(sweep(&store, &all, later(2)).gone[&Reason::Space].objects, 2);
    assert_eq!([0, 1, 2, 3].map(|n| found(&store, n).is_some()), [true, true, false, false]);
    store::remove_leftover(&build.retire().unwrap()).unwrap();
    assert_eq!(sweep(&store, &all, later(2)).gone[&Reason::Space].objects, 2);
}

#[test]
fn in_a_store_without_a_daemon_a_path_that_was_given_out_today_stays() {
    let (_dir, store) = open();
    store.recovery().resume_since_boot("boot", SystemTime::now()).unwrap();
    publish(&store, &put(1, 500), b"used");
    publish(&store, &put(2, 500), b"given out, then replaced");
    publish(&store, &Put { replaces: Replaces::Any, ..put(2, 600) }, b"by go build -a");
    let all = Targets { bytes_to_free: u64::MAX, ..Targets::default() };
    let hours = |hours: u64| SystemTime::now() + Duration::from_secs(hours * 3600);
    assert!(sweep(&store, &all, hours(23)).gone.is_empty());
    assert_eq!(files(&store, "objects").len(), 3);
    let swept = sweep(&store, &all, hours(25));
    assert_eq!((swept.gone[&Reason::Space].entries, swept.gone[&Reason::Unnamed].objects), (2, 1));
    assert_eq!(store.evictor().count().unwrap(), Totals::default());
}

#[test]
fn what_a_clock_that_was_ahead_has_used_goes_before_what_is_used_today_and_grows_old() {
    let (_dir, store) = open();
    for n in 0..6 {
        publish(&store, &put(n, 500), &[n; LARGE]);
    }
    let record =
        |n: u8| files(&store, "records").into_iter().find(|path| path.ends_with(action(n).to_string())).unwrap();
    let used = |n: u8| record(n).metadata().unwrap().modified().unwrap();
    let set_used = |n: u8, time| fs::File::open(record(n)).unwrap().set_modified(time).unwrap();
    for n in [0, 2, 4] {
        set_used(n, later(3650));
    }
    let now = SystemTime::now() + Duration::from_secs(60);
    let each = LARGE as u64 + 4096;
    let targets = Targets { max_size: Some(5 * each), ..Targets::default() };
    assert_eq!(sweep(&store, &Targets { ..targets }, now).gone[&Reason::Size].entries, 2);
    let left: Vec<_> =
        (0..6).filter(|&n| files(&store, "records").iter().any(|path| path.ends_with(action(n).to_string()))).collect();
    assert_eq!(left.len(), 4);
    assert!([1, 3, 5].iter().all(|n| left.contains(n)), "{left:?}");
    // The one of them that stays was used a day ago for all one knows, and goes with its age.
    let ahead = *left.iter().find(|n| **n % 2 == 0).unwrap();
    assert!(used(ahead) < now);
    let two_months = Targets { max_age: Some(Duration::from_secs(60 * 24 * 3600)), ..Targets::default() };
    assert!(sweep(&store, &two_months, now).gone.is_empty());
    // However long this test takes, the others are a little younger.
    let two_months_on = later(60) - Duration::from_secs(3600);
    assert_eq!(sweep(&store, &two_months, two_months_on).gone[&Reason::Age].entries, 1);
}

#[test]
fn a_scan_does_not_take_what_is_used_meanwhile_for_the_future() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"used while the sweep looks");
    publish(&store, &put(2, 500), b"other");
    let a_moment_ago = SystemTime::now() - Duration::from_secs(60);
    sweep(&store, &Targets { bytes_to_free: 1, ..Targets::default() }, a_moment_ago);
    let written = files(&store, "records").pop().unwrap().metadata().unwrap().modified().unwrap();
    assert!(written > a_moment_ago, "its time stays");
}

#[test]
fn an_object_of_two_entries_goes_with_the_second() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"both");
    publish(&store, &put(2, 500), b"both");
    store.get(&view(), &action(2), later(3)).unwrap().plain.unwrap();
    let swept = sweep(&store, &age(2), later(4));
    assert_eq!(swept.gone[&Reason::Age], Removed { entries: 1, objects: 0, bytes: 4096 });
    assert_eq!(content(&store, &found(&store, 2).unwrap()).unwrap(), b"both");
    sweep(&store, &age(2), later(9));
    assert_eq!((files(&store, "objects"), files(&store, "records")), (vec![], vec![]));
}

#[test]
fn what_crashes_leave_is_collected_after_a_while_and_foreign_files_are_not() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"whole");
    publish(&store, &put(2, 500), b"without a record");
    publish(&store, &put(3, 500), b"without an object");
    publish(&store, &put(4, 500), b"with garbage for a record");
    let place = |dir: &str, name: &str| files(&store, dir).into_iter().find(|path| path.ends_with(name)).unwrap();
    fs::remove_file(place("records", &action(2).to_string())).unwrap();
    fs::remove_file(place("objects", &output(b"without an object").to_string())).unwrap();
    fs::write(place("records", &action(4).to_string()), "garbage").unwrap();
    fs::write(store.root().join("tmp/.tmpLEFT"), "half a bo").unwrap();
    fs::write(store.root().join("objects/notes"), "mine").unwrap();
    fs::write(store.root().join("records/notes"), "mine").unwrap();
    // At once only what is damaged goes: the rest may be about to be used.
    let swept = sweep(&store, &Targets::default(), SystemTime::now());
    assert_eq!(swept.gone.keys().collect::<Vec<_>>(), [&Reason::Broken]);
    assert_eq!(swept.gone[&Reason::Broken].entries, 2);
    let swept = sweep(&store, &Targets::default(), later(2));
    assert_eq!(swept.gone.keys().collect::<Vec<_>>(), [&Reason::Unnamed, &Reason::Unfinished]);
    assert_eq!(swept.gone[&Reason::Unnamed].objects, 2);
    assert_eq!((swept.left.entries, swept.left.objects), (1, 1));
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"whole");
    assert!(files(&store, "tmp").is_empty());
    assert!(store.root().join("objects/notes").exists() && store.root().join("records/notes").exists());
    assert!(sweep(&store, &Targets::default(), later(2)).gone.is_empty());
}

#[test]
fn where_a_record_cannot_be_read_nothing_goes_for_having_no_name() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"named by whom");
    let record = files(&store, "records").pop().unwrap();
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    let swept = sweep(&store, &Targets::default(), later(2));
    assert_eq!(swept.errors.len(), 1, "{swept:?}");
    assert!(swept.errors[0].contains(record.to_str().unwrap()), "{swept:?}");
    assert_eq!(files(&store, "objects").len(), 1);
}

#[test]
fn a_sweep_that_is_to_stop_stops_before_anything_goes() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"body");
    assert_eq!(store.evictor().sweep(&age(1), later(2), Mode::Apply, &mut || false).unwrap(), None);
    assert!(found(&store, 1).is_some());
}

#[test]
fn puts_and_gets_beside_a_sweep_are_whole_or_a_miss() {
    let (_dir, store) = open();
    let store = &store;
    let all = Targets { bytes_to_free: u64::MAX, ..Targets::default() };
    std::thread::scope(|scope| {
        for thread in 0..2u8 {
            scope.spawn(move || {
                for round in 0..300u64 {
                    let n = (round % 20) as u8 + thread * 10;
                    let body = vec![n; 1000 * usize::from(n)];
                    publish(store, &put(n, 500), &body);
                    if let Some(record) = found(store, n) {
                        // One that goes between the look and the reading is a miss too.
                        let read = store.object(record.output).unwrap().and_then(|path| fs::read(path).ok());
                        assert!(read.is_none_or(|read| read == body));
                    }
                }
            });
        }
        for _ in 0..100 {
            sweep(store, &all, SystemTime::now());
        }
    });
    sweep(store, &all, later(1));
    sweep(store, &all, later(1));
    assert_eq!(store.evictor().count().unwrap(), Totals::default());
    assert!(fs::read_dir(store.root().join("records")).unwrap().next().is_none(), "nothing of the toolchain is left");
    assert_eq!(publish(store, &put(1, 500), b"after"), store::Published::New);
}
