//! The scopes of archives: a module where nothing leads out of it, and never less than what may be read.

#![expect(clippy::disallowed_methods, reason = "tests remove what they made")]

use std::fs;

use proto::condition::scopes;

use super::super::tree_fixture::{TestTree, archive, assembled};
use super::super::{Conditions, MadeArchive, Setting};

const FILES: [(&str, &str); 7] = [
    ("src/go.mod", "module m\ngo 1.26\n"),
    ("src/main.go", "package main\n"),
    ("src/a/a.go", "package a\n\n// #include \"../inc/v.h\"\nimport \"C\"\n"),
    ("src/a/x.s", "#include \"../inc/v.h\"\n"),
    ("src/inc/v.h", "#define V 1\n"),
    ("common/s.h", "1"),
    ("src/vendor/modules.txt", "# d.test/d v1.0.0\n## explicit; go 1.20\nd.test/d\n"),
];

fn of_a() -> MadeArchive {
    archive("m/a", &["m/a/a.go"])
}

fn asm_of_a() -> MadeArchive {
    assembled("m/a", &["m/a/a.go"])
}

fn scope_with(tree: &TestTree, more: &[(&str, &str)], made: &MadeArchive) -> String {
    scope(Conditions::new(tree.setting("src", more)), made)
}

fn scope(mut conditions: Conditions, made: &MadeArchive) -> String {
    conditions.scope_of(made).map_or("private".to_owned(), |scope| scope.as_str().to_owned())
}

#[test]
fn an_archive_has_the_scope_of_its_module() {
    let tree = TestTree::new(&FILES);
    tree.write("src/vendor/d.test/d/d.go", "package d\nimport \"C\"\n");
    for (made, expected) in [
        (of_a(), "module m"),
        (asm_of_a(), "asm m"),
        (archive("main", &["m/main.go", "m/a/a.go"]), "module m"),
        (archive("d.test/d", &["d.test/d@v1.0.0/d.go"]), "module d.test/d@v1.0.0"),
        (MadeArchive { is_std: true, ..archive("net", &["net/net.go"]) }, "std"),
        (MadeArchive { is_std: true, ..assembled("math", &["math/exp.go"]) }, "std asm"),
        (archive("d.test/d", &["d.test/d@v1.0.1/d.go"]), "private"),
        (archive("x.test/x", &["x.test/x/x.go"]), "private"),
    ] {
        assert_eq!(scope_with(&tree, &[], &made), expected, "{made:?}");
    }
}

#[test]
fn a_replaced_module_beside_it_does_not_lead_out_of_a_module() {
    let tree = TestTree::new(&FILES);
    tree.write("src/go.mod", "module m\ngo 1.26\nreplace c.test/c => ../common\n");
    assert_eq!(scope_with(&tree, &[], &of_a()), "module m");
}

#[test]
fn a_module_that_names_files_around_it_has_the_scope_of_the_tree() {
    for (path, text) in [
        ("src/a/a.go", "package a\n// #cgo CFLAGS: -I${SRCDIR}/../../common\nimport \"C\"\n"),
        ("src/a/a.go", "package a\n// #cgo LDFLAGS: -L../../common\nimport \"C\"\n"),
        ("src/a/a.go", "package a\n/*\n#include \"../../common/none.h\"\n*/\nimport \"C\"\n"),
        ("src/inc/v.h", "#include \"../../common/s.h\"\n"),
        ("src/inc/v.odd", "#if __has_include(\"../../common/none.h\")\n"),
        ("src/flags.rsp", "-I ../common\n"),
        ("src/x.ld", "INPUT(../common/s.h)\n"),
        ("src/x.h", "#include \"TOP/common/s.h\"\n"),
        ("src/x.h", "#define DIR TOP/common\n"),
    ] {
        let tree = TestTree::new(&FILES);
        tree.write(path, &text.replace("TOP", tree.path("").to_str().unwrap().trim_end_matches('/')));
        assert_eq!(scope_with(&tree, &[], &of_a()), "tree", "{path} {text}");
        if !path.ends_with(".go") {
            assert_eq!(scope_with(&tree, &[], &asm_of_a()), "tree", "{path} {text}");
        }
    }
}

#[test]
fn a_script_of_the_module_matters_where_programs_run() {
    for (line, of_assembly) in [("run :TOP x", "asm m"), ("cc -ITOP/common", "tree"), (".include \"TOP/x\"", "tree")] {
        let tree = TestTree::new(&FILES);
        let line = line.replace("TOP", tree.path("").to_str().unwrap().trim_end_matches('/'));
        tree.write("src/make.sh", &format!("#!/usr/bin/env bash\n{line}\n"));
        assert_eq!(scope_with(&tree, &[], &of_a()), "tree", "{line}");
        assert_eq!(scope_with(&tree, &[], &asm_of_a()), of_assembly, "{line}");
        tree.write("src/make.sh", &format!("#!bash\n{line}\n"));
        assert_eq!(scope_with(&tree, &[], &asm_of_a()), "tree", "{line}");
    }
}

#[test]
fn what_leads_out_of_the_tree_has_no_condition() {
    let outside = TestTree::new(&[("x.h", "1")]);
    for (path, text) in [
        ("src/a/a.go", "package a\n// #cgo CFLAGS: -I${SRCDIR}/../../..\nimport \"C\"\n"),
        ("src/a/a.go", "package a\n// #cgo CFLAGS: -flto\nimport \"C\"\n"),
        ("src/a/a.go", "package a\n// #include \"other.go\"\nimport \"C\"\n"),
        ("src/a/a.go", "package a\n// #cgo CFLAGS: -IOUTSIDE\nimport \"C\"\n"),
        ("src/inc/v.h", "#include \"../../../x.h\"\n"),
        ("src/inc/v.h", "#include \"../a/a.go\"\n"),
        ("src/inc/v.h", "#include \"OUTSIDE/x.h\"\n"),
        ("src/inc/v.h", "/* OUTSIDE/x.h */\n"),
        ("src/inc/v.h", "#include \"TOP/go-cache/x.h\"\n"),
    ] {
        let tree = TestTree::new(&FILES);
        let text = text.replace("OUTSIDE", outside.path("").to_str().unwrap().trim_end_matches('/'));
        tree.write(path, &text.replace("TOP", tree.path("").to_str().unwrap().trim_end_matches('/')));
        assert_eq!(scope_with(&tree, &[], &of_a()), "private", "{path} {text}");
    }
}

#[test]
fn variables_and_programs_in_the_tree_make_it_the_trees() {
    let tree = TestTree::new(&FILES);
    tree.write("src/cc.sh", "#!/bin/sh\n");
    let top = tree.path("");
    let top = top.to_str().unwrap().trim_end_matches('/');
    let (flags, compiler) = (format!("-I{top}/common"), format!("{top}/src/cc.sh"));
    for (more, expected) in [
        (("CGO_CFLAGS", flags.as_str()), "tree"),
        (("CPATH", &format!("/usr/include:{top}/common")), "tree"),
        (("ANYTHING", &flags), "tree"),
        (("CGO_CFLAGS", "-I../../common"), "tree"),
        (("CC", &compiler), "tree"),
        (("CGO_CFLAGS", "-I/tmp/elsewhere"), "private"),
        (("CGO_CFLAGS", "-I//tmp/elsewhere"), "private"),
        (("CGO_CFLAGS", "-include/tmp/elsewhere.h"), "private"),
        (("FC", "gfortran -I/tmp/elsewhere"), "private"),
        (("CGO_CFLAGS", "-O2 @flags"), "private"),
        (("ANYTHING", "-I/tmp/elsewhere"), "module m"),
        (("CGO_CFLAGS", "-I/usr/include -I/nix/store/x/include"), "module m"),
        (("GOPATH", &flags), "module m"),
        (("CC", "./cc.sh"), "private"),
    ] {
        assert_eq!(scope_with(&tree, &[more], &of_a()), expected, "{more:?}");
        assert_eq!(scope_with(&tree, &[more], &asm_of_a()), "asm m", "{more:?}");
    }
}

#[test]
fn a_module_outside_of_the_tree_is_private_where_the_trees_files_count() {
    let tree = TestTree::new(&FILES);
    tree.write("src/go.mod", "module m\ngo 1.26\nrequire c.test/c v1.0.0\n");
    fs::remove_dir_all(tree.path("src/vendor")).unwrap();
    tree.write("go/pkg/mod/c.test/c@v1.0.0/c.go", "package c\n// #include \"c.h\"\nimport \"C\"\n");
    let made = archive("c.test/c", &["c.test/c@v1.0.0/c.go"]);
    assert_eq!(scope_with(&tree, &[], &made), "module c.test/c@v1.0.0");
    let flags = format!("-I{}", tree.path("common").display());
    assert_eq!(scope_with(&tree, &[("CGO_CFLAGS", &flags)], &made), "private");
}

#[test]
fn a_command_line_that_is_not_clean_takes_the_tree_with_go() {
    let tree = TestTree::new(&FILES);
    let unclean = || Conditions::new(Setting { is_clean: false, ..tree.setting("src", &[]) });
    assert_eq!(scope(unclean(), &of_a()), scopes::TREE_WITH_GO.as_str());
    assert_eq!(scope(unclean(), &MadeArchive { is_std: true, ..of_a() }), scopes::TREE_WITH_GO.as_str());
    let unread = Conditions::new(Setting { is_clean: false, arguments: None, ..tree.setting("src", &[]) });
    assert_eq!(scope(unread, &of_a()), "private");
    assert_eq!(scope(unclean(), &archive("m/a", &["/tmp/a.go"])), scopes::TREE_WITH_GO.as_str(), "a tool's file");
    assert_eq!(scope(unclean(), &archive("x.test/x", &["/tmp/a.go"])), "private");
    let outside = TestTree::new(&[("x.h", "1")]);
    let flags = format!("-I{}", outside.path("").display());
    for flag in ["-I/dev/shm/x", "-I/dev//shm/x", "-I/dev", "-I/dev/./shm"] {
        assert_eq!(scope_with(&tree, &[("CGO_CFLAGS", flag)], &of_a()), "private", "{flag}");
    }
    for made in [of_a(), MadeArchive { is_std: true, ..of_a() }] {
        let setting = Setting { is_clean: false, ..tree.setting("src", &[("CGO_CFLAGS", &flags)]) };
        assert_eq!(scope(Conditions::new(setting), &made), "private");
    }
    tree.write("src/inc/v.h", "#include \"generated.go\"\n");
    assert_eq!(scope(unclean(), &of_a()), scopes::TREE_WITH_GO.as_str());
}

#[test]
fn c_of_the_standard_library_has_the_tree_where_a_variable_leads_there() {
    let (tree, outside) = (TestTree::new(&FILES), TestTree::new(&[("x.h", "1")]));
    let std = MadeArchive { is_std: true, ..archive("net", &["net/net.go"]) };
    for (dir, expected) in
        [(tree.path("src/inc"), "tree"), (outside.path(""), "private"), ("/usr/include".into(), "std")]
    {
        let flags = format!("-I{}", dir.display());
        assert_eq!(scope_with(&tree, &[("CGO_CFLAGS", &flags)], &std), expected, "{flags}");
    }
}

#[test]
fn what_a_compiler_in_the_tree_was_asked_is_not_common() {
    let tree = TestTree::new(&FILES);
    tree.write("src/cc.sh", "#!/bin/sh\nread -r flags < flags\n");
    for (compiler, is_common) in [(tree.path("src/cc.sh").to_str().unwrap(), false), ("gcc", true)] {
        let mut conditions = Conditions::new(tree.setting("src", &[("CC", compiler)]));
        assert_eq!(conditions.digest_unchanged(&scopes::STD).is_some(), is_common, "{compiler}");
    }
}
