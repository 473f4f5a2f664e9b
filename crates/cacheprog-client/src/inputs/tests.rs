//! A module, a go command that tests it, and what another build makes of the result.

#![expect(clippy::disallowed_methods, reason = "files of a module, not of a store")]

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const OUTPUT: OutputId = OutputId([7; 32]);
const RESULT: &[u8] = b"ok  \texample.test/m/golden\t0.01s\n";

struct Module {
    dir: tempfile::TempDir,
    root: PathBuf,
    places: Places,
}

impl Module {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("build/module");
        for (path, text) in [
            ("go.mod", "// a comment\nmodule\t\"example.test/m\" // another\n\ngo 1.21\n"),
            ("golden/testdata/a.txt", "one"),
            ("golden/golden_test.go", "package golden\n"),
            ("data/of/another.txt", "one"),
            ("../outside", "one"),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", root.join("golden/link")).unwrap();
        let temporary = vec![dir.path().join("build")];
        let places = Places { cwd: root.join("golden"), temporary, ..Places::default() };
        Self { dir, root, places }
    }

    /// A go command that starts when all is written, and what it made of a log and a result.
    fn listed(&self, log: &str) -> Option<Vec<u8>> {
        let mut inputs = self.inputs();
        put(&mut inputs, &[TEST_LOG.as_bytes(), log.as_bytes()].concat());
        put(&mut inputs, RESULT)
    }

    fn inputs(&self) -> Inputs {
        std::thread::sleep(Duration::from_millis(30));
        Inputs::new(self.places.clone())
    }

    fn holds(&self, list: &[u8]) -> bool {
        let path = self.dir.path().join("list");
        fs::write(&path, list).unwrap();
        Inputs::are_the_same(&self.places, &path, &OUTPUT)
    }
}

fn put(inputs: &mut Inputs, body: &[u8]) -> Option<Vec<u8>> {
    inputs.begin();
    inputs.see(&Held::of(body), &OUTPUT)
}

const LOG: &str =
    "getenv HOME\nopen testdata/a.txt\nstat absent\nopen testdata\nstat link\nopen ../../outside\nopen /proc/cpuinfo\n";

#[test]
fn whatever_changes_in_what_a_test_looked_at_is_seen() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 10] = [
        ("content at the same size", |root| fs::write(root.join("golden/testdata/a.txt"), "two").unwrap()),
        ("a file that goes", |root| fs::remove_file(root.join("golden/testdata/a.txt")).unwrap()),
        ("a source that comes", |root| fs::write(root.join("golden/absent"), "").unwrap()),
        ("a name in a directory", |root| fs::write(root.join("golden/testdata/b.go"), "").unwrap()),
        ("a mode", |root| {
            fs::set_permissions(root.join("golden/testdata/a.txt"), PermissionsExt::from_mode(0o755)).unwrap();
        }),
        ("where a link leads", |root| {
            fs::remove_file(root.join("golden/link")).unwrap();
            std::os::unix::fs::symlink("elsewhere", root.join("golden/link")).unwrap();
        }),
        ("a file outside the module", |root| fs::write(root.join("../outside"), "two").unwrap()),
        ("a file that was read before m.Run", |root| fs::write(root.join("data/of/another.txt"), "two").unwrap()),
        ("a pipe in the place of a file", |root| {
            let path = root.join("golden/testdata/a.txt");
            fs::remove_file(&path).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        }),
        ("another place of the module", |root| fs::rename(root.join("go.mod"), root.join("golden/go.mod")).unwrap()),
    ];
    for (what, change) in changes {
        let module = Module::new();
        let list = module.listed(LOG).unwrap();
        assert!(module.holds(&list), "{what}: before");
        change(&module.root);
        assert!(!module.holds(&list), "{what}");
    }
}

#[test]
fn what_a_test_does_not_look_at_may_change() {
    let module = Module::new();
    let list = module.listed(LOG).unwrap();
    fs::write(module.root.join("golden/golden.go"), "package golden // it is in the key").unwrap();
    fs::create_dir_all(module.root.join("vendor/x")).unwrap();
    fs::write(module.root.join("vendor/x/data"), "").unwrap();
    fs::write(module.root.join("../neighbour"), "").unwrap();
    assert!(module.holds(&list));
}

#[test]
fn data_in_directories_called_vendor_and_other_variables_are_seen() {
    let mut module = Module::new();
    fs::create_dir_all(module.root.join("static/vendor")).unwrap();
    fs::write(module.root.join("static/vendor/app.tmpl"), "one").unwrap();
    let list = module.listed(LOG).unwrap();
    assert!(module.holds(&list));
    module.places.word = Arc::new(OnceLock::from("others".to_owned()));
    assert!(!module.holds(&list));
    module.places.word = Arc::default();
    fs::write(module.root.join("static/vendor/app.tmpl"), "two").unwrap();
    assert!(!module.holds(&list));
}

#[test]
fn a_tree_that_is_too_deep_is_not_looked_at() {
    let module = Module::new();
    fs::create_dir_all(module.root.join("deep/".repeat(200))).unwrap();
    assert_eq!(module.listed(LOG), None);
}

#[test]
fn temporary_directories_are_no_inputs() {
    let module = Module::new();
    let build = module.root.parent().unwrap().to_owned();
    let log = format!("open {0}\nopen {0}/go-build123/b001/m.test\nstat {0}/TestX1/001\n", build.display());
    let list = module.listed(&log).unwrap();
    fs::write(build.join("go-build77"), "").unwrap();
    assert!(module.holds(&list));
    fs::create_dir_all(build.join("TestX1/001")).unwrap();
    assert!(!module.holds(&list), "what the test left behind counts");
}

#[test]
fn a_test_that_changes_its_tree_is_not_used_again() {
    let module = Module::new();
    let mut inputs = module.inputs();
    put(&mut inputs, TEST_LOG.as_bytes());
    fs::write(module.root.join("golden/made"), "").unwrap();
    assert_eq!(put(&mut inputs, RESULT), None);
}

#[test]
fn a_result_has_the_files_of_all_logs_that_may_be_its_own() {
    let module = Module::new();
    let mut inputs = module.inputs();
    assert_eq!(put(&mut inputs, RESULT), None, "a result without a log");
    put(&mut inputs, b"# test log\nstat one\n");
    put(&mut inputs, b"# test log\nstat two\n");
    let first = String::from_utf8(put(&mut inputs, RESULT).unwrap()).unwrap();
    assert!(first.contains("golden/one") && first.contains("golden/two"), "{first}");
    let second = String::from_utf8(put(&mut inputs, RESULT).unwrap()).unwrap();
    assert!(second.contains("golden/one") && second.contains("golden/two"), "{second}");
    put(&mut inputs, b"# test log\nstat three\n");
    let third = String::from_utf8(put(&mut inputs, RESULT).unwrap()).unwrap();
    assert!(!third.contains("golden/one") && third.contains("golden/three"), "{third}");
    put(&mut inputs, b"# test log\nstat four\n");
    inputs.begin(); // a put that was never looked at
    put(&mut inputs, b"archive");
    assert_eq!(put(&mut inputs, RESULT), None);
    let mut inputs = module.inputs();
    put(&mut inputs, &[TEST_LOG.as_bytes(), &b"stat x\n".repeat(200_000)].concat());
    assert_eq!(put(&mut inputs, RESULT), None, "a log of 1.4 MB");
}

#[test]
fn a_damaged_or_hostile_list_says_nothing() {
    let module = Module::new();
    let good = String::from_utf8(module.listed("open testdata/a.txt\nopen testdata\n").unwrap()).unwrap();
    assert!(module.holds(good.as_bytes()));
    let (head, lines) = good.split_at(good.match_indices('\n').nth(1).unwrap().0 + 1);
    let swapped: String = lines.lines().rev().map(|line| line.to_owned() + "\n").collect();
    let fifo = module.root.join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    for bad in [
        String::new(),
        "x".to_owned(),
        first_line(&OUTPUT),
        good.trim_end().to_owned(),
        good.replace(&OUTPUT.to_string(), &OutputId([8; 32]).to_string()),
        format!("{head}{swapped}"),
        format!("{head}{lines}{lines}"),
        format!("{good}absent o /dev/zero\n"),
        format!("{good}{:064} o /proc/kcore\n", 0),
        format!("{head}{:064} o {}\n", 0, fifo.display()),
        format!("{good}{}", "absent s /zzz\n".repeat(80_000)),
    ] {
        fs::remove_file(&fifo).unwrap_or_default();
        assert!(!module.holds(bad.as_bytes()), "{}", &bad[..bad.len().min(300)]);
    }
}

#[test]
fn only_a_package_of_the_main_module_has_a_known_directory() {
    let module = Module::new();
    let root = &module.root;
    assert_eq!(package_dir(root, "example.test/m/golden"), Some(root.join("golden")));
    for other in [
        "example.test/m",
        "example.test/mm/golden",
        "example.test",
        "command-line-arguments",
        "example.test/m/absent",
        "example.test/m/data/of",
    ] {
        assert_eq!(package_dir(root, other), None, "{other}");
    }
    fs::write(root.join("golden/go.mod"), "module example.test/m/golden\n").unwrap();
    assert_eq!(package_dir(root, "example.test/m/golden"), None, "a module of its own");
    let mut places = Places { cwd: root.clone(), ..Places::default() };
    assert_eq!(places.module().as_ref(), Some(root));
    fs::write(root.parent().unwrap().join("go.work"), "").unwrap();
    assert_eq!(places.module(), None, "a workspace");
    places.gowork = Some("off".into());
    assert_eq!(places.module().as_ref(), Some(root));
    places.gowork = Some("/elsewhere/go.work".into());
    assert_eq!(places.module(), None);
}

#[test]
fn a_result_is_told_by_its_last_line() {
    assert_eq!(passed(b"ok  \texample.test/m\t0.01s\n"), Some("example.test/m"));
    assert_eq!(passed(b"# test log\nok  \texample.test/m\t0.01s\tcoverage: 1%\n"), Some("example.test/m"));
    for other in [b"ok  \tm\t0.01s".as_slice(), b"FAIL\tm\n", b"", b"\n", b"ok  \tm\t1s\nmore\n", b"\xff\n"] {
        assert_eq!(passed(other), None);
    }
}
