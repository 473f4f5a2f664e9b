//! What surrounds a test: the variables, what a process inherits, and the program that runs its program.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use memchr::memmem;
use proto::id::hex;
use rustix::process::Signal;

use crate::condition::counted_variables::{self, is_of_name};
use crate::condition::variables::{Variables, text, value};
use crate::condition::{is_of_flags, programs};
use crate::digest::add_part;
use crate::test_context::TestContext;

use super::go_source::Wanted;
use super::variable_reads::WantedVariables;

/// The digest of all variables that count, of the mask, and of the programs of `-exec`. `None` where one of them cannot be told.
pub(super) fn digest(context: &TestContext) -> Option<String> {
    let mut hasher = Hasher::new();
    add_part(&mut hasher, counted_variables::digest_for_tests(&context.variables)?.as_bytes());
    // A phase may set them, and the go command and we have them from there.
    add_part(&mut hasher, &inherited()?);
    add_part(&mut hasher, other_name_of_cwd(context).as_os_str().as_bytes());
    let words = words_of_exec(context)?;
    if !words.is_empty() {
        hasher.update(programs::identify(&words, &context.variables, &mut programs::Files::default())?.as_bytes());
    }
    Some(hex(&hasher.finalize().as_bytes()[..16]))
}

/// The mask of new files' modes, and which of these signals are ignored: others Go's runtime handles, so that what cmd/go starts does not inherit it
/// (`runtime/signal_unix.go` `initsig`, `sigInstallGoHandler`; SIGINT: `cmd/go/internal/base/signal.go`, Go 1.21-1.27). `None` where the kernel does
/// not tell.
fn inherited() -> Option<Vec<u8>> {
    const SIGNALS: [Signal; 5] = [Signal::HUP, Signal::CONT, Signal::TSTP, Signal::TTIN, Signal::TTOU];
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name| status.lines().find_map(|line: &str| line.strip_prefix(name)).map(str::trim);
    let mask: u64 = SIGNALS.iter().map(|signal| 1 << (signal.as_raw() - 1)).sum();
    let ignored = u64::from_str_radix(field("SigIgn:")?, 16).ok()? & mask;
    Some([field("Umask:")?.as_bytes(), &ignored.to_le_bytes()].concat())
}

/// The go command's directory as PWD has it, where that is another path: Go takes it from there (`os/getwd.go`, Go 1.21-1.27), and gives tests theirs
/// by it.
fn other_name_of_cwd(context: &TestContext) -> PathBuf {
    let named = PathBuf::from(text(&context.variables, "PWD"));
    let is_other = named != context.cwd && fs::canonicalize(&named).is_ok_and(|real| real == context.cwd);
    if is_other { named } else { PathBuf::new() }
}

/// What is looked for in sources: the build's directory and variables that name it, and variables that otherwise do not count.
pub(super) fn wanted(context: &TestContext) -> Wanted {
    let mut of_tree = Vec::new();
    if let Some(top) = &context.top {
        let root = top.root.as_os_str().as_bytes();
        of_tree.extend([[b"\"", root, b"/"].concat(), [b"\"", root, b"\""].concat()]);
        let names = context.variables.iter().filter(|(_, value)| memmem::find(value.as_bytes(), root).is_some());
        for (name, _) in names {
            let name = name.as_bytes();
            of_tree.extend([[b"\"", name, b"\""].concat(), [b"$", name].concat(), [b"${", name].concat()]);
        }
    }
    Wanted { of_tree, variables: wanted_variables(&context.variables) }
}

fn wanted_variables(variables: &Variables) -> WantedVariables {
    let mut not_counted = counted_variables::not_for_tests(variables);
    not_counted.retain(|name| name.as_bytes().iter().all(is_of_name));
    let counted = counted_variables::for_tests(variables);
    WantedVariables { not_counted, counted }
}

/// The digest of these variables, with commas between their names.
pub(super) fn digest_of(names: &str, context: &TestContext) -> String {
    let mut hasher = Hasher::new();
    for name in names.split(',') {
        add_part(&mut hasher, name.as_bytes());
        match value(&context.variables, name) {
            Some(value) => add_part(&mut hasher, value.as_bytes()),
            None => drop(hasher.update(b"absent")),
        }
    }
    hex(&hasher.finalize().as_bytes()[..16])
}

/// Whether all tests of the go command may see more than their logs have: another program runs them, flags name a linker or another go.mod, or package
/// time reads its files from elsewhere (`time/zoneinfo_unix.go`, and `open` of `time/sys_unix.go`, Go 1.21-1.27). `None` where that cannot be
/// told.
pub(super) fn are_unlogged(context: &TestContext) -> Option<bool> {
    let is_elsewhere = |path: &Path| !path.starts_with("/nix/store");
    let zone = text(&context.variables, "TZ");
    let zone = Path::new(zone.trim_start_matches(':'));
    let zones = value(&context.variables, "ZONEINFO")
        .is_some_and(|path| !path.is_empty() && is_elsewhere(path.as_ref()))
        || (zone.is_absolute() && is_elsewhere(zone));
    let invocation = &context.invocation;
    let is_unlogged =
        invocation.names_linker() || invocation.names_modfile() || zones || leads_linker_into_build(context);
    Some(!words_of_exec(context)?.is_empty() || is_unlogged)
}

/// Whether flags for C tools lead into the build's directory: the key of a link has names of libraries, not what is in them, and a
/// package of any module may link one.
fn leads_linker_into_build(context: &TestContext) -> bool {
    let Some(top) = &context.top else { return false };
    let has = |value: &[u8], part: &[u8]| memmem::find(value, part).is_some();
    let root = top.root.as_os_str().as_bytes();
    let leads = |value: &[u8]| has(value, root) || has(value, b"..");
    context.variables.iter().any(|(name, value)| is_of_flags(name) && leads(value.as_bytes()))
}

/// `-exec`, or for another platform the program of this name in `PATH` (cmd/go/internal/work/build.go `FindExecCmd`, Go 1.21-1.27).
fn words_of_exec(context: &TestContext) -> Option<Vec<Vec<u8>>> {
    let words = context.invocation.exec()?;
    let name = |name: &str| text(&context.variables, name);
    let (os, arch) = (name("GOOS"), name("GOARCH"));
    let is_same = |one: &str, host: &str| one.is_empty() || one == name(host);
    if words.is_empty() && !(is_same(&os, "GOHOSTOS") && is_same(&arch, "GOHOSTARCH")) {
        return Some(vec![format!("go_{os}_{arch}_exec").into_bytes()]);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::condition::invocation::Invocation;

    #[test]
    fn the_program_that_runs_tests_counts_by_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("run");
        let write = |text: &str| {
            fs::write(&script, text).unwrap();
            fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        };
        write("1");
        let context = |exec: &str, variables: &[(&str, &str)]| TestContext {
            invocation: Invocation::of(&["go", "test", exec, "."], ""),
            variables: variables.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            ..TestContext::default()
        };
        let exec = format!("-exec={}", script.display());
        let build = [("NIX_BUILD_TOP", "/build")];
        let with = digest(&context(&exec, &build));
        let without = digest(&context("-v", &build));
        assert!(with.is_some() && with != without);
        assert_eq!(
            (are_unlogged(&context(&exec, &build)), are_unlogged(&context("-v", &build))),
            (Some(true), Some(false))
        );
        write("2");
        assert_ne!(digest(&context(&exec, &build)), with);
        assert_eq!(digest(&context("-v", &build)), without);
        assert_eq!(digest(&context("-exec=./run", &build)), None, "where it is cannot be told");
        let cross = [("GOOS", "plan9"), ("GOARCH", "arm"), ("GOHOSTOS", "linux"), ("GOHOSTARCH", "amd64")];
        assert_eq!(are_unlogged(&context("-v", &cross)), Some(true));
        let same = [("GOOS", "linux"), ("GOARCH", "amd64"), ("GOHOSTOS", "linux"), ("GOHOSTARCH", "amd64")];
        assert_eq!(are_unlogged(&context("-v", &same)), Some(false));
        for (zones, expected) in [("/build/zones", true), ("/nix/store/x-tzdata/share/zoneinfo", false), ("", false)] {
            assert_eq!(are_unlogged(&context("-v", &[("ZONEINFO", zones)])), Some(expected), "{zones}");
        }
    }
}
