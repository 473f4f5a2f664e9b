//! Digests of scopes: what changes them, and what does not.

#![expect(clippy::disallowed_methods, reason = "tests rename and remove what they made")]

use std::fs;
use std::time::Duration;

use proto::condition::scopes;
use proto::parts::Parts;
use proto::{Scope, ScopeDigest};

use super::super::tree_fixture::TestTree;
use super::*;

const FILES: [(&str, &str); 12] = [
    ("src/go.mod", "module m\ngo 1.26\n"),
    ("src/a/a.go", "package a\n"),
    ("src/a/a_linux.go", "package a\n"),
    ("src/a/x.s", "// asm\n"),
    ("src/inc/v.h", "#define V 1\n"),
    ("src/inc/v.odd", "1"),
    ("src/README.md", "text"),
    ("src/.git/HEAD", "1"),
    ("src/vendor/modules.txt", "# d.test/d v1.0.0\n## explicit; go 1.20\nd.test/d\n"),
    ("src/vendor/d.test/d/d.go", "package d\n"),
    ("src/vendor/d.test/d/d.h", "1"),
    ("other/o.h", "1"),
];

fn module(path: &str, version: Option<&str>) -> Scope {
    Scope::module(path, version).unwrap()
}

fn main_module() -> Scope {
    module("m", None)
}

fn dependency() -> Scope {
    module("d.test/d", Some("v1.0.0"))
}

/// What a new go command sees.
fn digest(tree: &TestTree, scope: &Scope) -> Option<ScopeDigest> {
    tree.conditions("src").digest(scope)
}

#[test]
fn whatever_happens_to_a_file_of_a_module_changes_its_digest() {
    let tree = TestTree::new(&FILES);
    tree.link("../inc/v.h", "src/a/link.h");
    tree.link("../other", "src/outside");
    let changes: [(&str, &dyn Fn()); 14] = [
        ("an edit", &|| tree.write("src/inc/v.h", "#define V 2\n")),
        ("an odd ending", &|| tree.write("src/inc/v.odd", "2")),
        ("an addition", &|| tree.write("src/a/new", "")),
        ("an addition in a new directory", &|| tree.write("src/b/c/d/new.tpp", "x")),
        ("a hidden file", &|| tree.write("src/a/.hidden", "x")),
        ("a renaming", &|| fs::rename(tree.path("src/a/new"), tree.path("src/a/newer")).unwrap()),
        ("a renaming of a directory", &|| fs::rename(tree.path("src/b/c"), tree.path("src/b/e")).unwrap()),
        ("a removal", &|| fs::remove_file(tree.path("src/a/newer")).unwrap()),
        ("another target", &|| tree.link("../inc/v.odd", "src/a/link.h")),
        ("a link in place of a file", &|| tree.link("v.odd", "src/inc/v.h")),
        ("a file behind a link out of the module", &|| tree.write("other/o.h", "2")),
        ("a new file behind it", &|| tree.write("other/p.h", "2")),
        ("a link to nowhere", &|| tree.link("nowhere.h", "src/a/link.h")),
        ("something where a link led nowhere", &|| tree.write("src/a/nowhere.h", "")),
    ];
    let mut running = tree.conditions("src");
    let mut seen = vec![(digest(&tree, &main_module()).unwrap(), running.digest(&main_module()).unwrap())];
    for (what, change) in changes {
        change();
        running.forget_looks();
        let now = (digest(&tree, &main_module()).unwrap(), running.digest(&main_module()).unwrap());
        assert_eq!(now.0, now.1, "{what}: a second look sees what a first one sees");
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    }
}

#[test]
fn go_sources_and_version_control_do_not_change_a_modules_digest() {
    let tree = TestTree::new(&FILES);
    let before = digest(&tree, &main_module());
    assert!(before.is_some());
    tree.write("src/a/a.go", "package a // edited\n");
    tree.write("src/a/b.go", "package a\n");
    tree.write("src/.git/HEAD", "2");
    tree.write("go-cache/00/x", "2");
    tree.write("go/pkg/mod/x@v1/x.h", "2");
    tree.write("env-vars", "2");
    assert_eq!(digest(&tree, &main_module()), before);
}

#[test]
fn an_edit_outside_of_a_module_does_not_change_its_digest() {
    let tree = TestTree::new(&FILES);
    let before = digest(&tree, &dependency());
    assert!(before.is_some());
    for (path, text) in [("src/README.md", "2"), ("src/inc/v.h", "2"), ("src/a/a.go", "2"), ("other/o.h", "2")] {
        tree.write(path, text);
        assert_eq!(digest(&tree, &dependency()), before, "{path}");
    }
    tree.write("src/vendor/d.test/d/d.h", "2");
    assert_ne!(digest(&tree, &dependency()), before);
}

#[test]
fn the_tree_has_all_files_but_those_of_the_go_command() {
    let tree = TestTree::new(&FILES);
    let scopes = [scopes::TREE, scopes::VET];
    let digests = || scopes.each_ref().map(|scope| digest(&tree, scope).unwrap());
    let before = digests();
    for (path, text) in [
        ("go-cache/00/x", "1"),
        ("go/pkg/mod/x.h", "1"),
        ("go-build123/b001/x.h", "1"),
        ("ccAb12Cd.s", "1"),
        ("cgo-gcc-input-12345.c", "1"),
        ("env-vars", "1"),
        (".attrs.sh", "1"),
        ("src/.git/HEAD", "2"),
        ("src/a/a.go", "package a // edited\n"),
    ] {
        tree.write(path, text);
        assert_eq!(digests(), before, "{path}");
    }
    for (path, text, vet_too) in [
        ("src/env-vars", "1", false),
        ("other/o.h", "2", false),
        ("beside", "1", false),
        ("go-build-docs", "1", false),
        ("cgo-gcc-input-docs.c", "1", false),
        ("ccparams.txt", "1", false),
        ("src/a/a_linux.go", "package a // edited\n", true),
        ("src/a/tagged.go", "//go:build x\n\npackage a\n", true),
        ("src/a/x_arm64.s", "", true),
        ("src/a/c.go", "package a\nimport \"C\"\n", true),
    ] {
        let before = digests();
        tree.write(path, text);
        let after = digests();
        assert_ne!(after[0], before[0], "{path}");
        assert_eq!(after[1] != before[1], vet_too, "{path}");
    }
    let before = digests();
    tree.write("src/a/a.go", "//go:build x\npackage a\n");
    let after = digests();
    assert!(after[0] != before[0] && after[1] != before[1], "a constraint that is added");
}

/// It reads the Go sources that cgo makes, with the types of headers.
#[test]
fn what_vet_finds_depends_on_what_c_is_made_of() {
    let tree = TestTree::new(&FILES);
    let with = |more: &[(&str, &str)]| Conditions::new(tree.setting("src", more)).digest(&scopes::VET).unwrap();
    tree.write("src/vendor/d.test/d/c_linux.go", "package d\n\nimport \"C\"\n");
    let before = with(&[]);
    tree.write("src/README.md", "2");
    assert_eq!(with(&[]), before, "another module has no C");
    assert_ne!(with(&[("CGO_CFLAGS", "-O3")]), before);
    tree.write("src/vendor/d.test/d/d.h", "2");
    assert_ne!(with(&[]), before);
    tree.write("src/vendor/d.test/d/c_linux.go", "package d\n\n// #include \"../../../inc/v.h\"\nimport \"C\"\n");
    let before = with(&[]);
    tree.write("src/inc/v.h", "#define V 2\n");
    assert_ne!(with(&[]), before, "what leads out of its module has all of the tree");
}

#[test]
fn programs_beside_their_sources_leave_no_source_out() {
    let tree = TestTree::new(&FILES);
    let src = tree.path("src").display().to_string();
    let own = || Conditions::new(tree.setting("src", &[("GOBIN", &src)])).digest(&scopes::VET).unwrap();
    let before = own();
    tree.write("src/a/a_linux.go", "package a // edited\n");
    assert_ne!(own(), before);
}

#[test]
fn what_has_no_content_is_no_condition() {
    for make in [
        (&|tree: &TestTree| {
            rustix::fs::mkfifoat(rustix::fs::CWD, tree.path("src/pipe"), rustix::fs::Mode::RWXU).unwrap();
        }) as &dyn Fn(&TestTree),
        &|tree| tree.link("/dev/zero", "src/device"),
        &|tree| tree.link("loop", "src/loop"),
        &|tree| tree.link("..", "src/around"),
    ] {
        let tree = TestTree::new(&FILES);
        make(&tree);
        assert_eq!(digest(&tree, &main_module()), None);
    }
    // Two directories that lead to each other have an end: each is read once.
    let tree = TestTree::new(&FILES);
    tree.link("../../two", "one/inner/back");
    tree.link("../../one", "two/inner/back");
    tree.link("../one", "src/circle");
    assert!(digest(&tree, &main_module()).is_some());
}

#[test]
fn variables_and_programs_count_for_c_and_not_for_assembly() {
    let tree = TestTree::new(&FILES);
    let with = |more: &[(&str, &str)], scope: &Scope| Conditions::new(tree.setting("src", more)).digest(scope).unwrap();
    let asm = Scope::asm("m", None).unwrap();
    for more in [&[("CGO_CFLAGS", "-O3")][..], &[("REV", "2")], &[("CC", "/nix/store/x/bin/cc")]] {
        for scope in [main_module(), dependency(), scopes::STD, scopes::TREE] {
            assert_ne!(with(more, &scope), with(&[], &scope), "{more:?} {scope}");
        }
        for scope in [&asm, &scopes::VET] {
            assert_eq!(with(more, scope), with(&[], scope), "{more:?} {scope}");
        }
    }
    assert_ne!(with(&[], &asm), with(&[], &main_module()));
}

#[test]
fn only_what_is_older_than_the_go_command_is_unchanged() {
    let tree = TestTree::new(&FILES);
    let at = |started| Conditions::new(Setting { started, ..tree.setting("src", &[]) });
    let now = crate::clock::now();
    for scope in [main_module(), scopes::TREE, scopes::VET] {
        let mut late = at(now + Duration::from_secs(60));
        assert_eq!(late.digest_unchanged(&scope), late.digest(&scope));
        assert!(late.digest(&scope).is_some());
        let mut early = at(now - Duration::from_secs(60));
        assert!(early.digest(&scope).is_some());
        assert_eq!(early.digest_unchanged(&scope), None, "{scope}");
    }
    let mut early = at(now - Duration::from_secs(60));
    assert!(early.digest_unchanged(&scopes::STD).is_some());
    // Names in the build's directory are compared, since those of temporary files come and go there.
    let mut late = at(now + Duration::from_secs(60));
    tree.write("go-build77/x", "1");
    assert!(late.digest_unchanged(&scopes::TREE).is_some());
    fs::remove_dir_all(tree.path("other")).unwrap();
    late.forget_looks();
    assert_eq!(late.digest_unchanged(&scopes::TREE), None);
}

/// With `proxyVendor` of nixpkgs each build's first go command does so.
#[test]
fn a_module_that_the_go_command_itself_unpacked_is_unchanged() {
    let root = "go/pkg/mod/d.test/d@v1.0.0";
    let (header, go_mod) = (format!("{root}/v.h"), format!("{root}/go.mod"));
    let main = "module m\n\ngo 1.21\n\nrequire d.test/d v1.0.0\n";
    let tree = TestTree::new(&[("src/go.mod", main), (&go_mod, "module d.test/d\n"), (&header, "1")]);
    let scope = module("d.test/d", Some("v1.0.0"));
    let started = crate::clock::now() - Duration::from_secs(60);
    let unchanged = || Conditions::new(Setting { started, ..tree.setting("src", &[]) }).digest_unchanged(&scope);
    let mode = |mode| fs::set_permissions(tree.path(root), fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(unchanged(), None, "it may be written to");
    mode(0o555);
    assert!(unchanged().is_some());
    std::thread::sleep(Duration::from_millis(50)); // a tick of file times
    fs::write(tree.path(&header), "2").unwrap();
    assert_eq!(unchanged(), None, "changed since");
    mode(0o755);
}

#[test]
fn a_scope_that_this_go_command_cannot_have_is_none() {
    let tree = TestTree::new(&FILES);
    let unclean = || Conditions::new(Setting { is_clean: false, ..tree.setting("src", &[]) });
    for scope in [
        module("d.test/d", Some("v1.0.1")),
        module("d.test/d", None),
        module("m", Some("v1.0.0")),
        module("elsewhere.test/x", Some("v1.0.0")),
        scopes::TREE_WITH_GO,
        scopes::PRIVATE,
        Scope::new("odd").unwrap(),
    ] {
        assert_eq!(digest(&tree, &scope), None, "{scope}");
    }
    for scope in [main_module(), scopes::STD, scopes::TREE, scopes::VET, scopes::VET_OUTPUT, scopes::FACTS] {
        assert!(digest(&tree, &scope).is_some(), "{scope}");
        assert_eq!(unclean().digest(&scope), None, "{scope}");
    }
    let before = unclean().digest(&scopes::TREE_WITH_GO);
    assert!(before.is_some());
    tree.write("src/a/a.go", "package a // edited\n");
    assert_ne!(unclean().digest(&scopes::TREE_WITH_GO), before);
}

#[test]
fn the_command_line_counts_where_it_is_not_clean() {
    let tree = TestTree::new(&FILES);
    let outside = TestTree::new(&[("tool", "1"), ("dir/x", "1")]);
    let with = |words: &[&str]| {
        let arguments = ["go", "build"].iter().chain(words).map(Into::into).collect();
        let setting = Setting { is_clean: false, arguments: Some(arguments), ..tree.setting("src", &[]) };
        Conditions::new(setting).digest(&scopes::TREE_WITH_GO)
    };
    let tool = outside.path("tool");
    let tool = format!("-toolexec={} -x", tool.display());
    let before = with(&[&tool]);
    assert!(before.is_some());
    assert_ne!(with(&[&tool, "-v"]), before);
    assert_eq!(with(&["-o", "/nix/store/out/bin/x", &tool]), with(&["-o", "y", &tool]));
    outside.write("tool", "2");
    assert_ne!(with(&[&tool]), before);
    assert_eq!(with(&[&format!("-pkgdir={}", outside.path("dir").display())]), None);
}

#[test]
fn a_later_go_command_finds_what_was_read() {
    let tree = TestTree::new(&FILES);
    let memo = tree.path("go-cache/00/memo");
    let with_memo = || Conditions::new(Setting { memo: Some(memo.clone()), ..tree.setting("src", &[]) });
    for scope in [main_module(), scopes::TREE, scopes::VET, dependency()] {
        let (known, read) = (digest(&tree, &scope), with_memo().digest(&scope));
        assert_eq!((known, known), (read, with_memo().digest(&scope)), "{scope}");
    }
    let before = with_memo().digest(&main_module());
    tree.write("src/inc/v.h", "2");
    assert_ne!(with_memo().digest(&main_module()), before);
    for file in fs::read_dir(&memo).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    assert_eq!(with_memo().digest(&main_module()), digest(&tree, &main_module()));
}

#[test]
fn parts_name_the_file_that_differs() {
    let tree = TestTree::new(&FILES);
    let parts = |scope: &Scope| Parts::read(&tree.conditions("src").parts(scope).unwrap());
    let before = parts(&main_module());
    tree.write("src/inc/v.h", "2");
    let names: Vec<_> = before.differences(&parts(&main_module())).into_iter().map(|one| one.to_string()).collect();
    assert_eq!(names, ["file inc/v.h"]);
}

#[test]
fn parts_name_the_flag_that_differs() {
    let tree = TestTree::new(&FILES);
    let outside = TestTree::new(&[("tool", "1")]);
    let parts = |words: &[&str]| {
        let arguments = ["go", "build"].iter().chain(words).map(Into::into).collect();
        let setting = Setting { is_clean: false, arguments: Some(arguments), ..tree.setting("src", &[]) };
        Parts::read(&Conditions::new(setting).parts(&scopes::TREE_WITH_GO).unwrap())
    };
    let tool = outside.path("tool").display().to_string();
    let before = parts(&["-toolexec", &tool, "-tags", "a", "./x"]);
    let names = |after: &Parts| before.differences(after).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&parts(&["-toolexec", &tool, "-tags=b", "./x"])), ["flag -tags"]);
    assert_eq!(
        names(&parts(&["-toolexec", &tool, "-tags", "a", "-v", "./y"])),
        ["flag -v", "the arguments of the go command"]
    );
    outside.write("tool", "2");
    assert_eq!(names(&parts(&["-toolexec", &tool, "-tags", "a", "./x"])), ["flag -toolexec"]);
}

/// How long the first and the second look at 30,000 files take, in CPU time: `cargo test --release -- --ignored --nocapture thirty_thousand`.
#[test]
#[ignore = "a measurement"]
fn thirty_thousand_files_are_read_and_looked_at_again() {
    let tree = TestTree::new(&FILES);
    for n in 0..30_000 {
        let ending = if n % 3 == 0 { "h" } else { "go" };
        tree.write(&format!("src/d{}/e{}/f{n}.{ending}", n % 30, n % 600), &format!("package e // {n}\n").repeat(200));
    }
    let memo = tree.path("go-cache/00/memo");
    for (scope, what) in [(scopes::TREE, "tree"), (main_module(), "module"), (scopes::TREE_WITH_GO, "tree with Go")] {
        let mut spans = Vec::new();
        let setting = || Setting {
            is_clean: scope != scopes::TREE_WITH_GO,
            memo: Some(memo.clone()),
            ..tree.setting("src", &[])
        };
        std::thread::sleep(Duration::from_millis(50));
        let mut measure = |what: &'static str, conditions: &mut Conditions| {
            let cpu = || fs::read_to_string("/proc/thread-self/schedstat").unwrap();
            let cpu = || Duration::from_nanos(cpu().split(' ').next().unwrap().parse().unwrap());
            let began = cpu();
            assert!(conditions.digest(&scope).is_some());
            spans.push((what, cpu() - began));
        };
        let mut first = Conditions::new(setting());
        measure("first", &mut first);
        first.forget_looks();
        measure("second", &mut first);
        measure("of another go command", &mut Conditions::new(setting()));
        println!("{what}: {spans:?}");
    }
}
