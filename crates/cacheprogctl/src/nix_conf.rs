//! Reads the settings in nix.conf and in the files that it includes: the caller passes the function that reads files. And whether there is
//! a Nix at all.

use std::collections::BTreeMap;
use std::path::Path;

/// How deep files include each other. Nix itself has no limit, and files that include each other in a cycle have no end.
const DEEPEST: u32 = 8;

/// Whether this machine has a store of Nix.
pub(crate) fn is_nix_here() -> bool {
    // The store is made when Nix is used first.
    ["/nix/store", "/usr/bin/nix-store", "/etc/nix/nix.conf"].iter().any(|path| Path::new(path).exists())
}

/// Settings by name; the last one counts.
pub(crate) type Settings = BTreeMap<String, String>;

/// Users and groups whom Nix trusts, as nix.conf names them; root is always one of them.
pub(crate) fn trusted_users(settings: &Settings) -> Vec<String> {
    let named = ["trusted-users", "extra-trusted-users"].into_iter().filter_map(|name| settings.get(name));
    let mut users = vec!["root".to_owned()];
    for user in named.flat_map(|value| value.split(' ')).filter(|user| !user.is_empty()) {
        if !users.iter().any(|known| known == user) {
            users.push(user.to_owned());
        }
    }
    users
}

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
            let (name, value) = (name.trim(), value.split_whitespace().collect::<Vec<_>>().join(" "));
            // Added to what was set above it (nix.conf(5)).
            all.remove(&format!("extra-{name}"));
            let before = all.remove(name).filter(|_| name.starts_with("extra-")).map(|before| before + " ");
            all.insert(name.to_owned(), before.unwrap_or_default() + &value);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_users_are_root_and_those_named_last() {
        for (text, expected) in [
            ("", "root"),
            ("trusted-users =", "root"),
            ("trusted-users = alice root  @wheel", "root alice @wheel"),
            ("trusted-users = *\nextra-trusted-users = bob\nextra-trusted-users = carol *", "root * bob carol"),
            ("extra-trusted-users = bob\ntrusted-users = alice", "root alice"),
        ] {
            let found = settings(Path::new("/n"), &|_| Some(text.to_owned())).unwrap();
            assert_eq!(trusted_users(&found).join(" "), expected, "{text}");
        }
    }

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
