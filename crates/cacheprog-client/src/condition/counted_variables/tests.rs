//! Environments of builds and of people, and what differs between two of them.

use super::*;

const BUILD: [(&str, &str); 8] = [
    ("NIX_BUILD_TOP", "/build"),
    ("outputs", "out"),
    ("out", "/nix/store/aaaaaaaaaaaa-one"),
    ("version", "1"),
    ("preBuild", "x"),
    ("GOFLAGS", "-mod=vendor -trimpath"),
    ("NIX_CFLAGS_COMPILE", "-isystem /nix/store/dep/include -frandom-seed=aaaaaaaaaa"),
    ("REV", "one"),
];

const OUTSIDE: [(&str, &str); 4] = [("HOME", "/home/u"), ("CC", "gcc"), ("EDITOR", "vi"), ("LIBRARY_PATH", "/opt/lib")];

/// An environment with some variables otherwise.
fn with(base: &[(&str, &str)], more: &[(&str, &str)]) -> Variables {
    let kept = base.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    kept.chain(more).map(|(name, value)| (name.into(), value.into())).collect()
}

fn digest(variables: &Variables, counts_seed: bool) -> (String, Vec<u8>) {
    let (mut hasher, mut parts) = (Hasher::new(), Parts::default());
    CountedVariables::of(variables).unwrap().add(&mut hasher, &mut parts, counts_seed);
    (hasher.finalize().to_string(), parts.write())
}

fn of(base: &[(&str, &str)], more: &[(&str, &str)]) -> String {
    digest(&with(base, more), false).0
}

#[test]
fn in_a_build_all_variables_count_but_those_known_not_to_matter() {
    let first = of(&BUILD, &[]);
    for same in [
        [("version", "2"), ("src", "/nix/store/x")],
        [("preBuild", "y"), ("checkPhase", "z")],
        [("_", "go"), ("TMPDIR", "/build/x")],
        [
            ("out", "/nix/store/bbbbbbbbbbbb-two"),
            ("NIX_CFLAGS_COMPILE", "-isystem /nix/store/dep/include -frandom-seed=bbbbbbbbbb"),
        ],
        [("GOFLAGS", "-mod=vendor '-ldflags=-X main.v=2' -trimpath"), ("GOPROXY", "http://127.0.0.1:1")],
        [("NIX_GOCACHEPROG_VERBOSE", "1"), ("NIX_BUILD_CORES", "9")],
    ] {
        assert_eq!(of(&BUILD, &same), first, "{same:?}");
    }
    for other in [
        ("REV", "two"),
        ("NEW", ""),
        ("lib", "/nix/store/bbbbbbbbbbbb-lib"),
        ("GOFLAGS", "-mod=vendor"),
        ("outputs", "dev"),
        ("CGO_CFLAGS", "-I/nix/store/aaaaaaaaaaaa-one/include"),
        ("NIX_CFLAGS_COMPILE", "-isystem /nix/store/other/include -frandom-seed=aaaaaaaaaa"),
        ("PATH", "/nix/store/x/bin"),
        ("premium", "1"),
    ] {
        assert_ne!(of(&BUILD, &[other]), first, "{other:?}");
    }
}

#[test]
fn an_output_counts_wherever_its_path_may_get_into_an_object() {
    for name in ["NIX_CFLAGS_COMPILE", "DATADIR", "CGO_CFLAGS"] {
        let one = of(&BUILD, &[(name, "-DDATADIR=/nix/store/aaaaaaaaaaaa-one/share")]);
        let two = [(name, "-DDATADIR=/nix/store/bbbbbbbbbbbb-two/share"), ("out", "/nix/store/bbbbbbbbbbbb-two")];
        assert_ne!(one, of(&BUILD, &two), "{name}");
    }
}

#[test]
fn the_seed_counts_where_objects_have_it() {
    let with_flags = |flags: &str, counts_seed| digest(&with(&BUILD, &[("NIX_CFLAGS_COMPILE", flags)]), counts_seed).0;
    let (one, two) = ("-O2 -frandom-seed=aaaaaaaaaa", "-O2 -frandom-seed=bbbbbbbbbb");
    assert_eq!(with_flags(one, false), with_flags(two, false));
    assert_ne!(with_flags(one, true), with_flags(two, true));
    let lto = |seed: &str| format!("-flto -frandom-seed={seed}");
    assert_ne!(with_flags(&lto("a"), false), with_flags(&lto("b"), false));
}

#[test]
fn outside_of_a_build_what_c_tools_read_counts() {
    let first = of(&OUTSIDE, &[]);
    for same in [
        ("EDITOR", "emacs"),
        ("HOME", "/home/v"),
        ("GITHUB_PATH", "/x"),
        ("SHLVL", "9"),
        ("PATH", "/bin"),
        ("NIX_BUILD_TOP", "/tmp/nix-shell.1"),
        ("GOPATH", "/go"),
    ] {
        assert_eq!(of(&OUTSIDE, &[("IN_NIX_SHELL", "pure"), same]), first, "{same:?}");
    }
    for other in [
        ("CC", "clang"),
        ("CPATH", "/x"),
        ("C_INCLUDE_PATH", ""),
        ("LIBRARY_PATH", "/opt/lib2"),
        ("GCC_EXEC_PREFIX", "/x"),
        ("NIX_CFLAGS_COMPILE", "-O2"),
        ("LC_ALL", "C"),
        ("CGO_CFLAGS_ALLOW", ".*"),
        ("SOURCE_DATE_EPOCH", "1"),
        ("PKG_CONFIG_PATH", "/x"),
        ("SDKROOT", "/x"),
        ("CCC_OVERRIDE_OPTIONS", "+-O0"),
    ] {
        assert_ne!(of(&OUTSIDE, &[other]), first, "{other:?}");
    }
}

#[test]
fn parts_name_the_variable_that_differs_and_not_its_value() {
    let parts = |more| Parts::read(&digest(&with(&BUILD, more), false).1);
    let differences = parts(&[]).differences(&parts(&[("REV", "two"), ("TOKEN", "secret-text")]));
    let names: Vec<_> = differences.iter().map(|difference| difference.name.as_str()).collect();
    assert_eq!(names, ["REV", "TOKEN"]);
    let text = digest(&with(&BUILD, &[("TOKEN", "secret-text")]), false).1;
    assert!(!text.windows(11).any(|window| window == b"secret-text"));
}

#[test]
fn variables_that_a_test_may_read_count_byte_for_byte_and_those_of_the_build_do_not() {
    let of = |more: &[(&str, &str)]| digest_for_tests(&with(&BUILD, more)).unwrap();
    let first = of(&[]);
    for same in [
        [("version", "2"), ("preBuild", "y")],
        [("checkPhase", "z"), ("_", "go")],
        [("out", "/nix/store/bbbbbbbbbbbb-two"), ("ldflags", "-X main.v=2")],
        [("NIX_CFLAGS_COMPILE", "-isystem /nix/store/dep/include -frandom-seed=bbbbbbbbbb"), ("GOCACHEPROG", "/x")],
    ] {
        assert_eq!(of(&same), first, "{same:?}");
    }
    let differ = [
        ("REV", "two"),
        ("REV", "one "),
        ("MODE", ""),
        ("debug", "1"),
        ("lib", "/nix/store/aaaaaaaaaaaa-one"),
        ("TMPDIR", "/build/x"),
        ("CGO_CPPFLAGS", "-DX"),
        ("prefix", "/nix/store/aaaaaaaaaaaa-one"),
        ("GOFLAGS", "-mod=vendor  -trimpath"),
    ];
    for other in differ {
        assert_ne!(of(&[other]), first, "{other:?}");
    }
    assert_ne!(of(&[("MODE", "a b")]), of(&[("MODE", "a\nb")]));
}

/// The lists in docs/reference/variables.md are these.
#[test]
fn the_documented_lists_are_those_of_the_code() {
    let page = include_str!("../../../../../docs/reference/variables.md");
    let lists = [
        ("of the derivation", &OF_THE_DERIVATION[..]),
        ("of the shell", &OF_THE_SHELL),
        ("of places", &OF_PLACES),
        ("of C tools", &OF_C_TOOLS),
        ("of C tools, beginnings", &OF_C_TOOLS_BEGINNINGS),
    ];
    for (title, list) in lists {
        let after = page.split_once(&format!("- {title}: ")).map(|(_, after)| after).unwrap_or_default();
        let row = after.split("\n-").next().unwrap_or_default().split("\n\n").next().unwrap_or_default();
        let mut documented: Vec<_> = row.split('`').skip(1).step_by(2).collect();
        let mut known = list.to_vec();
        documented.sort_unstable();
        known.sort_unstable();
        assert_eq!(documented, known, "{title}");
    }
}
