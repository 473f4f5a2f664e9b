//! The outputs of the derivation that is built: their paths differ from build to build of one program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::variables::{Variables, text, value};

/// A larger file of attributes is not read.
const MAX_ATTRIBUTES: u64 = 16 << 20;

/// Names and paths.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnOutputs {
    outputs: BTreeMap<String, OsString>,
}

/// The file of attributes of a build with `__structuredAttrs` (Nix 2.4 and later, `.attrs.json`).
#[derive(Deserialize)]
struct Attributes {
    outputs: BTreeMap<String, IgnoredAny>,
}

impl OwnOutputs {
    /// Those of a build: the names in `outputs`; with `__structuredAttrs`, where Nix does not export it, those of the file of
    /// attributes; else `out`. `None` where that file cannot be read. Outside of a build, the same.
    pub(crate) fn of(variables: &Variables) -> Option<Self> {
        let names = text(variables, "outputs");
        let file = value(variables, "NIX_ATTRS_JSON_FILE").filter(|path| !path.is_empty());
        let names: Vec<String> = match file {
            _ if !names.trim().is_empty() => names.split_whitespace().map(str::to_owned).collect(),
            // Nix 2.8 names the file by its path outside of the sandbox (seen).
            Some(file) => names_in_file(Path::new(file))
                .or_else(|| names_in_file(&Path::new(&text(variables, "NIX_BUILD_TOP")).join(".attrs.json")))?,
            None => vec!["out".to_owned()],
        };
        let path = |name: String| value(variables, &name).map(|path| (name.clone(), path.clone()));
        Some(Self { outputs: names.into_iter().filter_map(path).collect() })
    }

    /// Whether the variable of this name holds the path of an output.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.outputs.contains_key(name)
    }

    /// The paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.outputs.values().map(PathBuf::from)
    }

    /// Of a directory of libraries directly in an own output, which has nothing in it yet, the part behind the output's path.
    pub(super) fn library_directory<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let within = |output: &OsString| {
            let output = output.as_encoded_bytes();
            let is_path = output.starts_with(b"/") && output.len() > 1;
            path.strip_prefix(output).filter(|rest| is_path && rest.starts_with(b"/lib") && !rest[1..].contains(&b'/'))
        };
        let rest = self.outputs.values().find_map(within)?;
        // A build may install a library and then link with it.
        let is_empty = fs::read_dir(Path::new(str::from_utf8(path).ok()?)).map_or(true, |mut all| all.next().is_none());
        is_empty.then_some(rest)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn named(all: &[(&str, &str)]) -> Self {
        Self { outputs: all.iter().map(|(name, path)| ((*name).to_owned(), path.into())).collect() }
    }
}

fn names_in_file(path: &Path) -> Option<Vec<String>> {
    let file = File::open(path).ok()?;
    if file.metadata().ok()?.len() > MAX_ATTRIBUTES {
        return None;
    }
    let attributes: Attributes = serde_json::from_reader(BufReader::new(file)).ok()?;
    Some(attributes.outputs.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(all: &[(&str, &str)]) -> Option<String> {
        let variables = all.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let names: Vec<_> = OwnOutputs::of(&variables)?.outputs.into_keys().collect();
        Some(names.join(" "))
    }

    #[test]
    fn names_come_from_outputs_or_from_the_attributes() {
        let all = [("out", "/a"), ("dev", "/b"), ("lib", "/c")];
        assert_eq!(outputs(&all).as_deref(), Some("out"));
        assert_eq!(outputs(&[("outputs", "dev out doc"), all[0], all[1], all[2]]).as_deref(), Some("dev out"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("attrs");
        let of_file = |text: &str| {
            fs::write(&file, text).unwrap();
            outputs(&[("NIX_ATTRS_JSON_FILE", file.to_str().unwrap()), all[0], all[1], all[2]])
        };
        assert_eq!(
            of_file(r#"{"a":{"b":[1]},"outputs":{"lib":"/c","out":"/a"},"z":null}"#).as_deref(),
            Some("lib out")
        );
        for bad in ["", "{}", "[]", r#"{"outputs":"out"}"#] {
            assert_eq!(of_file(bad), None, "{bad}");
        }
        assert_eq!(outputs(&[("NIX_ATTRS_JSON_FILE", "/nowhere/at/all")]), None);
    }

    #[test]
    fn a_directory_of_libraries_with_something_in_it_counts() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().to_str().unwrap();
        let (outputs, path) = (OwnOutputs::named(&[("out", own)]), format!("{own}/lib"));
        assert_eq!(outputs.library_directory(path.as_bytes()), Some(&b"/lib"[..]));
        fs::create_dir(&path).unwrap();
        assert_eq!(outputs.library_directory(path.as_bytes()), Some(&b"/lib"[..]));
        fs::write(format!("{path}/libx.a"), "").unwrap();
        assert_eq!(outputs.library_directory(path.as_bytes()), None);
    }
}
