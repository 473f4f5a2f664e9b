//! What a test may see or leave behind that its log does not have.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::test_context::BuildTop;

/// A module whose go command runs in a Nix build, with caches in the build's directory.
fn in_build() -> Module {
    let mut module = Module::new();
    let top = module.root.parent().unwrap().to_owned();
    for (path, text) in
        [("go-cache/00/x", ""), ("go/pkg/mod/x", ""), ("other/data", "one"), ("env-vars", "out=/x"), ("home/x", "")]
    {
        let path = top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    module.context.programs = vec![top.join("go/bin")];
    module.context.apart = ["go-cache", "go/pkg", "home/.config/go/telemetry"].map(|name| top.join(name)).to_vec();
    module.context.top = Some(BuildTop::read(top, Vec::new(), &module.context.temporary, &module.context.apart));
    module
}

impl Module {
    fn top(&self) -> PathBuf {
        self.root.parent().unwrap().to_owned()
    }

    /// The package's own test imports this package.
    fn imports(&self, path: &str) {
        fs::write(self.root.join("golden/golden_test.go"), format!("package golden\nimport \"{path}\"\n")).unwrap();
    }

    /// As the next go command finds it.
    fn begin_again(&mut self) {
        self.context.top = Some(BuildTop::read(self.top(), Vec::new(), &self.context.temporary, &self.context.apart));
    }
}

/// The first directory that a path needs and that was not there.
fn made_for(path: &str) -> &str {
    ["module/vendor", "other/.git"].into_iter().find(|dir| path.starts_with(dir)).unwrap()
}

#[test]
fn programs_that_were_installed_count_for_tests_that_run_programs() {
    for (path, counts) in [("os/exec", true), ("C", false)] {
        let mut module = in_build();
        module.imports(path);
        let list = module.list(LOG).unwrap();
        fs::create_dir(module.top().join("go/bin")).unwrap();
        fs::write(module.top().join("go/bin/tool"), "").unwrap();
        fs::set_permissions(module.top().join("go/bin/tool"), PermissionsExt::from_mode(0o755)).unwrap();
        module.begin_again();
        assert_eq!(module.is_current(&list), !counts, "{path}");
        fs::write(module.top().join("go/bin/no-program"), "").unwrap();
        assert!(!module.is_current(&list), "{path}");
    }
}

#[test]
fn a_test_that_runs_programs_depends_on_the_whole_tree() {
    for path in ["os/exec", "syscall", "C", "example.test/m/tool"] {
        let mut module = in_build();
        fs::create_dir_all(module.root.join("tool")).unwrap();
        fs::write(module.root.join("tool/tool.go"), "package tool\nimport \"os/exec\"\n").unwrap();
        module.imports(path);
        let list = module.list(LOG).unwrap();
        for changed in ["module/tool/tool.go", "other/data", "module/vendor/a/a.go", "other/.git/HEAD"] {
            let file = module.top().join(changed);
            let before = fs::read(&file).ok();
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "package tool // another\n").unwrap();
            assert!(!module.is_current(&list), "{path}: {changed}");
            match before {
                Some(text) => fs::write(&file, text).unwrap(),
                None => fs::remove_dir_all(module.top().join(made_for(changed))).unwrap(),
            }
            assert!(module.is_current(&list), "{path}: {changed} as it was");
        }
        for left_out in ["env-vars", "go-cache/00/x", "go/pkg/mod/y", "go-build77"] {
            fs::write(module.top().join(left_out), "other").unwrap();
        }
        module.begin_again();
        assert!(module.is_current(&list), "{path}");
    }
}

#[test]
fn a_test_that_runs_none_depends_on_what_lies_beside_the_module_and_on_no_sources() {
    let module = in_build();
    module.imports("os");
    fs::create_dir_all(module.root.join("tool")).unwrap();
    fs::write(module.root.join("tool/tool.go"), "package tool\nimport \"os/exec\"\n").unwrap();
    let list = module.list(LOG).unwrap();
    fs::write(module.root.join("tool/tool.go"), "package tool\n").unwrap();
    assert!(module.is_current(&list));
    fs::write(module.top().join("other/data"), "two").unwrap();
    assert!(!module.is_current(&list));
}

#[test]
fn what_a_test_before_left_behind_counts_without_its_random_number() {
    let mut module = in_build();
    module.imports("os/exec");
    let leave = |module: &Module, number: u32, text: &str, mode: u32| {
        let left = module.top().join(format!("TestGolden{number}"));
        fs::create_dir(&left).unwrap();
        fs::write(left.join("x"), text).unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(mode)).unwrap();
        left
    };
    let left = leave(&module, 58_053_973, "one", 0o700);
    module.begin_again();
    let list = module.list(LOG).unwrap();
    fs::remove_dir_all(left).unwrap();
    for (number, text, mode, is_current) in [
        (3_888_363_961, "one", 0o700, true),
        (3_888_363_962, "two", 0o700, false),
        (3_888_363_963, "one", 0o755, false),
        (58_053_973, "one", 0o700, true),
    ] {
        let left = leave(&module, number, text, mode);
        module.begin_again();
        assert_eq!(module.is_current(&list), is_current, "{number} {text} {mode:o}");
        fs::remove_dir_all(left).unwrap();
    }
}

#[test]
fn a_variable_that_differs_between_builds_counts_where_a_source_may_read_it() {
    for (source, counts) in [
        ("var v = \"version\"", false),
        ("var v = os.Getenv(\"HOME\") + \"version\"", false),
        ("var v = os.Getenv(\"version\")", true),
        ("var v = helper(\"version\", os.Getenv)", true),
        ("import \"os/exec\"\nvar v = run(\"printenv version\")", true),
    ] {
        for before in [Some("1"), None] {
            let mut module = in_build();
            let source = format!("package golden\nimport \"os\"\n{source}\n");
            fs::write(module.root.join("golden/golden_test.go"), &source).unwrap();
            let set = |version: Option<&str>| {
                let version = version.map(|version| ("version".into(), version.into()));
                version.into_iter().chain([("NIX_BUILD_TOP".into(), "/build".into())]).collect()
            };
            module.context.variables = set(before);
            let list = module.list(LOG).unwrap();
            assert!(module.is_current(&list), "{source}");
            module.context.variables = set(Some("2"));
            assert_eq!(module.is_current(&list), !counts, "{before:?}: {source}");
        }
    }
}

#[test]
fn a_file_with_a_compilers_temporary_name_counts_where_the_build_had_it() {
    let mut module = in_build();
    module.imports("os");
    let file = module.top().join("ccTables.c");
    fs::write(&file, "one").unwrap();
    module.begin_again();
    let list = module.list(&format!("open {}\n", file.display())).unwrap();
    fs::write(&file, "two").unwrap();
    assert!(!module.is_current(&list));
}

#[test]
fn a_module_below_gopath_is_no_cache() {
    let mut module = in_build();
    module.imports("os/exec");
    module.context.apart.push(module.top());
    let list = module.list(LOG).unwrap();
    fs::write(module.root.join("golden/another.go"), "package golden\n").unwrap();
    assert!(!module.is_current(&list));
}

#[test]
fn what_a_link_leads_to_counts_by_its_content() {
    for (link, changed) in [
        ("../../../../outside-dir", "inner/data"),
        ("../../../../outside-dir/inner/data", "inner/data"),
        ("../../vendor/a", ""),
    ] {
        let module = in_build();
        let outside = module.dir.path().join("outside-dir");
        for path in [outside.join("inner/data"), module.root.join("vendor/a/data")] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "one").unwrap();
        }
        std::os::unix::fs::symlink(link, module.root.join("golden/testdata/link")).unwrap();
        // A loop, and one that leads around the module.
        std::os::unix::fs::symlink("loop", module.root.join("golden/testdata/loop")).unwrap();
        std::os::unix::fs::symlink("..", outside.join("inner/up")).unwrap();
        let list = module.list("getenv X\n").unwrap();
        assert!(module.is_current(&list), "{link}");
        let file = if changed.is_empty() { module.root.join("vendor/a/data") } else { outside.join(changed) };
        fs::write(file, "two").unwrap();
        assert!(!module.is_current(&list), "{link}");
    }
}

#[test]
fn a_run_that_leaves_something_in_the_builds_directory_makes_its_go_commands_results_private() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 9] = [
        ("a directory", |top| fs::create_dir(top.join("cov")).unwrap()),
        ("a file", |top| fs::write(top.join("cov.out"), "").unwrap()),
        ("a directory with a random name", |top| fs::create_dir(top.join("TestX123456789")).unwrap()),
        ("a file deeper down", |top| fs::write(top.join("other/new"), "").unwrap()),
        ("another content", |top| fs::write(top.join("other/data"), "one").unwrap()),
        ("a file that is gone", |top| fs::remove_file(top.join("env-vars")).unwrap()),
        ("a file that is renamed", |top| fs::rename(top.join("env-vars"), top.join("env")).unwrap()),
        ("a program beside the caches of GOPATH", |top| {
            fs::create_dir(top.join("go/bin")).unwrap();
        }),
        ("a configuration beside telemetry", |top| {
            fs::create_dir_all(top.join("home/.config/git")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let module = in_build();
        let mut inputs = module.inputs();
        assert!(inputs.make_list(&result(LOG), &OUTPUT).is_some(), "{what}: before");
        change(&module.top());
        assert_eq!(inputs.make_list(&result(LOG), &OUTPUT), None, "{what}");
        fs::remove_dir_all(module.top().join("cov")).unwrap_or_default();
        assert_eq!(inputs.make_list(&result(LOG), &OUTPUT), None, "{what}: of the results after it too");
    }
}

#[test]
fn what_the_go_command_itself_writes_is_no_change() {
    let module = in_build();
    module.imports("os/exec");
    let mut inputs = module.inputs();
    for path in [
        "go-build123/b001/x",
        "ccAbc123.s",
        "go-cache/01/y",
        "go/pkg/mod/cache/lock",
        "home/.config/go/telemetry/local/x",
    ] {
        let path = module.top().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let list = inputs.make_list(&result(LOG), &OUTPUT).unwrap();
    fs::remove_dir_all(module.top().join("go-build123")).unwrap();
    assert!(module.is_current_for(&mut inputs, &list));
    fs::write(module.top().join("other/data"), "two").unwrap();
    assert!(!module.is_current_for(&mut inputs, &list), "all else is looked at again");
}

#[test]
fn a_go_command_that_brings_in_files_by_flags_gives_and_takes_no_results() {
    let mut module = in_build();
    let list = module.list(LOG).unwrap();
    for arguments in [&["go", "test", "-toolexec=/x", "."][..], &["go", "test", "-overlay", "x.json"]] {
        module.context.invocation = Invocation::of(arguments, "");
        assert_eq!(module.list(LOG), None);
        assert!(!module.is_current(&list));
    }
    module.context.invocation = Invocation::default();
    assert!(!module.is_current(&list), "not known");
}
