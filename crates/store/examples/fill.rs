//! Fills a store with as many entries as are wanted, last used over the past thirty days, for `integration/scale`:
//! fill DIR ENTRIES [UID]. Of each ten outputs one is used by two actions; they are 0 to 4 KiB long. With a user, every other entry is
//! for builds of that user alone.
#![expect(clippy::unwrap_used, reason = "what cannot be filled is of no use")]
#![expect(clippy::disallowed_methods, reason = "there is no clock to hand in")]

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proto::wire::Toolchain;
use proto::{ActionId, Output, OutputId};
use sha2::{Digest, Sha256};
use store::{Access, Partition, Put, Replaces, Store, View};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let dir = arguments.next().unwrap();
    let entries: u64 = arguments.next().unwrap().to_str().unwrap().parse().unwrap();
    let uid: Option<u32> = arguments.next().map(|uid| uid.to_str().unwrap().parse().unwrap());
    let store = Store::open(Path::new(&dir), Access::Traversable).unwrap();
    let toolchain = Toolchain { goroot: "/filled".into(), ..Toolchain::default() };
    let own = uid.map_or(Partition::Common, Partition::User);
    let views = [Partition::Common, own].map(|partition| View::of(partition, &toolchain));
    let origins = views.each_ref().map(|view| view.origin(None, ""));
    let now = SystemTime::now();
    for n in 0..entries {
        let content = if n % 10 == 9 { n - 1 } else { n };
        let id: [u8; 32] = Sha256::digest(content.to_le_bytes()).into();
        let body = id.repeat(usize::from(id[0]) / 2);
        let output = Output { id: OutputId(Sha256::digest(&body).into()), size: body.len() as u64 };
        let mut staged = store.stage(output, &mut body.as_slice(), &mut Vec::new()).unwrap();
        let action = ActionId(Sha256::digest((n + (1 << 40)).to_le_bytes()).into());
        let cost_ms = u64::from(id[1]) * 4;
        let (view, origin) = (&views[usize::from(n % 2 == 1)], &origins[usize::from(n % 2 == 1)]);
        let put = Put { action, time: now, cost_ms, origin, condition: None, replaces: Replaces::Nothing };
        store.put(view, &put, &mut staged).unwrap();
    }
    store.counters().save().unwrap();
    set_uses(&store.root().join("records"), now);
}

/// Gives each record a time of last use.
fn set_uses(dir: &Path, now: SystemTime) {
    for entry in dir.read_dir().unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            set_uses(&entry.path(), now);
        } else {
            let name = Sha256::digest(entry.file_name().as_encoded_bytes());
            let minutes = u64::from(u16::from_le_bytes([name[0], name[1]])) * 30 * 24 * 60 / (1 << 16);
            File::open(entry.path()).unwrap().set_modified(now - Duration::from_secs(60 * minutes)).unwrap();
        }
    }
}
