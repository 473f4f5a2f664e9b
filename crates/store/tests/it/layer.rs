//! Layers: what is exported, and what is read of it.

use std::collections::BTreeMap;
use std::path::Path;

use proto::{BuildId, Condition, Scope, ScopeDigest, scopes};
use store::{Conditional, Exported, Layer, Partition, Store};

use super::*;

fn condition(scope: Scope, n: u8) -> Condition {
    Condition { scope, digest: ScopeDigest([n; 32]) }
}

/// All files of a directory.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut all, mut left) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            all.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
    all
}

/// A store in which builds put the same in this order.
fn filled(order: impl Iterator<Item = u8>, seconds: u64) -> (tempfile::TempDir, Store) {
    let (dir, store) = open();
    let origin = view().origin(Some(BuildId([seconds.to_le_bytes()[0]; 16])), "a build");
    for n in order {
        let asm = condition(Scope::asm("m", None).unwrap(), n);
        let module = condition(Scope::module("m", None).unwrap(), n);
        let private = condition(scopes::PRIVATE, n);
        let put = Put { origin: &origin, time: at(seconds), cost_ms: seconds, ..put(1, 0) };
        publish(&store, &Put { action: action(n), ..put }, &[b"!<arch>\n", &[n][..]].concat());
        for (action_of, condition) in [(100, &asm), (100, &module), (101, &module), (102, &private)] {
            publish(&store, &Put { action: action(action_of), condition: Some(condition), ..put }, &[n]);
        }
    }
    publish(&store, &put(110, 500), b"go index v2\n");
    publish(&store, &put(111, 500), b"# test log\n");
    publish(&store, &put(112, 500), b"ok  \tm\t0.1s\n");
    publish(&store, &put(113, 500), b"in quarantine");
    store.quarantine(&view(), &action(113), (&output(b"in quarantine"), None)).unwrap();
    publish(&store, &put(114, 500), b"damaged");
    fs::write(object_path(&store, b"damaged"), b"DAMAGED").unwrap();
    let of_user = View::of(Partition::User(7), &Toolchain { goroot: "/go".into(), ..Toolchain::default() });
    store.put(&of_user, &put(115, 500), &mut stage(&store, b"of one user")).unwrap();
    (dir, store)
}

#[test]
fn the_same_entries_give_the_same_layer() {
    let [(one, first), (other, second)] = [filled(0..9, 500), filled((0..9).rev(), 900)];
    let mut layers = Vec::new();
    for (dir, store) in [(&one, &first), (&other, &second)] {
        for (name, conditional) in [("of-assembly", Conditional::OfAssembly), ("all", Conditional::All)] {
            let to = dir.path().join(name);
            let exported = store::export(store.root(), &to, conditional).unwrap();
            // An object of each n by itself, and of its archive.
            let entries = if conditional == Conditional::All { 9 * 4 } else { 9 * 2 };
            let all = 9 * 5 + 6;
            let expected = Exported { entries, objects: 18, bytes: 9 * 10, left_out: all - entries };
            assert_eq!(exported, expected, "{name}");
            assert!(store::export(store.root(), &to, conditional).is_err(), "not over another layer");
            layers.push(files(&to));
        }
    }
    assert_eq!((&layers[0], &layers[1]), (&layers[2], &layers[3]));
    assert_ne!(layers[0], layers[1]);
}

#[test]
fn a_layer_has_what_was_exported_and_nothing_private() {
    let (dir, store) = filled(0..9, 500);
    let to = dir.path().join("layer");
    store::export(store.root(), &to, Conditional::All).unwrap();
    let layer = Layer::open(&to).unwrap();
    assert!(layer.has(&view()));
    assert!(!layer.has(&View::common(&Toolchain { goroot: "/other".into(), ..Toolchain::default() })));
    let get = |n| layer.get(&view(), &action(n));
    for n in 0..9 {
        let record = get(n).plain.unwrap();
        assert_eq!(fs::read(layer.object(record.output).unwrap()).unwrap(), [b"!<arch>\n", &[n][..]].concat());
    }
    assert_eq!([100, 101].map(|n| get(n).conditional.len()), [18, 9]);
    assert!((102..=115).all(|n| get(n).is_empty()));
    // The store itself as a layer: what is true where it was put is not read.
    let layer = Layer::open(store.root()).unwrap();
    assert!((110..=113).all(|n| layer.get(&view(), &action(n)).is_empty()));
    let damaged = layer.get(&view(), &action(114)).plain.unwrap();
    assert_eq!(layer.object(damaged.output), None);
}

#[test]
fn what_is_no_layer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Layer::open(path).unwrap_err().to_string();
    assert!(refused(&dir.path().join("none")).contains("none"));
    assert!(refused(dir.path()).contains("unknown store format \"\""));
    for text in [store::FORMER_FORMAT, "something else"] {
        fs::write(dir.path().join("format"), text).unwrap();
        assert!(refused(dir.path()).contains("unknown store format"), "{text}");
    }
}
