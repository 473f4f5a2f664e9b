//! Which paths in a text are kept.

use super::*;

const ROOT: &str = "/top/m";

fn scan(dir: &str, language: Language, text: &str) -> Vec<Reference> {
    let top = vec![b"/top".to_vec(), b"/tmp".to_vec()];
    let names = Names { top, left_out: vec!["/top/m/mod".into()], programs: vec!["/top/m/bin".into()] };
    let mut references = References::default();
    let dir = Path::new(ROOT).join(dir);
    let place = FilePlace { root: Path::new(ROOT), dir: &dir };
    let mut scanner = Scanner::new(place, language, &names, &mut references);
    scanner.feed(text.as_bytes());
    scanner.finish();
    references.iter().filter(|reference| !matches!(reference, Reference::AboveLink(..))).cloned().collect()
}

fn above_links(language: Language, text: &str) -> Vec<(usize, PathBuf)> {
    let (names, mut references) = (Names::default(), References::default());
    let mut scanner =
        Scanner::new(FilePlace { root: Path::new(ROOT), dir: Path::new(ROOT) }, language, &names, &mut references);
    scanner.feed(text.as_bytes());
    scanner.finish();
    let up = |reference: &Reference| match reference {
        Reference::AboveLink(up, names) => Some((*up, names.clone())),
        _ => None,
    };
    references.iter().filter_map(up).collect()
}

#[test]
fn what_may_lead_above_a_link_is_kept() {
    let of = |text: &str| above_links(Language::Any, text);
    for (text, up, names) in [
        ("#include \"link/../x.h\"", 1, "x.h"),
        ("#include \"../x.h\"", 1, "x.h"),
        ("#include \"../link/../x.h\"", 1, "x.h"),
        ("cc -Ilink/../inc", 1, "inc"),
    ] {
        assert!(of(text).contains(&(up, names.into())) || text.starts_with("cc"), "{text} {:?}", of(text));
    }
    assert_eq!(above_links(Language::Go, "// #cgo CFLAGS: -I${SRCDIR}/../link/.."), [(1, PathBuf::new())]);
    assert_eq!(above_links(Language::Go, "// #cgo CFLAGS: -I${SRCDIR}/.. -I../inc"), []);
    assert_eq!(of("see ../x.h and ..\n#define UP .."), []);
}

#[test]
fn each_line_that_pkg_config_reads_gives_flags() {
    let of = |text: &str| scan("pc", Language::PkgConfig, text);
    let certain = |path: &str| Reference::Certain(path.into());
    assert_eq!(of("prefix=/tmp\nName: v\n"), [certain("/tmp")]);
    assert!(of("prefix=${pcfiledir}/../..\nCflags: -I${prefix}/inc\n").contains(&certain("/top")));
    assert_eq!(of("prefix=${pcfiledir}/..\nCflags: -I${prefix}/include\n"), []);
    for text in ["Cflags: -I${prefix}/../inc\n", "up=..\n", "up = ..\n", "inc=${prefix}/../inc\n"] {
        assert!(of(text).contains(&Reference::Any), "another line gives the name: {text}");
    }
    assert!(of("Cflags: -include ${pcfiledir}/../n/n.go\n").contains(&Reference::GoSource));
    assert!(of("Cflags: -I../../inc\n").contains(&Reference::IfThere("/top/inc".into())), "seen from a package");
    assert_eq!(of("prefix=/usr\nDescription: TLS / SSL, many things...\nLibs: -L${prefix}/lib -lz\n"), []);
}

#[test]
fn below_the_root_as_a_search_path_a_name_may_be_any_path() {
    for line in [
        "-I/",
        "-isystem / -lz",
        "/",
        "/usr:/",
        "-L\"/\"",
        "-I//",
        "-I/.",
        "-I/./ -lz",
        "-Wp,-I,/",
        "--include-directory=/",
    ] {
        assert_eq!(scan("", Language::Go, &format!("// #cgo CFLAGS: {line}\n")), [Reference::Any], "{line}");
    }
    for line in ["#cgo CFLAGS: --sysroot=/ -I/usr/ -DX=1/2", "a / b"] {
        assert_eq!(scan("", Language::Go, &format!("// {line}\n")), [], "{line}");
    }
}

#[test]
fn a_macro_may_make_a_path_of_an_absolute_directory() {
    let of = |text: &str| scan("", Language::Any, text);
    let certain = [Reference::Certain("/tmp".into())];
    for text in ["#define D /tmp", "#define D /**/ /tmp", "asm(\".incbin \\\"\" D \"\\\"\");\n#define D \"/tmp\""] {
        assert_eq!(of(text), certain, "{text}");
    }
    assert_eq!(of("#define P(d) S(/d/v.h)"), [Reference::Any]);
    let files = |path: &str| [Reference::IfFile(path.into())];
    assert_eq!(of("#define S \"/tmp/x\""), files("/tmp/x"));
    assert_eq!(of("#define S \"unix:/tmp/x\""), files("/tmp/x"));
    assert_eq!(of("# if you define x, see /tmp/x"), files("/tmp/x"));
    assert_eq!(of("#define S 1 /* of /tmp/x */"), files("/tmp/x"));
    assert_eq!(of("#define S (/usr/include/x.h)\n#define R ((a) / b)"), []);
}

#[test]
fn an_escape_in_the_name_of_an_included_file_may_be_any_path() {
    let of = |text: &str| scan("", Language::Any, text);
    assert_eq!(of("#include \"\\x2e./x.h\""), [Reference::Any]);
    assert_eq!(of("#define A \"\\x2e\"\n#include \"x.h\" \\\n"), []);
    for text in [
        "/**/ #include \"a\\u002e\"",
        "asm(\".incbin \\\"\\\\056./x\\\"\")",
        "#include \"../.\\\n./x\"",
        "#include <a\\\r\nb>",
    ] {
        assert_eq!(of(text).iter().filter(|one| **one == Reference::Any).count(), 1, "{text}");
    }
    assert_eq!(of("#include <x>\n\"\\x2e\" including \"x\" \\1"), []);
}

#[test]
fn whether_a_file_is_there_is_an_input_where_it_is_asked() {
    let asked = Reference::Asked("/top/x.h".into());
    assert_eq!(scan("a/b", Language::Any, "#if __has_include(\"../x.h\")"), [asked]);
    let question = "#if __has_include(\"link/../x.h\")";
    assert!(above_links(Language::Any, question).contains(&(0, PathBuf::new())), "any path above a link");
    assert_eq!(scan("a/b", Language::Any, "#if 1\n#include \"../x.h\""), [if_there("/top/x.h")]);
}

#[test]
fn what_is_part_of_no_scope_may_be_any_file() {
    let of = |text: &str| scan("a", Language::Any, text);
    for text in [
        "#include \"../mod/v.h\"",
        "#cgo CFLAGS: -Imod",
        "asm(\".incbin \\\"../mod/x\\\"\")",
        "#include <go-build2/x>",
        "#include \"ccTables.c\"",
        "#include \"../.git/v.h\"",
        "#if __has_include(\".git/v.h\")",
        "#if __TIMESTAMP__",
    ] {
        assert!(of(text).contains(&Reference::Any), "{text}");
    }
    assert_eq!(of("#include \"bin/v.h\""), [Reference::Own("/top/m/bin/v.h".into())]);
    for text in [
        "see mod and .git",
        "# if .git is there",
        "#include \"combine/cabin.h\"",
        "#include \"cc.h\"",
        "#include \"go-build.h\"",
        "# include bin/ and mod/",
        "#define SHELL \"/x/bin/sh\"",
        "#define REDUCE(a, mod) a",
        "#define DOT_GIT \".git\"",
        "(__TIMESTAMP__|__DATE__) and \"__TIMESTAMP__\"",
        "#define MAPS \"/proc/self/maps\"",
        "see /proc/self/root/x",
        "CFLAGS=\"-I/x/include\" \\\n  go build",
        "text.includes(\".go\") || \"\\u00e9\"",
    ] {
        assert_eq!(of(text), [], "{text}");
    }
    let long = format!("#define X ccABCDEF.{}", "x".repeat(5000));
    assert_eq!(of(&long), [], "no file has this name");
    for text in
        ["#include \"/proc/self/root/x\"", "#cgo CFLAGS: -I/proc/1/cwd", "asm(\".incbin \\\"/proc//self/fd/3\\\"\")"]
    {
        assert!(of(text).contains(&Reference::Any), "{text}");
    }
}

#[test]
fn of_most_files_of_a_tree_flags_count_and_text_does_not() {
    let of = |text: &str| scan("a", Language::AnyOfTree, text);
    assert_eq!(of("see ../../x/y and /tmp/x, import '../../x/y'"), []);
    assert_eq!(of("Cflags: -I${pcfiledir}/../../x"), [if_there("/top/x"), if_there("/x")]);
    assert_eq!(of("INPUT(../../x.a)"), [if_there("/top/x.a"), if_there("/x.a")]);
    assert_eq!(of("prefix=/tmp/x"), [Reference::IfFile("/tmp/x".into())]);
    assert_eq!(of("#include \"/tmp/x.h\""), [certain("/tmp/x.h")]);
}

#[test]
fn a_path_that_a_macro_makes_may_be_any() {
    for text in [
        "#define UP ..",
        "#define UP ../..",
        "#define UP \"../\"\n.incbin",
        "#cgo CFLAGS: -DUP=..",
        "#cgo CFLAGS: -D UP=../x",
        "// #define UP ..",
    ] {
        assert!(scan("a/b/c", Language::Any, text).contains(&Reference::Any), "{text}");
    }
    for text in [
        "#define UP \"..\"",
        "#define F(a, ...) a",
        "#define X a..b",
        "see ..",
        "#define N 1 /* 0 .. 9 */",
        "#cgo CFLAGS: -DV=1..2 --sysroot=../x",
    ] {
        assert!(!scan("a/b/c", Language::Any, text).contains(&Reference::Any), "{text}");
    }
}

#[test]
fn an_absolute_path_that_goes_up_is_looked_at() {
    let of = |text: &str| scan("a", Language::Any, text);
    assert_eq!(of("#include \"/usr/../home/x.h\""), [certain("/usr/../home/x.h")]);
    assert_eq!(of("#cgo CFLAGS: -I/usr/../home"), [certain("/usr/../home")]);
    assert_eq!(of("cc -I/usr/../home"), [if_there("/usr/../home")]);
    assert_eq!(scan("a", Language::Go, "#define H \"/usr/../home/x.h\""), [certain("/usr/../home/x.h")]);
}

fn certain(path: &str) -> Reference {
    Reference::Certain(path.into())
}

fn if_there(path: &str) -> Reference {
    Reference::IfThere(path.into())
}

#[test]
fn a_directive_that_goes_up_too_far_leaves_for_certain() {
    assert_eq!(
        scan("a", Language::Any, "#include \"../../x.h\"\n"),
        [certain("/top/x.h"), if_there("/top/x.h"), if_there("/x.h")]
    );
    // From the directory of a search path it may leave too.
    assert_eq!(scan("a/b", Language::Any, "#include \"../../x.h\"\n"), [if_there("/top/x.h"), if_there("/x.h")]);
    assert_eq!(scan("a", Language::Any, "#include \"b/../x.h\"\n"), []);
}

#[test]
fn flags_for_cgo_count_from_the_directory_of_the_package() {
    let of = |line: &str| scan("a", Language::Go, line);
    for line in ["// #cgo CFLAGS: -I../..\n", "#cgo LDFLAGS: -L${SRCDIR}/../.. -lx", "#cgo CFLAGS: -I ../../"] {
        assert_eq!(of(line), [certain("/top")], "{line}");
    }
    assert_eq!(of("#cgo CFLAGS: -I${SRCDIR}/../../inc"), [certain("/top/inc")]);
    for line in ["// #cgo CFLAGS: -I..", "#cgo LDFLAGS: ${SRCDIR}/../lib/libx.a", "#cgo CFLAGS: -I."] {
        assert_eq!(of(line), [], "{line}");
    }
}

#[test]
fn other_text_counts_where_something_is_there() {
    let of = |text: &str| scan("a", Language::Any, text);
    assert_eq!(of("see ../../x/y"), [if_there("/top/x/y"), if_there("/x/y")]);
    assert_eq!(of("INPUT(../../x.a)"), [if_there("/top/x.a"), if_there("/x.a")]);
    for text in ["cd ..", "-I..", "-I ..", "a...b", "x..y", "..x", "[../]", "f(...)", "1..2"] {
        assert_eq!(of(text), [], "{text}");
    }
}

#[test]
fn absolute_paths_count_outside_of_the_systems_directories() {
    let of = |text: &str| scan("a", Language::Any, text);
    assert_eq!(of("#include \"/top/x.h\""), [certain("/top/x.h")]);
    assert_eq!(of("#include </top/m/a/x.h>"), [certain("/top/m/a/x.h")]);
    assert_eq!(of("-I/top/inc"), [if_there("/top/inc")]);
    assert_eq!(of("#include \"//top/x.h\""), [certain("/top/x.h")]);
    assert_eq!(of("#include \"/.//./top/x.h\""), [certain("/top/x.h")]);
    assert_eq!(of("-include//top/x.h"), [if_there("/top/x.h")]);
    assert_eq!(scan("a", Language::Go, "#define HEADER \"/top/x.h\""), [certain("/top/x.h")]);
    assert_eq!(scan("a", Language::Go, "// #cgo CFLAGS: -include../../x.h"), [certain("/top/x.h")]);
    assert_eq!(of("#define SOCKET \"/tmp/x\""), [Reference::IfFile("/tmp/x".into())]);
    assert_eq!(of("char *s = \"/top\";"), [Reference::IfFile("/top".into())]);
    for text in ["#include \"/usr/include/x.h\"", "/topper/x", "x/top/y", "http://a/top/x"] {
        assert_eq!(of(text), [], "{text}");
    }
}

#[test]
fn an_included_go_source_counts() {
    for text in [
        "#include \"x.go\"",
        "# include <x.go>",
        "#define F \"x.go\"",
        "#embed \"d/x.go\"",
        "asm(\".incbin \\\"x.go\\\"\");",
    ] {
        assert_eq!(scan("", Language::Any, text), [Reference::GoSource], "{text}");
    }
    for text in ["see main.go", "# if main.go is there", "// \"x.go\"", "#include \"x.gob\""] {
        assert_eq!(scan("", Language::Any, text), [], "{text}");
    }
    assert_eq!(scan("", Language::Go, "// #cgo CFLAGS: -include x.go"), [Reference::GoSource]);
}

/// Looks at a text in pieces.
fn scan_pieces(text: &str) -> References {
    let (names, mut references) = (Names::default(), References::default());
    let place = FilePlace { root: Path::new(ROOT), dir: Path::new("/top/m/a") };
    let mut scanner = Scanner::new(place, Language::Any, &names, &mut references);
    text.as_bytes().chunks(60_000).for_each(|piece| scanner.feed(piece));
    scanner.finish();
    references
}

#[test]
fn a_path_is_found_wherever_pieces_of_the_text_end() {
    let end = PIECE.next_multiple_of(60_000);
    for line in ["#include \"../../x.h\"\n", "#include \\\n\\\r\n \"../../x.h\"\n"] {
        for filler in ["x\n", "\0"] {
            for before in [PIECE, 3 * PIECE - 5].into_iter().chain((end - 40..end + 4).step_by(4)) {
                let text = filler.repeat(before / filler.len()) + "\n" + line + &filler.repeat(PIECE);
                let found = scan_pieces(&text);
                assert!(found.iter().any(|reference| *reference == certain("/top/x.h")), "{filler:?} {before}");
            }
        }
    }
}

#[test]
fn a_text_of_paths_that_go_up_and_up_does_not_take_long() {
    for text in ["../", "\\\n../x ", "//..", "#include \"a/../"] {
        let began = std::time::Instant::now();
        let found = scan_pieces(&text.repeat((200 << 10) / text.len()));
        let is_judged = found.iter().any(|reference| *reference == Reference::Any) || text.contains(' ');
        assert!(is_judged && began.elapsed().as_secs() < 60, "{text:?}: {:?}", began.elapsed());
    }
}
