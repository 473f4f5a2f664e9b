//! Keys and indexes for tests.

use proto::{ActionId, Condition, Output, OutputId, Scope, ScopeDigest};
use sha2::{Digest, Sha256};

use crate::frames::FileWriter;
use crate::index::{Entry, Index};
use crate::keys::{SecretKey, TrustedKeys};
use crate::series::Series;

pub(crate) fn key() -> SecretKey {
    SecretKey::from_seed("ci-1", &[1; 32]).unwrap()
}

pub(crate) fn other_key() -> SecretKey {
    SecretKey::from_seed("ci-1", &[2; 32]).unwrap()
}

pub(crate) fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![key().public()])
}

pub(crate) fn series(name: &str) -> Series {
    Series::new("common", &"0123456789abcdef".repeat(2), name).unwrap()
}

pub(crate) fn output(body: &[u8]) -> Output {
    Output { id: OutputId(Sha256::digest(body).into()), size: body.len() as u64 }
}

pub(crate) fn entry(number: u8, body: &[u8], scope: Option<&str>) -> Entry {
    let condition = scope.map(|scope| Condition { scope: Scope::new(scope).unwrap(), digest: ScopeDigest([4; 32]) });
    Entry { action: ActionId([number; 32]), output: output(body), condition, cost_ms: number.into(), time: 1000 }
}

/// An index with these bodies in one file.
pub(crate) fn index(name: &str, bodies: &[(&[u8], Option<&str>)]) -> Index {
    let mut writer = FileWriter::new(0);
    bodies.iter().for_each(|(body, _)| writer.add(output(body).id, body).unwrap());
    let (written, _) = writer.finish(77).unwrap();
    let entries = (0..).zip(bodies).map(|(n, (body, scope))| entry(n, body, *scope)).collect();
    let (frames, outputs) = (written.frames, written.outputs);
    Index { series: series(name), created: 5, files: vec![written.file], frames, outputs, entries }
}
