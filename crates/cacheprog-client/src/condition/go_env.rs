//! Settings that `go env -w` wrote, and those of the toolchain. cmd/go takes them where the environment has none, and exports only some
//! of them (cmd/go/internal/cfg `Getenv`, `readEnvFile`; cmd/go/internal/envcmd `MkEnv` leaves out `CGO_CFLAGS` and its like,
//! `PKG_CONFIG`, `FC` and `GOWORK`; Go 1.21-1.27).

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::variables::{Variables, value};

/// More of a file is not read. Usual ones have some hundred bytes.
const MAX_SIZE: u64 = 1 << 20;

/// Adds what the files say for variables that are not set. `GOENV` and `GOROOT` name them; cmd/go exports both.
pub(crate) fn add(variables: &mut Variables) {
    let path = |name| value(variables, name).map(PathBuf::from).filter(|path| path.is_absolute());
    // The user's comes first.
    let files = [path("GOENV"), path("GOROOT").map(|root| root.join("go.env"))];
    for file in files.into_iter().flatten() {
        add_file(&file, variables);
    }
}

fn add_file(path: &Path, variables: &mut Variables) {
    let mut text = Vec::new();
    if File::open(path).and_then(|file| file.take(MAX_SIZE).read_to_end(&mut text)).is_err() {
        return;
    }
    for line in text.split(|&byte| byte == b'\n').filter(|line| line.first().is_some_and(u8::is_ascii_uppercase)) {
        let Some(at) = line.iter().position(|&byte| byte == b'=') else { continue };
        let name = OsStr::from_bytes(&line[..at]);
        if variables.iter().any(|(known, value)| known == name && !value.is_empty()) {
            continue;
        }
        variables.retain(|(known, _)| known != name);
        variables.push((name.to_owned(), std::ffi::OsString::from_vec(line[at + 1..].to_vec())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::variables::text;

    #[test]
    fn what_go_env_wrote_stands_where_the_environment_has_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("env", "# CC=x\nCGO_CFLAGS=-I/x -DA=b\nFC=f\n\nCGO_LDFLAGS=-lx\n");
        write("go.env", "FC=other\nPKG_CONFIG=p\nbad\n");
        let path = |name: &str| dir.path().join(name).into_os_string();
        let mut variables: Variables = vec![
            ("GOENV".into(), path("env")),
            ("GOROOT".into(), dir.path().into()),
            ("CGO_LDFLAGS".into(), "-ly".into()),
            ("CGO_CFLAGS".into(), "".into()),
        ];
        add(&mut variables);
        let expected =
            [("CGO_CFLAGS", "-I/x -DA=b"), ("FC", "f"), ("CGO_LDFLAGS", "-ly"), ("PKG_CONFIG", "p"), ("CC", "")];
        for (name, value) in expected {
            assert_eq!(text(&variables, name), value, "{name}");
        }
        let mut off: Variables = vec![("GOENV".into(), "off".into())];
        add(&mut off);
        assert_eq!(off.len(), 1);
    }
}
