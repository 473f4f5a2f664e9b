//! The files of the project and their texts, as git lists them. What is in them is for the rules to say.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A file of the tree: its path from the root, and its text. Pictures and the like, which are no text, are left out.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn ends_with_one_of(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.name.ends_with(ending))
    }

    pub(crate) fn is_code(&self) -> bool {
        self.ends_with_one_of(&[".rs", ".nix", ".sh", ".go"]) || self.text.starts_with("#!")
    }

    /// The file's name without folders and ending.
    pub(crate) fn stem(&self) -> &str {
        Path::new(&self.name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let listed =
            Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output().unwrap();
        let names = String::from_utf8(listed.stdout).unwrap();
        let read =
            |name: &str| Some(File { name: name.to_owned(), text: std::fs::read_to_string(root().join(name)).ok()? });
        let files: Vec<_> = names.lines().filter_map(read).collect();
        assert!(files.len() > 50, "git ls-files found {}", files.len());
        files
    })
}

/// Files that end so.
pub(crate) fn with_ending(ending: &str) -> impl Iterator<Item = &'static File> {
    files().iter().filter(move |file| file.name.ends_with(ending))
}
