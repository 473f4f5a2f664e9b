//! vendor/modules.txt: which modules a vendor directory has (cmd/go/internal/modload/vendor.go `readVendorList`, Go 1.21-1.27).

use std::collections::HashMap;

/// The modules of a vendor directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ModulesTxt {
    /// Versions by path.
    pub(super) versions: HashMap<String, String>,
    /// Modules by the import paths of their packages.
    pub(super) packages: HashMap<String, String>,
    /// Whether it was made for a workspace.
    pub(super) is_workspace: bool,
}

impl ModulesTxt {
    pub(super) fn parse(text: &str) -> Self {
        let mut read = Self::default();
        let mut module: Option<String> = None;
        for line in text.lines() {
            if line.trim() == "## workspace" {
                read.is_workspace = true;
            } else if let Some(line) = line.strip_prefix("# ") {
                let words: Vec<_> = line.split_whitespace().collect();
                module = match words.as_slice() {
                    // A line `# path => target` repeats a replacement for all versions.
                    [path, version, ..] if *version != "=>" => {
                        read.versions.insert((*path).to_owned(), (*version).to_owned());
                        Some((*path).to_owned())
                    }
                    _ => None,
                };
            } else if let (false, Some(module)) = (line.starts_with("##"), &module)
                && !line.trim().is_empty()
            {
                read.packages.insert(line.trim().to_owned(), module.clone());
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_packages_are_read() {
        let text = "## workspace\n# example.org/a v1.0.0\n## explicit; go 1.20\nexample.org/a\nexample.org/a/b\n\
                    # example.org/c v2.0.0 => ../c\n## explicit\nexample.org/c\n# example.org/d => ../d\n";
        let read = ModulesTxt::parse(text);
        assert!(read.is_workspace);
        assert_eq!(read.versions["example.org/c"], "v2.0.0");
        assert_eq!(read.packages["example.org/a/b"], "example.org/a");
        assert_eq!((read.versions.len(), read.packages.len()), (2, 3));
    }
}
