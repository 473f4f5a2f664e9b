//! The hook with a file of settings: transparent mode, and other hooks in its chain.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::{DOES_NOT_OPT_IN, Nix, OPTS_IN, assert_offers_nothing};

const HAS_GO: &str = r#"Derive([("out","/o","","")],[("/nix/store/0-go-1.26.8.drv",["out"])],[],"x","/bin/sh",[],[])"#;

impl Nix {
    fn settings(&self, text: &str) {
        std::fs::write(self.path("hook.toml"), text).unwrap();
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn chain(&self, programs: &[PathBuf]) {
        self.settings(&format!("chain = {programs:?}"));
    }

    fn go_env(&self, text: &str) -> String {
        let path = self.path("go-env");
        std::fs::write(&path, text).unwrap();
        self.settings(&format!("mode = 'transparent'\ngo-env = {path:?}\ndeny = ['denied-*']"));
        format!("/homeless-shelter/.config/go/env={}\n\n", path.display())
    }
}

fn output(nix: &Nix) -> String {
    String::from_utf8(nix.run().0.stdout).unwrap()
}

#[test]
fn in_transparent_mode_a_build_with_a_toolchain_is_offered_a_go_env() {
    let nix = Nix::new(HAS_GO);
    let _socket = nix.offering_daemon();
    assert_eq!(output(&nix), "", "not without the mode");
    for text in [proto::control::FORMER_GO_ENV, proto::control::GO_ENV] {
        let line = nix.go_env(text);
        assert_eq!(output(&nix), nix.offered().replace("\n\n", "\n") + &line);
    }
    std::fs::write(nix.path("x.drv"), OPTS_IN).unwrap();
    assert_eq!(output(&nix), nix.offered(), "a build that opts in gets no go/env");
    std::fs::write(nix.path("x.drv"), DOES_NOT_OPT_IN).unwrap();
    assert_eq!(output(&nix), "");
}

#[test]
fn a_go_env_with_other_content_is_not_offered() {
    for text in ["", "GOFLAGS=-mod=mod\n", &proto::control::GO_ENV.replace("client", "CLIENT")] {
        let nix = Nix::new(HAS_GO);
        let _socket = nix.offering_daemon();
        nix.go_env(text);
        assert_offers_nothing(&nix, "cannot be mounted as go/env");
    }
    let nix = Nix::new(HAS_GO);
    nix.go_env("");
    std::fs::remove_file(nix.path("go-env")).unwrap();
    assert_offers_nothing(&nix, "cannot be mounted as go/env");
}

#[test]
fn wrong_settings_cost_the_cache_and_nothing_else() {
    for text in ["mode = 'all'", "\0", "chain = [1]", "mode = 'transparent'"] {
        let nix = Nix::new(OPTS_IN);
        let _socket = nix.offering_daemon();
        nix.settings(text);
        assert_offers_nothing(&nix, "no cache for this build");
        let output = nix.command(&["--check".as_ref(), &nix.path("hook.toml")]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    let nix = Nix::new(OPTS_IN);
    nix.settings("unreadable = 'skip'");
    assert!(nix.command(&["--check".as_ref(), &nix.path("hook.toml")]).output().unwrap().status.success());
    assert!(!nix.command(&["--check".as_ref(), &nix.path("none")]).output().unwrap().status.success());
}

#[test]
fn the_output_of_other_hooks_comes_first() {
    let nix = Nix::new(OPTS_IN);
    let _socket = nix.offering_daemon();
    let one = nix.script("one", "printf 'extra-sandbox-paths\\n/a=%s\\n' \"$1\"");
    let two = nix.script("two", "printf 'extra-sandbox-paths\\n/b=%s\\n\\ncut' \"$2\"");
    nix.chain(&[one, two]);
    let theirs = format!(
        "extra-sandbox-paths\n/a={}\n\nextra-sandbox-paths\n/b={}\n\n",
        nix.path("x.drv").display(),
        nix.path("x.drv.chroot/root").display()
    );
    assert_eq!(output(&nix), theirs.clone() + &nix.offered());
    std::fs::write(nix.path("x.drv"), DOES_NOT_OPT_IN).unwrap();
    assert_eq!(output(&nix), theirs, "other hooks run for every build");
    std::fs::write(nix.path("x.drv"), OPTS_IN).unwrap();
    std::fs::remove_dir_all(nix.path("view")).unwrap();
    assert_eq!(output(&nix), theirs, "also where ours fails");
}

#[test]
fn a_chain_that_contains_this_hook_ends() {
    let nix = Nix::new(OPTS_IN);
    let _socket = nix.offering_daemon();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_prebuild-hook"), nix.path("hook")).unwrap();
    let around = nix.script("around", &format!("exec {} \"$@\"", nix.path("hook").display()));
    nix.chain(&[nix.path("hook"), around]);
    assert_eq!(output(&nix), nix.offered());
}

#[test]
fn a_failing_hook_ends_the_build_and_a_missing_one_is_skipped() {
    let nix = Nix::new(OPTS_IN);
    let _socket = nix.offering_daemon();
    let chroot = nix.path("x.drv.chroot/root");
    let outcome = |programs: &[PathBuf]| {
        nix.chain(programs);
        let output = nix.command(&[&nix.path("x.drv"), &chroot]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let good = nix.script("good", "printf 'extra-sandbox-paths\\n/a\\n'");
    let section = "extra-sandbox-paths\n/a\n\n";
    let (code, text, _) = outcome(&[good.clone(), nix.script("three", "echo extra-sandbox-paths; exit 3")]);
    assert_eq!((code, text.as_str()), (Some(3), ""), "all or nothing");
    let (code, text, _) = outcome(&[nix.script("killed", "kill -9 $$"), good.clone()]);
    assert_eq!((code, text.as_str()), (Some(137), ""));
    let (code, text, warnings) = outcome(&[nix.path("missing"), good.clone()]);
    assert_eq!((code, text), (Some(0), section.to_owned() + &nix.offered()));
    assert!(warnings.contains("missing, which cannot be started"), "{warnings}");
    // Nix refuses such a line and reads nothing after it.
    let (code, text, _) = outcome(&[good, nix.script("invalid", "echo what")]);
    assert_eq!((code, text), (Some(0), section.to_owned() + "what\n"));
}
