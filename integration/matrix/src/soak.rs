//! The soak test: 16 clients for minutes. In the first half the daemon is killed, stopped, restarted and paused at random; in the
//! second it runs undisturbed, and its memory must not grow. Every answer must be right, and no file may be left over.

use std::fs;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use proto::control::{MOUNTED_SOCKET, Registration};
use proto::wire::{Hello, Reply, Request, Toolchain, Welcome, read_json_line, write_json_line};
use proto::{ActionId, Output, OutputId, limits};
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::fake_go::FakeGo;
use crate::fixture::{Fixture, ROOT};

/// Clients at once.
const CLIENTS: usize = 16;

/// Different actions: few enough that most are hits after a while.
const ACTIONS: u64 = 3000;

/// Requests of one client process.
const REQUESTS: u64 = 150;

/// The daemon keeps the directory of a build for at least 60 s; then it removes it.
const BUILD_REMOVAL_TIMEOUT: Duration = Duration::from_secs(90);

/// Resources of the daemon's process.
#[derive(Debug, Clone, Copy)]
struct Sample {
    kib: u64,
    descriptors: usize,
    threads: usize,
}

/// Runs for this long; returns a summary, or what was wrong.
pub fn run(bin: &Path, duration: Duration) -> Result<String, String> {
    let mut fixture = Fixture::start(bin, None, false);
    let idle = sample(&fixture);
    let (over, requests, hits) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    let client = bin.join("cacheprog-client");
    let (mut samples, mut faults) = (Vec::new(), 0);
    let failed = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS as u64)
            .map(|n| {
                let (over, requests, hits, client) = (&over, &requests, &hits, &client);
                let gocache = fixture.dir.path().join(format!("gocache-{n}"));
                scope.spawn(move || one_client(n, client, &gocache, (over, requests, hits)))
            })
            .collect();
        let mut random = Random(1);
        while began.elapsed() < duration {
            short_build(&fixture);
            if began.elapsed() < duration / 2 {
                inject_fault(&mut fixture, &mut random);
                faults += 1;
            } else {
                thread::sleep(Duration::from_secs(1));
                samples.push(sample(&fixture));
            }
        }
        over.store(true, Relaxed);
        clients.into_iter().map(|client| client.join().is_err()).filter(|failed| *failed).count()
    });
    let (requests, hits) = (requests.load(Relaxed), hits.load(Relaxed));
    if failed > 0 {
        return Err(format!("{failed} of {CLIENTS} clients failed"));
    }
    check_end(&mut fixture, idle, &samples)?;
    let max_memory = samples.iter().map(|sample| sample.kib).max().unwrap_or(0);
    Ok(format!(
        "{CLIENTS} clients, {requests} requests, {hits} hits in {} s, {faults} faults of the daemon; its memory at most {max_memory} KiB",
        began.elapsed().as_secs()
    ))
}

/// Runs client processes one after another, each with some requests; the body of an action is always the same.
fn one_client(n: u64, client: &Path, gocache: &Path, (over, requests, hits): (&AtomicBool, &AtomicU64, &AtomicU64)) {
    let mut random = Random(n + 2);
    while !over.load(Relaxed) {
        let mut go = FakeGo::start(client, ("NIX_GOCACHEPROG_SOCKET", Path::new(MOUNTED_SOCKET)), gocache);
        for _ in 0..REQUESTS {
            let number = random.below(ACTIONS);
            let action = action(number);
            match go.get(&action) {
                Some(found) => {
                    assert!(found == body(number), "the output differs from the one that was put");
                    hits.fetch_add(1, Relaxed);
                }
                None => go.put(&action, &body(number)),
            }
            requests.fetch_add(1, Relaxed);
        }
        go.finish();
        // The GOCACHE of a build is removed with the build.
        if random.below(4) == 0 {
            fs::remove_dir_all(gocache).unwrap();
        }
    }
}

/// A build with one session, which ends after one put.
fn short_build(fixture: &Fixture) {
    let chroot = tempfile::tempdir_in(fixture.dir.path()).unwrap();
    let root = chroot.path().join("root");
    fs::create_dir(&root).unwrap();
    let registration = Registration {
        derivation: "/nix/store/x-short.drv".into(),
        chroot: root.to_str().map(str::to_owned),
        requester: ROOT,
        is_offline: true,
        ..Registration::default()
    };
    // While the daemon does not run there is no build.
    let Some(view) = fixture.registered(registration) else { return };
    let converse = || -> Option<()> {
        let stream = UnixStream::connect(view.join("sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        let mut replies = BufReader::new(&stream);
        write_json_line(&stream, &Hello::new(Toolchain::default())).ok()?;
        read_json_line::<Welcome>(&mut replies, limits::HELLO_LINE).ok()?;
        let (mut frame, bytes) = (Vec::new(), body(7));
        let output = Output { id: OutputId(Sha256::digest(&bytes).into()), size: bytes.len() as u64 };
        Request::Put { action: action(7), output }.write(1, &mut frame);
        frame.extend_from_slice(&bytes);
        std::io::Write::write_all(&mut &stream, &frame).ok()?;
        Reply::read(&mut replies).ok().map(drop)
    };
    converse();
}

/// Kills, stops, restarts or pauses the daemon; afterwards it runs.
fn inject_fault(fixture: &mut Fixture, random: &mut Random) {
    let milliseconds = Duration::from_millis;
    match random.below(4) {
        0 => fixture.end(Signal::KILL),
        1 => fixture.end(Signal::TERM),
        2 => {
            fixture.end(Signal::TERM);
            thread::sleep(milliseconds(random.below(3000)));
        }
        _ => {
            fixture.signal(Signal::STOP);
            thread::sleep(milliseconds(random.below(5000)));
            fixture.signal(Signal::CONT);
        }
    }
    if !fixture.is_running() {
        fixture.spawn();
    }
    thread::sleep(milliseconds(random.below(4000)));
}

/// Checks what is left when all clients have ended.
fn check_end(fixture: &mut Fixture, idle: Sample, samples: &[Sample]) -> Result<(), String> {
    let until = Instant::now() + BUILD_REMOVAL_TIMEOUT;
    let left = || fs::read_dir(fixture.state().join("builds")).unwrap().count();
    while left() > 1 && Instant::now() < until {
        thread::sleep(Duration::from_secs(1));
    }
    if left() > 1 {
        return Err(format!("{} directories of builds are left, expected 1", left()));
    }
    // Threads may still remove or sync files.
    let unpublished = |fixture: &Fixture| fs::read_dir(fixture.state().join("tmp")).unwrap().count();
    let (mut now, mut tries) = (sample(fixture), 0);
    while (unpublished(fixture) > 0 || now.descriptors > idle.descriptors || now.threads > idle.threads) && tries < 100
    {
        thread::sleep(Duration::from_millis(100));
        (now, tries) = (sample(fixture), tries + 1);
    }
    if unpublished(fixture) > 0 {
        return Err(format!("{} files are left in tmp/", unpublished(fixture)));
    }
    if now.descriptors > idle.descriptors || now.threads > idle.threads {
        return Err(format!("before {idle:?}, after all clients have ended {now:?}"));
    }
    let damaged = fixture.damaged_objects();
    if damaged > 0 {
        return Err(format!("{damaged} damaged objects"));
    }
    // Without faults the memory does not grow: its maximum in the last third is close to that of the third before.
    let third = samples.len() / 3;
    let max = |part: &[Sample]| part.iter().map(|sample| sample.kib).max().unwrap_or(0);
    let (middle, last) = (max(&samples[third..2 * third]), max(&samples[2 * third..]));
    if last > middle + middle / 10 + 512 {
        return Err(format!("memory grows: {middle} KiB, then {last} KiB"));
    }
    Ok(())
}

fn sample(fixture: &Fixture) -> Sample {
    let process = Path::new("/proc").join(fixture.pid().to_string());
    let status = fs::read_to_string(process.join("status")).unwrap();
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    Sample {
        kib: number("VmRSS:"),
        descriptors: fs::read_dir(process.join("fd")).unwrap().count(),
        threads: usize::try_from(number("Threads:")).unwrap(),
    }
}

fn action(number: u64) -> ActionId {
    ActionId(Sha256::digest(number.to_le_bytes()).into())
}

/// Sizes like those of go's outputs: a quarter empty, most small, a few of megabytes.
fn body(number: u64) -> Vec<u8> {
    let size = match number % 40 {
        0 => 3 << 20,
        1..4 => 200 << 10,
        4..14 => 0,
        other => other * 100,
    };
    let mut random = Random(number + 1);
    let bytes: Vec<u8> = (0..size / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    bytes
}

/// xorshift: the same faults in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
