//! What it costs to read cmd/go's requests and to write answers: `cargo bench -p proto`.

use std::hint::black_box;
use std::time::UNIX_EPOCH;

use base64_simd::STANDARD;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use proto::gocmd::{Hit, Requests, write_hit};
use proto::wire::{Reply, Request, UnixTime};
use proto::{ActionId, Output, OutputId};

fn requests(c: &mut Criterion) {
    let id = STANDARD.encode_to_string([7; 32]);
    let get = format!("{{\"ID\":3,\"Command\":\"get\",\"ActionID\":\"{id}\"}}\n\n");
    c.bench_function("a get's header", |b| {
        b.iter(|| black_box(Requests::new(black_box(get.as_bytes())).read().is_ok()));
    });
    for size in [100usize, 100_000, 10_000_000] {
        let body = STANDARD.encode_to_string(vec![7; size]);
        let put = format!(
            "{{\"ID\":3,\"Command\":\"put\",\"ActionID\":\"{id}\",\"OutputID\":\"{id}\",\"BodySize\":{size}}}\n\n\"{body}\"\n"
        );
        let mut group = c.benchmark_group("a put with its body");
        group.throughput(Throughput::Bytes(size as u64));
        let mut piece = vec![0; 48 << 10];
        group.bench_function(size.to_string(), |b| {
            b.iter(|| {
                let mut requests = Requests::new(put.as_bytes());
                let size = requests.read().ok().flatten().map_or(0, |put| put.body_size);
                let mut body = requests.body(size);
                while body.chunk(&mut piece).is_ok_and(|n| n > 0) {}
                black_box(&piece);
            });
        });
        group.finish();
    }
}

fn answers(c: &mut Criterion) {
    let hit = Hit {
        output: Output { id: OutputId([7; 32]), size: 1655 },
        time: UNIX_EPOCH,
        path: format!("/gocache/o/{}", OutputId([7; 32])),
    };
    let mut line = Vec::new();
    c.bench_function("a hit", |b| {
        b.iter(|| {
            line.clear();
            write_hit(&mut line, black_box(3), &hit);
        });
    });
    c.bench_function("a get and a hit, our own frames", |b| {
        b.iter(|| {
            line.clear();
            Request::Get { action: ActionId([7; 32]) }.write(1, &mut line);
            Reply::Hit { output: hit.output, time: UnixTime::from(hit.time) }.write(1, &mut line);
            let mut frames = line.as_slice();
            black_box((Request::read(&mut frames).is_ok(), Reply::read(&mut frames).is_ok()));
        });
    });
}

criterion_group!(benches, requests, answers);
criterion_main!(benches);
