//! Layers below the embedded store.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::fake_go::Go;
use crate::output;
use crate::sharing::{module, printed, subkey};

const INDEX: &[u8] = b"go index v2\nkeyed by mtimes";
const GREET: &[u8] = include_bytes!("../../../store/tests/data/greet.a");

/// A compiled package, another one for each text.
fn package(text: &str) -> Vec<u8> {
    let at = GREET.windows(8).rposition(|eight| eight == b"greet.go").unwrap();
    let mut package = GREET.to_vec();
    package[at..at + text.len()].copy_from_slice(text.as_bytes());
    package
}

/// A go command whose cache program has these arguments.
fn start(dir: &Path, arguments: &str) -> Go {
    let module = module(dir);
    let client = format!("{} {arguments}", env!("CARGO_BIN_EXE_cacheprog-client"));
    let path = std::env::var("PATH").unwrap();
    let env = [("CLIENT", client.as_str()), ("PATH", &path), ("GOVERSION", "go1.26.8")];
    Go::start_as_go(dir, &module, &["build", "./..."], &env)
}

/// A store with some entries, as a layer.
fn layer(dir: &Path, name: &str, bodies: &[(u8, &[u8])]) -> PathBuf {
    let layer = dir.join(name);
    let mut go = start(dir, &format!("--store {}", layer.display()));
    for (n, body) in bodies {
        go.put(subkey(*n, "srcfiles"), b"./greet.go\n");
        go.put(printed(*n), b"");
        go.put(*n, body);
    }
    go.finish();
    layer
}

/// Go with a store of its own above the layers.
fn above(dir: &Path, layers: &[&Path]) -> Go {
    let layers: Vec<_> = layers.iter().map(|layer| layer.to_str().unwrap()).collect();
    start(dir, &format!("--store {}/store --lower {}", dir.display(), layers.join(":")))
}

/// All below a directory, with what a write would change.
fn state(dir: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64)> {
    let mut all = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let about = fs::symlink_metadata(&path).unwrap();
        if about.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.insert(path, (about.mode(), about.size(), about.ctime(), about.ctime_nsec()));
    }
    all
}

fn object(layer: &Path, body: &[u8]) -> PathBuf {
    layer.join(store::Store::object_name(&output(body)))
}

#[test]
fn a_layer_is_read_and_nothing_in_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(package);
    let layer = layer(dir.path(), "layer", &[(1, &one), (2, &two), (3, INDEX)]);
    // Its objects have other mtimes, as in the Nix store, and none may be written to.
    fs::File::open(object(&layer, &one)).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    for path in state(&layer).into_keys() {
        let mode = fs::metadata(&path).unwrap().mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode & !0o222)).unwrap();
    }
    let before = state(&layer);
    for _ in 0..2 {
        let mut go = above(dir.path(), &[&layer]);
        let id = go.ask_get(1);
        let path = go.answer(id)["DiskPath"].as_str().unwrap().to_owned();
        assert_eq!(fs::canonicalize(&path).unwrap(), fs::canonicalize(object(&layer, &one)).unwrap(), "no copy");
        assert!(path.starts_with(dir.path().join("gocache").to_str().unwrap()), "safe from go build -o: {path}");
        assert!(go.get(2).as_ref() == Some(&two));
        assert!(go.get(3).is_none(), "true where it was put");
        go.put(4, &package("four"));
        assert!(go.get(4) == Some(package("four")));
        go.finish();
    }
    assert_eq!(state(&layer), before);
}

#[test]
fn what_the_store_has_comes_first_and_then_the_layers_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let [of_store, of_first, of_second] = ["store", "first", "second"].map(package);
    let first = layer(dir.path(), "first", &[(1, &of_first), (2, &of_first)]);
    let second = layer(dir.path(), "second", &[(2, &of_second), (3, &of_second)]);
    let mut go = above(dir.path(), &[&first, &second]);
    go.put(1, &of_store);
    for (n, body) in [(1, &of_store), (2, &of_first), (3, &of_second)] {
        assert!(go.get(n).as_ref() == Some(body), "{n}");
    }
    assert!(go.get(4).is_none());
    go.finish();
}

#[test]
fn what_is_damaged_or_no_layer_is_a_miss_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, changed, cut_off, pipe] = ["whole", "changed", "cut off", "pipe"].map(package);
    let damaged = layer(dir.path(), "damaged", &[(1, &whole), (2, &changed), (3, &cut_off), (4, &pipe)]);
    let below = layer(dir.path(), "below", &[(2, &changed)]);
    for (body, now) in [(&changed, Some(package("CHANGED"))), (&cut_off, Some(package("cut"))), (&pipe, None)] {
        let path = object(&damaged, body);
        fs::remove_file(&path).unwrap();
        match now {
            Some(now) => fs::write(&path, now).unwrap(),
            None => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
        }
    }
    let [empty, missing, file] = ["empty", "missing", "file"].map(|name| dir.path().join(name));
    fs::create_dir(&empty).unwrap();
    fs::write(&file, "x").unwrap();
    let before = state(&damaged);
    let mut go = above(dir.path(), &[&empty, &missing, &file, &damaged, &below]);
    assert!(go.get(1) == Some(whole) && go.get(2) == Some(changed), "the second one is of the layer below");
    assert!(go.get(3).is_none() && go.get(4).is_none());
    let told = go.end().1;
    let named = [&empty, &missing, &file].map(|dir| format!("not using the layer {}: ", dir.display()));
    assert_eq!(named.map(|text| told.matches(&text).count()), [1; 3], "{told}");
    assert_eq!(told.lines().count(), 3, "{told}");
    assert_eq!(state(&damaged), before);
    assert!(fs::read_dir(&empty).unwrap().next().is_none());
    assert!(!missing.exists());
}

/// As after `sudo go build` with the user's HOME. Needs root, to act as another user; CI and `integration/test` run as root.
#[test]
fn a_store_with_directories_of_root_is_read_and_what_is_put_is_kept_elsewhere() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (dir, uid) = (tempfile::tempdir().unwrap(), 4242);
    let one = package("one");
    let store = layer(dir.path(), "store", &[(1, &one)]);
    let program = dir.path().join("cacheprog-client");
    testkit::copy_program(env!("CARGO_BIN_EXE_cacheprog-client"), &program);
    for path in state(dir.path()).into_keys() {
        let mode = fs::metadata(&path).unwrap().mode();
        let all = if mode & 0o100 == 0 { 0o444 } else { 0o555 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode | all)).unwrap();
    }
    let gocache = state(&dir.path().join("gocache")).into_keys();
    gocache.chain([store.clone(), dir.path().to_owned()]).for_each(|path| chown(path, Some(uid), Some(uid)).unwrap());
    let before = state(&store);
    let client = format!("{} --store {}", program.display(), store.display());
    let path = std::env::var("PATH").unwrap();
    let env =
        [("CLIENT", client.as_str()), ("PATH", &path), ("GOVERSION", "go1.26.8"), ("NIX_GOCACHEPROG_VERBOSE", "1")];
    let put = || {
        let mut go = Go::start_as_user(uid, dir.path(), &module(dir.path()), &["build", "./..."], &env);
        assert!(go.get(1) == Some(one.clone()));
        go.put(4, &package("four"));
        assert!(go.get(4) == Some(package("four")));
        go.end().1
    };
    let log = put();
    assert!(log.contains("/store/builds cannot be written: nothing is stored"), "{log}");
    assert_eq!(state(&store), before);
    // Of its own directories none is refused: what else is there, as on a volume of its own, is not looked at.
    before.keys().for_each(|path| chown(path, Some(uid), Some(uid)).unwrap());
    let foreign = store.join("lost+found");
    fs::create_dir(&foreign).unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o700)).unwrap();
    let log = put();
    assert!(!log.contains("nothing is stored"), "{log}");
    assert!(state(&store).len() > before.len() + 1, "{log}");
}
