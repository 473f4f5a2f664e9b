//! The soak: 16 clients for minutes, while the daemon is killed, stopped, restarted and held at random in the first half, and
//! left alone in the second, in which its memory has to stay flat. Nothing may be answered wrong, nothing may be left behind.

use std::fs;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use proto::control::{MOUNTED_SOCKET, Registration};
use proto::wire::{Hello, Reply, Request, Toolchain, Welcome, read_json_line, write_json_line};
use proto::{ActionId, OutputId, limits};
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::player::Player;
use crate::world::World;

/// Clients at once.
const CLIENTS: usize = 16;

/// Different actions: few enough that most are hits after a while.
const ACTIONS: u64 = 3000;

/// Requests of one client process.
const REQUESTS: u64 = 150;

/// A build is kept for 60 s at least; then the daemon has a moment to remove it.
const LAST_BUILD: Duration = Duration::from_secs(90);

/// What the daemon's process uses.
#[derive(Debug, Clone, Copy)]
struct Sample {
    kib: u64,
    descriptors: usize,
    threads: usize,
}

/// Runs for so long; says what was wrong, or else what was seen.
pub fn run(bin: &Path, lasts: Duration) -> Result<String, String> {
    let mut world = World::start(bin, None, false);
    let idle = sample(&world);
    let (over, requests, hits) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    let client = bin.join("cacheprog-client");
    let (mut samples, mut faults) = (Vec::new(), 0);
    let failed = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS as u64)
            .map(|n| {
                let (over, requests, hits, client) = (&over, &requests, &hits, &client);
                let gocache = world.dir.path().join(format!("gocache-{n}"));
                scope.spawn(move || one_client(n, client, &gocache, (over, requests, hits)))
            })
            .collect();
        let mut random = Random(1);
        while began.elapsed() < lasts {
            short_build(&world);
            if began.elapsed() < lasts / 2 {
                fault(&mut world, &mut random);
                faults += 1;
            } else {
                thread::sleep(Duration::from_secs(1));
                samples.push(sample(&world));
            }
        }
        over.store(true, Relaxed);
        clients.into_iter().map(|client| client.join().is_err()).filter(|failed| *failed).count()
    });
    let (requests, hits) = (requests.load(Relaxed), hits.load(Relaxed));
    if failed > 0 {
        return Err(format!("{failed} of {CLIENTS} clients failed"));
    }
    verdict(&mut world, idle, &samples)?;
    let most = samples.iter().map(|sample| sample.kib).max().unwrap_or(0);
    Ok(format!(
        "{CLIENTS} clients, {requests} requests, {hits} hits in {} s, {faults} faults of the daemon; its memory at most {most} KiB",
        began.elapsed().as_secs()
    ))
}

/// Client processes one after the other, each with a few requests; the body of an action is always the same.
fn one_client(n: u64, client: &Path, gocache: &Path, (over, requests, hits): (&AtomicBool, &AtomicU64, &AtomicU64)) {
    let mut random = Random(n + 2);
    while !over.load(Relaxed) {
        let mut player = Player::start(client, ("NIX_GOCACHEPROG_SOCKET", Path::new(MOUNTED_SOCKET)), gocache);
        for _ in 0..REQUESTS {
            let number = random.below(ACTIONS);
            let action = action(number);
            match player.get(&action) {
                Some(found) => {
                    assert!(found == body(number), "another output than was put");
                    hits.fetch_add(1, Relaxed);
                }
                None => player.put(&action, &body(number)),
            }
            requests.fetch_add(1, Relaxed);
        }
        player.finish();
        // A build's own GOCACHE ends with it.
        if random.below(4) == 0 {
            fs::remove_dir_all(gocache).unwrap();
        }
    }
}

/// A build of one session, over as soon as it has put something.
fn short_build(world: &World) {
    let chroot = tempfile::tempdir_in(world.dir.path()).unwrap();
    let root = chroot.path().join("root");
    fs::create_dir(&root).unwrap();
    let registration = Registration {
        derivation: "/nix/store/x-short.drv".into(),
        chroot: root.to_str().map(str::to_owned),
        descriptors: Vec::new(),
    };
    // While the daemon is down there is none.
    let Some(view) = world.registered(registration) else { return };
    let talk = || -> Option<()> {
        let stream = UnixStream::connect(view.join("sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        let mut answers = BufReader::new(&stream);
        write_json_line(&stream, &Hello::new(Toolchain::default())).ok()?;
        read_json_line::<Welcome>(&mut answers, limits::HELLO_LINE).ok()?;
        let (mut frame, bytes) = (Vec::new(), body(7));
        let output = OutputId(Sha256::digest(&bytes).into());
        Request::Put { action: action(7), output, size: bytes.len() as u64 }.write(1, &mut frame);
        frame.extend_from_slice(&bytes);
        std::io::Write::write_all(&mut &stream, &frame).ok()?;
        Reply::read(&mut answers).ok().map(drop)
    };
    talk();
}

/// Something happens to the daemon; afterwards it runs.
fn fault(world: &mut World, random: &mut Random) {
    let pause = |most| Duration::from_millis(most);
    match random.below(4) {
        0 => world.end(Signal::KILL),
        1 => world.end(Signal::TERM),
        2 => {
            world.end(Signal::TERM);
            thread::sleep(pause(random.below(3000)));
        }
        _ => {
            world.signal(Signal::STOP);
            thread::sleep(pause(random.below(5000)));
            world.signal(Signal::CONT);
        }
    }
    if !world.is_up() {
        world.spawn();
    }
    thread::sleep(pause(random.below(4000)));
}

fn verdict(world: &mut World, idle: Sample, samples: &[Sample]) -> Result<(), String> {
    let until = Instant::now() + LAST_BUILD;
    let left = || fs::read_dir(world.state().join("builds")).unwrap().count();
    while left() > 1 && Instant::now() < until {
        thread::sleep(Duration::from_secs(1));
    }
    if left() > 1 {
        return Err(format!("{} directories of builds are left, and one build lives", left()));
    }
    // What is being removed or synced is so in a thread.
    let unpublished = |world: &World| fs::read_dir(world.state().join("tmp")).unwrap().count();
    let (mut now, mut tries) = (sample(world), 0);
    while (unpublished(world) > 0 || now.descriptors > idle.descriptors || now.threads > idle.threads) && tries < 100 {
        thread::sleep(Duration::from_millis(100));
        (now, tries) = (sample(world), tries + 1);
    }
    if unpublished(world) > 0 {
        return Err(format!("{} files are left in tmp/", unpublished(world)));
    }
    if now.descriptors > idle.descriptors || now.threads > idle.threads {
        return Err(format!("before {idle:?}, after all clients are gone {now:?}"));
    }
    let damaged = world.damaged();
    if damaged > 0 {
        return Err(format!("{damaged} damaged objects"));
    }
    // Without faults the memory is flat: its maximum in the last third is that of the third before, give or take pages.
    let third = samples.len() / 3;
    let most = |part: &[Sample]| part.iter().map(|sample| sample.kib).max().unwrap_or(0);
    let (middle, last) = (most(&samples[third..2 * third]), most(&samples[2 * third..]));
    if last > middle + middle / 10 + 512 {
        return Err(format!("memory grows: {middle} KiB, then {last} KiB"));
    }
    Ok(())
}

fn sample(world: &World) -> Sample {
    let process = Path::new("/proc").join(world.pid().to_string());
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

/// Nine of ten small, some of megabytes, a quarter empty: as go's are.
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

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}
