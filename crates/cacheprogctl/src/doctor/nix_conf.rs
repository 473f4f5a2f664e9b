//! Reads the settings in nix.conf and in the files that it includes. Pure: the caller passes the function that reads files.

use std::collections::BTreeMap;
use std::path::Path;

/// How deep files include each other. Nix itself has no limit, and files that include each other in a cycle have no end.
const DEEPEST: u32 = 8;

/// Settings by name; the last one counts.
pub(crate) type Settings = BTreeMap<String, String>;

/// The settings of a file and of those that it includes, which `read` reads.
pub(crate) fn settings(path: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Option<Settings> {
    let mut all = Settings::new();
    add(&mut all, path, read, DEEPEST)?;
    Some(all)
}

fn add(all: &mut Settings, path: &Path, read: &dyn Fn(&Path) -> Option<String>, deeper: u32) -> Option<()> {
    for line in read(path)?.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let included = line.strip_prefix("include ").or_else(|| line.strip_prefix("!include "));
        if let (Some(included), Some(dir), true) = (included, path.parent(), deeper > 0) {
            // Nix itself reports an included file that does not exist.
            let _missing = add(all, &dir.join(included.trim()), read, deeper - 1);
        } else if let Some((name, value)) = line.split_once('=') {
            all.insert(name.trim().to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_count_and_cycles_end() {
        let read = |path: &Path| match path.to_str()? {
            "/etc/nix/nix.conf" => Some("sandbox = true # always\n!include more.conf\n!include none\n".to_owned()),
            "/etc/nix/more.conf" => Some("pre-build-hook =  /x/hook \ninclude nix.conf\nsandbox=relaxed".to_owned()),
            _ => None,
        };
        let found = settings(Path::new("/etc/nix/nix.conf"), &read).unwrap();
        assert_eq!(found.get("pre-build-hook").map(String::as_str), Some("/x/hook"));
        assert_eq!(found.get("sandbox").map(String::as_str), Some("relaxed"));
        assert_eq!(settings(Path::new("/none"), &read), None);
    }
}
