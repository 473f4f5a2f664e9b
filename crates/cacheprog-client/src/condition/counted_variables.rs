//! Which variables of an environment count: which for what C tools make, which for the result of a test.
//!
//! In a Nix build every variable counts but those of the lists here, which are known not to matter; so a variable that is in no list
//! can cost a hit and cannot make one wrong. Outside of a build most variables belong to a person, so there the list is of what C
//! tools read. docs/reference/variables.md has the lists, and a test compares them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use blake3::Hasher;
use proto::id::hex;
use proto::parts::{Part, Parts};

use crate::digest::add_part;

use super::flags_text::{without_ldflags, without_own_paths};
use super::own_outputs::OwnOutputs;
use super::variables::{Variables, is_build};

/// What is built and how it is called: the sources themselves are files, and in Go's keys or in a condition. `goModules` are
/// buildGoModule's dependencies, and `allowedReferences` and its like what Nix checks afterwards. Inputs act by the variables that
/// their setup hooks set, which count.
pub(super) const OF_THE_DERIVATION: [&str; 33] = [
    "allowedReferences",
    "allowedRequisites",
    "buildInputs",
    "checkInputs",
    "depsBuildBuild",
    "depsBuildBuildPropagated",
    "depsBuildTarget",
    "depsBuildTargetPropagated",
    "depsHostHost",
    "depsHostHostPropagated",
    "depsTargetTarget",
    "depsTargetTargetPropagated",
    "disallowedReferences",
    "disallowedRequisites",
    "goModules",
    "installCheckInputs",
    "ldflags",
    "meta",
    "name",
    "nativeBuildInputs",
    "nativeCheckInputs",
    "nativeInstallCheckInputs",
    "outputs",
    "patches",
    "pname",
    "propagatedBuildInputs",
    "propagatedNativeBuildInputs",
    "sourceRoot",
    "src",
    "srcs",
    "vendorHash",
    "vendorSha256",
    "version",
];

/// The shell's own, Nix's log, and this project's.
pub(super) const OF_THE_SHELL: [&str; 9] =
    ["BASH_EXECUTION_STRING", "COLUMNS", "GOCACHEPROG", "GOTELEMETRYDIR", "NIX_LOG_FD", "OLDPWD", "PWD", "SHLVL", "_"];

/// Names of directories, how many processors to use, and where modules come from: nothing of it gets into an object. A path into the
/// tree within another variable counts.
pub(super) const OF_PLACES: [&str; 23] = [
    "GOAUTH",
    "GOBIN",
    "GOCACHE",
    "GOENV",
    "GOINSECURE",
    "GOMODCACHE",
    "GONOPROXY",
    "GONOSUMDB",
    "GOPATH",
    "GOPRIVATE",
    "GOPROXY",
    "GOSUMDB",
    "GOTMPDIR",
    "GOVCS",
    "HOME",
    "NIX_ATTRS_JSON_FILE",
    "NIX_ATTRS_SH_FILE",
    "NIX_BUILD_CORES",
    "NIX_BUILD_TOP",
    "TEMP",
    "TEMPDIR",
    "TMP",
    "TMPDIR",
];

/// What C tools read, outside of a Nix build: names.
pub(super) const OF_C_TOOLS: [&str; 24] = [
    "AR",
    "CC",
    "CPATH",
    "CXX",
    "DEPENDENCIES_OUTPUT",
    "FC",
    "GCCGO",
    "GNUTARGET",
    "GOFLAGS",
    "IPHONEOS_DEPLOYMENT_TARGET",
    "LANG",
    "LANGUAGE",
    "LDEMULATION",
    "MACOSX_DEPLOYMENT_TARGET",
    "PKG_CONFIG",
    "POSIXLY_CORRECT",
    "SDKROOT",
    "SOURCE_DATE_EPOCH",
    "SUNPRO_DEPENDENCIES",
    "SWIG",
    "SWIG_FEATURES",
    "SWIG_LIB",
    "TZ",
    "ZERO_AR_DATE",
];

/// What C tools read, outside of a Nix build: beginnings of names. (`CCC_`: clang; `CCACHE_`, `SCCACHE_`, `DISTCC_`: programs that
/// stand in for a compiler.)
pub(super) const OF_C_TOOLS_BEGINNINGS: [&str; 17] = [
    "AS_",
    "CCACHE_",
    "CCC_",
    "CGO_",
    "CLANG_",
    "COLLECT_",
    "DISTCC_",
    "GCC_",
    "GFORTRAN_",
    "LC_",
    "LD_",
    "LLVM_",
    "NIX_",
    "PKG_CONFIG_",
    "SCCACHE_",
    "ZIG_",
    "CROSS_",
];

/// The variables that count for what C tools make.
#[derive(Debug, Clone)]
pub(crate) struct CountedVariables {
    /// Sorted by name.
    variables: Variables,
    outputs: OwnOutputs,
}

impl CountedVariables {
    /// Those of an environment. `None` where the names of the build's outputs cannot be told.
    pub(crate) fn of(variables: &Variables) -> Option<Self> {
        let outputs = OwnOutputs::of(variables)?;
        let is_build = is_build(variables);
        let counts = |name: &OsStr| {
            let name = name.to_string_lossy();
            if is_build { counts_in_build(&name, &outputs) } else { is_read_by_c_tools(&name) }
        };
        let mut variables: Variables = variables.iter().filter(|(name, _)| counts(name)).cloned().collect();
        variables.sort();
        Some(Self { variables, outputs })
    }

    /// Names and values as they are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Whether a variable makes names in an object depend on `-frandom-seed`.
    pub(crate) fn asks_for_seed(&self) -> bool {
        self.iter().any(|(_, value)| asks_for_seed(value.as_bytes()))
    }

    /// Adds each to a digest, and by name to its parts. `-frandom-seed`, which stdenv makes of the output's path, counts if
    /// `counts_seed` or [`asks_for_seed`] is true. `counts_seed` is true for C++: the compiler writes the seed into the names of static
    /// constructors and of unnamed namespaces.
    pub(crate) fn add(&self, hasher: &mut Hasher, parts: &mut Parts, counts_seed: bool) {
        let counts_seed = counts_seed || self.asks_for_seed();
        for (name, value) in self.iter() {
            let value = if name == "GOFLAGS" {
                without_ldflags(value.as_bytes())
            } else {
                compared_value(name, value, &self.outputs, counts_seed)
            };
            add_part(hasher, name.as_bytes());
            add_part(hasher, &value);
            parts.add(Part::Variable, &name.to_string_lossy(), blake3::hash(&value).as_bytes());
        }
    }
}

/// Whether flags make names in an object depend on `-frandom-seed` also in C (gcc: `get_file_function_name`, `flag_random_seed`).
pub(crate) fn asks_for_seed(flags: &[u8]) -> bool {
    let has = |flag: &[u8]| flags.windows(flag.len()).any(|window| window == flag);
    [&b"-flto"[..], b"-fprofile", b"--coverage", b"-ftest-coverage", b"-fsanitize"].into_iter().any(has)
}

/// The digest of all variables that a test may read, with the values as they are. `None` where the names of the build's outputs
/// cannot be told.
pub(crate) fn digest_for_tests(variables: &Variables) -> Option<String> {
    let outputs = OwnOutputs::of(variables)?;
    let mut read: Vec<_> =
        variables.iter().filter(|(name, _)| counts_for_tests(&name.to_string_lossy(), &outputs)).collect();
    read.sort();
    let mut hasher = Hasher::new();
    for (name, value) in read {
        add_part(&mut hasher, name.as_bytes());
        add_part(&mut hasher, &compared_value(name, value, &outputs, false));
    }
    Some(hex(&hasher.finalize().as_bytes()[..16]))
}

/// The names of the variables that count for tests whether a source reads them or not.
pub(crate) fn for_tests(variables: &Variables) -> BTreeSet<String> {
    let outputs = OwnOutputs::of(variables).unwrap_or_default();
    let names = variables.iter().filter_map(|(name, _)| name.to_str());
    names.filter(|name| counts_for_tests(name, &outputs)).map(str::to_owned).collect()
}

/// The variables that do not count for tests: a test may read them all the same. Usual ones are among them that are not set here: another build
/// may set them.
pub(crate) fn not_for_tests(variables: &Variables) -> BTreeSet<String> {
    let outputs = OwnOutputs::of(variables).unwrap_or_default();
    let names = variables.iter().filter_map(|(name, _)| name.to_str());
    // Sources often have these names in texts that read no variable. `os.Getenv` with one of them counts all the same.
    let is_ours = |name: &str| ["_", "GOCACHEPROG"].contains(&name) || name.starts_with("NIX_GOCACHEPROG");
    let of_the_shell = OF_THE_SHELL.into_iter().filter(|name| !is_ours(name));
    let set = names.filter(|name| !counts_for_tests(name, &outputs) && !is_ours(name));
    set.chain(OF_THE_DERIVATION).chain(of_the_shell).chain(["out"]).map(str::to_owned).collect()
}

/// The variables of a build that do not count for C: a program may read them all the same.
pub(super) fn not_for_c(variables: &Variables) -> Vec<(String, Vec<u8>)> {
    let outputs = OwnOutputs::of(variables).unwrap_or_default();
    let is_ours = |name: &str| ["_", "SHLVL", "GOCACHEPROG"].contains(&name) || name.starts_with("NIX_GOCACHEPROG");
    let is_left_out = |name: &str| is_build(variables) && !counts_in_build(name, &outputs) && !is_ours(name);
    let names = variables.iter().filter_map(|(name, value)| Some((name.to_str()?, value)));
    names
        .filter(|(name, _)| is_left_out(name))
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// Whether a text names a variable: as a text of its own, with a value, or in a text for a shell.
pub(crate) fn names_variable(text: &[u8], name: &str) -> bool {
    let is_after = |at: usize| {
        let before = &text[..at];
        before.last().is_some_and(|last| b"\"'`${".contains(last)) || before.ends_with(b"{#") || before.ends_with(b"{!")
    };
    words(text, name).any(is_after)
}

/// Where a text has a name as a word.
pub(crate) fn words<'a>(text: &'a [u8], name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |byte: Option<&u8>| byte.is_some_and(is_of_name);
    memchr::memmem::find_iter(text, name)
        .filter(move |&at| !is_part(text[..at].last()) && !is_part(text.get(at + name.len())))
}

/// Whether a variable's name has such a byte.
pub(crate) fn is_of_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// A value without what differs between builds of one program and has no effect.
fn compared_value<'a>(name: &OsStr, value: &'a OsStr, outputs: &OwnOutputs, counts_seed: bool) -> Cow<'a, [u8]> {
    let is_of_flags =
        ["NIX_CFLAGS", "NIX_CXXFLAGS", "NIX_LDFLAGS"].iter().any(|start| name.as_bytes().starts_with(start.as_bytes()));
    if is_of_flags { without_own_paths(value.as_bytes(), outputs, counts_seed) } else { value.as_bytes().into() }
}

fn counts_in_build(name: &str, outputs: &OwnOutputs) -> bool {
    counts_for_tests(name, outputs) && !OF_PLACES.contains(&name)
}

fn counts_for_tests(name: &str, outputs: &OwnOutputs) -> bool {
    !OF_THE_DERIVATION.contains(&name)
        && !OF_THE_SHELL.contains(&name)
        && !name.starts_with("NIX_GOCACHEPROG")
        && !is_of_phases(name)
        && !outputs.has_name(name)
}

/// The texts of phases, and of hooks around them.
fn is_of_phases(name: &str) -> bool {
    if !name.bytes().all(|byte| is_of_name(&byte)) {
        return false; // none of a shell
    }
    let is_hook = ["pre", "post"].iter().any(|when| {
        name.strip_prefix(when).is_some_and(|phase| phase.starts_with(|first: char| first.is_ascii_uppercase()))
    });
    is_hook || name.ends_with("Phase") || name.ends_with("Phases")
}

/// `*_PATH`: search paths. GitHub's are files of one step of a job.
fn is_read_by_c_tools(name: &str) -> bool {
    let is_ours = name.starts_with("NIX_GOCACHEPROG") || OF_PLACES.contains(&name) || name == "NIX_LOG_FD";
    let is_listed = OF_C_TOOLS.contains(&name)
        || OF_C_TOOLS_BEGINNINGS.iter().any(|start| name.starts_with(start))
        || (name.ends_with("_PATH") && !name.starts_with("GITHUB_"));
    is_listed && !is_ours
}

#[cfg(test)]
mod tests;
