//! What a put, a get and a look at everything cost on disk: `cargo bench -p store`.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot work must not go on")]
#![expect(clippy::disallowed_methods, reason = "there is no clock to hand in")]

use std::hint::black_box;
use std::time::SystemTime;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use proto::wire::Toolchain;
use proto::{ActionId, BuildId, Output, OutputId};
use sha2::{Digest, Sha256};
use store::{Access, Exposed, Exposure, Mode, Put, Replaces, Store, Targets, View};

fn action(n: u64) -> ActionId {
    ActionId(Sha256::digest(n.to_le_bytes()).into())
}

fn put(store: &Store, view: &View, n: u64, body: &[u8]) {
    let output = Output { id: OutputId(Sha256::digest(body).into()), size: body.len() as u64 };
    let mut staged = store.stage(output, &mut &body[..], &mut Vec::new()).unwrap();
    let (origin, time) = (view.origin(None, ""), SystemTime::now());
    let put =
        Put { action: action(n), time, cost_ms: 1, origin: &origin, condition: None, replaces: Replaces::Nothing };
    store.put(view, &put, &mut staged).unwrap();
}

fn store(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Access::Owner).unwrap();
    let view = View::common(&Toolchain::default());
    let mut n = 0u64;
    for size in [100usize, 100_000, 10_000_000] {
        let mut group = c.benchmark_group("a put");
        group.throughput(Throughput::Bytes(size as u64));
        group.sample_size(20);
        group.bench_function(size.to_string(), |b| {
            let body = || {
                n += 1;
                let mut body = vec![7; size];
                body[..8].copy_from_slice(&n.to_le_bytes());
                (n, body)
            };
            b.iter_batched(body, |(n, body)| put(&store, &view, n, &body), BatchSize::PerIteration);
        });
        group.finish();
    }
    let build = store.create_build(BuildId([7; 16])).unwrap();
    c.bench_function("a get, exposed before", |b| {
        b.iter(|| {
            let found = store.get(&view, &action(1), SystemTime::now()).unwrap();
            let Some(record) = found.plain else { unreachable!("it was put") };
            assert_eq!(build.expose(record.output, Exposure::Link).unwrap(), Exposed::Yes);
        });
    });
    c.bench_function("a miss", |b| {
        b.iter(|| black_box(store.get(&view, &action(u64::MAX), SystemTime::now()).unwrap()));
    });
    let entries = store.evictor().count().unwrap().entries;
    let mut group = c.benchmark_group("a look at everything, by entry");
    group.throughput(Throughput::Elements(entries));
    group.sample_size(10);
    group.bench_function(entries.to_string(), |b| {
        b.iter(|| store.evictor().sweep(&Targets::default(), SystemTime::now(), Mode::DryRun, &mut || true).unwrap());
    });
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
