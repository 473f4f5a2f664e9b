use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use store::{Access, GoCommand, GoCommands, GoFigures, Store};

/// A store in which a go command has noted its figures.
fn store(dir: &Path) {
    Store::open(dir, Access::Owner).unwrap();
    let figures = GoFigures { commands: 1, hits: 3, new: 1, never_put: 2, saved_ms: 2500, ..GoFigures::default() };
    let (command, directory) = ("build".to_owned(), "/src".to_owned());
    GoCommands::note(dir, &GoCommand { ended: 1_795_000_000, command, directory, figures }).unwrap();
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"));
    command.args(arguments).env_clear().env("HOME", home).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_a_directory_it_is_the_users_own_store() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join(".cache/nix-gocacheprog");
    let none = run(home.path(), &["status", "--store"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains(&format!("no store in {}", dir.display())), "{none:?}");
    store(&dir);
    let status = text(&run(home.path(), &["status", "--store"]).stdout);
    assert!(status.starts_with(&format!("{}: 0 entries", dir.display())), "{status}");
    assert!(status.contains("\nbuild\t1\t0\t0\t3\t1\t75 %\t") && status.contains("\n2026-11-18\t1\t"), "{status}");
    let why = text(&run(home.path(), &["why", "--store"]).stdout);
    assert!(why.contains("\tbuild\t") && why.contains("\t/src\n") && why.contains("\nnever put\t2\t"), "{why}");
    for line in ["verify --store", "gc --store --dry-run", "purge --store --all --yes"] {
        let done = run(home.path(), &line.split(' ').collect::<Vec<_>>());
        assert!(done.status.success(), "{line}: {done:?}");
    }
}

#[test]
fn two_stores_on_one_command_line_are_refused_and_a_variable_is_not_one() {
    let home = tempfile::tempdir().unwrap();
    store(&home.path().join(".cache/nix-gocacheprog"));
    for line in [
        "why caddy --store",
        "why --all --store",
        "verify --store --state-dir /a",
        "gc --dry-run --state-dir /a --store",
    ] {
        let refused = run(home.path(), &line.split(' ').collect::<Vec<_>>());
        assert_eq!(refused.status.code(), Some(2), "{line}: {refused:?}");
    }
    let mut gc = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"));
    gc.args(["gc", "--store", "--dry-run"]).env_clear().env("HOME", home.path());
    let done = gc.env("CACHE_DIRECTORY", "/none").env("NIX_GOCACHEPROG_CONFIG", "/none").output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn a_size_that_the_client_would_not_take_is_refused_with_the_name_of_its_variable() {
    let home = tempfile::tempdir().unwrap();
    store(&home.path().join(".cache/nix-gocacheprog"));
    for (size, what) in [("50MiB", "write a size of at least 64MiB"), ("much", "write a size such as 50GiB")] {
        for command in ["gc", "status"] {
            let mut line = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"));
            line.args([command, "--store"]).env_clear().env("HOME", home.path());
            let refused = line.env("NIX_GOCACHEPROG_MAX_SIZE", size).output().unwrap();
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            let error = text(&refused.stderr);
            assert!(error.contains(&format!("NIX_GOCACHEPROG_MAX_SIZE={size}: {what}")), "{error}");
        }
    }
}

#[test]
fn the_figures_are_json_too_and_nothing_is_changed() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a store");
    store(&dir);
    let listed = || {
        let mut all: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all.into_iter().map(|path| (path.metadata().unwrap().modified().unwrap(), path)).collect::<Vec<_>>()
    };
    let before = listed();
    let json = |command: &str| -> Value {
        let output = run(home.path(), &[command, "--json", "--store", dir.to_str().unwrap()]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let status = json("status");
    assert_eq!((&status["entries"], &status["days"][0]["hits"]), (&0.into(), &3.into()), "{status}");
    let why = json("why");
    assert_eq!((&why["go_commands"][0]["new"], &why["go_commands"][0]["ended"]), (&1.into(), &1_795_000_000.into()));
    assert_eq!(listed(), before);
}

/// As after `sudo go build` with the user's HOME. Needs root, to act as another user; CI and `integration/test` run as root.
#[test]
fn a_store_with_directories_of_root_is_named_with_the_fix_and_read_as_far_as_it_may() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (dir, program) = (home.path().join("store"), home.path().join("cacheprogctl"));
    store(&dir);
    testkit::copy_program(env!("CARGO_BIN_EXE_cacheprogctl"), &program);
    for path in [home.path(), &program] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    chown(&dir, Some(4242), Some(4242)).unwrap();
    for name in ["go-commands", "counts"] {
        drop(chown(dir.join(name), Some(4242), Some(4242)));
    }
    let status = || {
        let mut command = Command::new(&program);
        command.args(["status", "--store"]).arg(&dir).env_clear().uid(4242).gid(4242);
        command.output().unwrap()
    };
    let fix = format!("fix, as root: chown -R --reference={0} {0}", dir.display());
    let closed = status();
    assert_eq!(closed.status.code(), Some(1));
    assert!(text(&closed.stderr).trim_end().ends_with(&fix) && text(&closed.stderr).contains("read or"), "{closed:?}");
    for name in ["objects", "records", "builds", "tmp"] {
        std::fs::set_permissions(dir.join(name), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let read = status();
    let told = format!("{}/builds belongs to uid 0 and cannot be written by this user; {fix}\n", dir.display());
    assert!(read.status.success() && text(&read.stdout).contains(&told), "{read:?}");
    // What is not the store's own, as on a volume of its own, is not looked at.
    assert!(Command::new("chown").args(["-R", "4242:4242"]).arg(&dir).status().unwrap().success());
    std::fs::create_dir(dir.join("lost+found")).unwrap();
    std::fs::set_permissions(dir.join("lost+found"), PermissionsExt::from_mode(0o700)).unwrap();
    let own = status();
    assert!(own.status.success() && !text(&own.stdout).contains("by this user"), "{own:?}");
}
