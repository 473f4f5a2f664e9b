//! A module, a go command that tests it, and another build that is offered the result.

#![expect(clippy::disallowed_methods, reason = "files of a module, not of a store")]

use super::*;
use crate::clock;
use crate::condition::invocation::Invocation;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::inotify;
use store::TEST_LOG;

const OUTPUT: OutputId = OutputId([7; 32]);

struct Module {
    dir: tempfile::TempDir,
    root: PathBuf,
    context: TestContext,
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
        let invocation = Invocation::of(&["go", "test", "./..."], "-mod=vendor");
        let context = TestContext { cwd: root.join("golden"), temporary, invocation, ..TestContext::default() };
        Self { dir, root, context }
    }

    /// The inputs as a go command sees them that starts after the module is written.
    fn inputs(&self) -> TestInputs {
        std::thread::sleep(Duration::from_millis(30));
        TestInputs::new(self.context.clone(), clock::before_changes())
    }

    /// The list that it makes of a log.
    fn list(&self, log: &str) -> Option<Vec<u8>> {
        self.inputs().make_list(&result(log), &OUTPUT)
    }

    fn is_current(&self, list: &[u8]) -> bool {
        self.is_current_for(&mut self.inputs(), list)
    }

    fn is_current_for(&self, inputs: &mut TestInputs, list: &[u8]) -> bool {
        let path = self.dir.path().join("list");
        fs::write(&path, list).unwrap();
        inputs.is_current(&path, &OUTPUT)
    }
}

fn result(log: &str) -> TestResult {
    let log = format!("{TEST_LOG}{log}");
    TestResult { package: "example.test/m/golden".to_owned(), logs: [log.into_bytes().into()].into() }
}

const LOG: &str =
    "getenv HOME\nopen testdata/a.txt\nstat absent\nopen testdata\nstat link\nopen ../../outside\nopen /proc/cpuinfo\n";

#[test]
fn any_change_of_a_tests_inputs_is_seen() {
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
        let list = module.list(LOG).unwrap();
        assert!(module.is_current(&list), "{what}: before");
        change(&module.root);
        assert!(!module.is_current(&list), "{what}");
    }
}

#[test]
fn files_that_are_no_inputs_may_change() {
    let module = Module::new();
    let list = module.list(LOG).unwrap();
    fs::write(module.root.join("golden/golden.go"), "package golden // it is in the key").unwrap();
    fs::write(module.root.join("../neighbour"), "").unwrap();
    assert!(module.is_current(&list));
}

/// A test is linked with it, and neither the key of the package nor that of the link has it.
#[test]
fn a_library_of_a_vendored_module_is_an_input() {
    let module = Module::new();
    fs::create_dir_all(module.root.join("vendor/x")).unwrap();
    fs::write(module.root.join("vendor/x/x.a"), "one").unwrap();
    fs::write(module.root.join("vendor/x/x.go"), "package x").unwrap();
    let list = module.list(LOG).unwrap();
    fs::write(module.root.join("vendor/x/x.go"), "package x // it is in the key").unwrap();
    assert!(module.is_current(&list));
    fs::write(module.root.join("vendor/x/x.a"), "two").unwrap();
    assert!(!module.is_current(&list));
}

#[test]
fn changes_in_a_nested_vendor_directory_and_of_variables_are_seen() {
    let module = Module::new();
    fs::create_dir_all(module.root.join("static/vendor")).unwrap();
    fs::write(module.root.join("static/vendor/app.tmpl"), "one").unwrap();
    let list = module.list(LOG).unwrap();
    assert!(module.is_current(&list));
    let mut other_inputs = module.inputs();
    other_inputs.context.variables.push(("MODE".into(), "".into()));
    assert!(!module.is_current_for(&mut other_inputs, &list));
    fs::write(module.root.join("static/vendor/app.tmpl"), "two").unwrap();
    assert!(!module.is_current(&list));
}

#[test]
fn a_tree_that_is_too_deep_is_not_read() {
    let module = Module::new();
    fs::create_dir_all(module.root.join("deep/".repeat(200))).unwrap();
    assert_eq!(module.list(LOG), None);
}

#[test]
fn temporary_directories_are_no_inputs() {
    let module = Module::new();
    let build = module.root.parent().unwrap().to_owned();
    let log = format!("open {0}\nopen {0}/go-build123/b001/m.test\nstat {0}/TestX1/001\n", build.display());
    let list = module.list(&log).unwrap();
    fs::write(build.join("go-build77"), "").unwrap();
    assert!(module.is_current(&list));
    fs::create_dir_all(build.join("TestX1/001")).unwrap();
    assert!(!module.is_current(&list), "what the test left behind counts");
}

#[test]
fn a_result_of_a_test_that_changes_its_tree_is_not_shared() {
    let module = Module::new();
    for made in ["golden/made", "../outside"] {
        let mut inputs = module.inputs();
        fs::write(module.root.join(made), "").unwrap();
        assert_eq!(inputs.make_list(&result(LOG), &OUTPUT), None, "{made}");
    }
}

#[test]
fn the_files_of_all_logs_are_in_a_list() {
    let module = Module::new();
    let logs = ["one", "two"].map(|name| format!("{TEST_LOG}stat {name}\n").into_bytes().into());
    let list = module.inputs().make_list(&TestResult { logs: logs.into(), ..result("") }, &OUTPUT).unwrap();
    let list = String::from_utf8(list).unwrap();
    assert!(list.contains("golden/one") && list.contains("golden/two"), "{list}");
}

/// Watches which files of a module are opened.
struct OpenedFiles(std::os::fd::OwnedFd);

impl OpenedFiles {
    fn below(root: &Path) -> Self {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        for dir in [root.to_owned(), root.join("golden"), root.join("golden/testdata"), root.join("data/of")] {
            inotify::add_watch(&watch, &dir, inotify::WatchFlags::OPEN).unwrap();
        }
        Self(watch)
    }

    /// The names of files opened since the last call, sorted; a directory's own opening has none.
    fn take(&self) -> Vec<String> {
        let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 4096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = events.next() {
            names.push(event.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned()));
        }
        names.sort();
        names
    }
}

#[test]
fn a_module_is_read_once_a_go_command() {
    let module = Module::new();
    let list = module.list(LOG).unwrap();
    let mut inputs = module.inputs();
    let opened = OpenedFiles::below(&module.root);
    let log = "open testdata/a.txt\n";
    assert!(inputs.make_list(&result(log), &OUTPUT).is_some());
    let first = opened.take();
    assert_eq!(first.iter().filter(|name| *name == "a.txt").count(), 1, "also for the test's own list: {first:?}");
    assert!(first.contains(&"another.txt".to_owned()), "{first:?}");
    for _ in 0..3 {
        assert!(inputs.make_list(&result(log), &OUTPUT).is_some());
        // The name of the module is in go.mod; a package is one with tests in its directory.
        let again = opened.take();
        assert!(again.iter().all(|name| ["go.mod", "golden", ""].contains(&name.as_str())), "{again:?}");
    }
    assert!(module.is_current_for(&mut inputs, &list));
    assert!(opened.take().iter().all(|name| name == "testdata" || name.is_empty()), "what the log's directory holds");
    // One file is another: only that is read.
    fs::write(module.root.join("data/of/another.txt"), "two").unwrap();
    opened.take();
    assert!(!module.is_current_for(&mut inputs, &list));
    let names: Vec<_> = opened.take().into_iter().filter(|name| name.ends_with(".txt")).collect();
    assert_eq!(names, ["another.txt"]);
}

#[test]
fn a_change_between_two_checks_of_a_go_command_is_seen() {
    let module = Module::new();
    let list = module.list(LOG).unwrap();
    let mut inputs = module.inputs();
    let file = module.root.join("data/of/another.txt");
    for _ in 0..3 {
        assert!(module.is_current_for(&mut inputs, &list));
        fs::write(&file, "two").unwrap();
        assert!(!module.is_current_for(&mut inputs, &list));
        fs::write(&file, "one").unwrap();
        assert!(module.is_current_for(&mut inputs, &list), "the content counts, not the time");
        fs::write(module.root.join("new"), "").unwrap();
        assert!(!module.is_current_for(&mut inputs, &list));
        fs::remove_file(module.root.join("new")).unwrap();
    }
}

#[test]
fn a_module_that_is_too_large_is_read_once() {
    let module = Module::new();
    let list = module.list(LOG).unwrap();
    let large = module.root.join("data/of/large");
    fs::File::create(&large).unwrap().set_len(65 << 20).unwrap();
    let mut inputs = module.inputs();
    assert!(!module.is_current_for(&mut inputs, &list));
    fs::remove_file(&large).unwrap();
    let opened = OpenedFiles::below(&module.root);
    assert_eq!(inputs.make_list(&result(LOG), &OUTPUT), None);
    assert!(!opened.take().contains(&"a.txt".to_owned()));
}

#[test]
fn a_damaged_or_hostile_list_is_not_current() {
    let module = Module::new();
    let good = String::from_utf8(module.list("open testdata/a.txt\nopen testdata\n").unwrap()).unwrap();
    assert!(module.is_current(good.as_bytes()));
    let (head, lines) = good.split_at(good.match_indices('\n').nth(1).unwrap().0 + 1);
    let swapped: String = lines.lines().rev().map(|line| line.to_owned() + "\n").collect();
    // Outside of the module, whose data stays the same.
    let (fifo, device) = (module.dir.path().join("fifo"), module.dir.path().join("device"));
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
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
        format!("{head}{:064} o {}\n", 0, device.display()),
        format!("{good}{}", "absent s /zzz\n".repeat(80_000)),
    ] {
        assert!(!module.is_current(bad.as_bytes()), "{}", &bad[..bad.len().min(300)]);
    }
    assert!(module.is_current(good.as_bytes()), "nothing else was in the way");
}

#[test]
fn a_workspace_has_no_main_module() {
    let module = Module::new();
    let root = &module.root;
    let mut context = TestContext { cwd: root.clone(), ..TestContext::default() };
    assert_eq!(context.module().as_ref(), Some(root));
    fs::write(root.parent().unwrap().join("go.work"), "").unwrap();
    assert_eq!(context.module(), None, "a workspace");
    context.gowork = Some("off".into());
    assert_eq!(context.module().as_ref(), Some(root));
    context.gowork = Some("/elsewhere/go.work".into());
    assert_eq!(context.module(), None);
}

mod beyond_the_log;

#[test]
fn beside_a_server_nothing_is_given_and_nothing_taken() {
    let mut module = Module::new();
    let list = module.list(LOG).unwrap();
    let (mut giving, mut taking) = (module.inputs(), module.inputs());
    // Where the tables cannot be read there may be one.
    let there = Some(PathBuf::from("/nonexistent"));
    (giving.context.net, taking.context.net) = (there.clone(), there.clone());
    assert_eq!(giving.make_list(&result(LOG), &OUTPUT), None);
    assert!(!module.is_current_for(&mut taking, &list));
    module.context.net = there;
    let (mut giving, mut taking) = (module.inputs(), module.inputs());
    (giving.context.net, taking.context.net) = (None, None);
    assert_eq!(giving.make_list(&result(LOG), &OUTPUT), None, "it is gone, and was there");
    assert!(!module.is_current_for(&mut taking, &list));
    module.context.net = None;
    assert!(module.is_current(&list) && module.list(LOG).as_ref() == Some(&list));
}
