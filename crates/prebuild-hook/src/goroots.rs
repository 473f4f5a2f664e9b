//! Where the Go toolchains among a build's inputs are: the daemon fetches what other machines made with them while the build unpacks.
//!
//! It is a guess: what is not found here, the build's first go command tells.

use std::path::Path;

use crate::derivation_file::{read, read_input};
use crate::drv;
use crate::store_path::{is_toolchain, store_name};

/// Below the output of a toolchain: nixpkgs pkgs/development/compilers/go, 23.05-26.05.
const GOROOT: &str = "share/go";

/// Toolchains that are looked at: a build has one, or two.
const MOST: usize = 4;

/// `GOROOT` of each.
pub(crate) fn goroots(path: &Path, chroot: Option<&Path>) -> Vec<String> {
    let Some(derivation) = read(path, chroot).ok().and_then(|bytes| drv::parse(&bytes)) else { return Vec::new() };
    let is_wanted = |path: &&String| is_toolchain(store_name(path.strip_suffix(".drv").unwrap_or(path)));
    let inputs = derivation.input_derivations.iter().filter(is_wanted).filter_map(|input| {
        let out = drv::parse(&read_input(Path::new(input), chroot).ok()?)?.out;
        (!out.is_empty()).then_some(out)
    });
    // Of a resolved content-addressed derivation, the outputs themselves.
    let sources = derivation.input_sources.iter().filter(is_wanted).cloned();
    inputs.chain(sources).take(MOST).map(|out| format!("{out}/{GOROOT}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolchains_among_the_inputs_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (go, other, build) = (at("0-go-1.26.8.drv"), at("0-go-tools-1.drv"), at("0-x-1.drv"));
        let derivation = |inputs: &[&String], sources: &[&str], out: &str| {
            let inputs: Vec<_> = inputs.iter().map(|path| format!(r#"("{path}",["out"])"#)).collect();
            let sources: Vec<_> = sources.iter().map(|path| format!(r#""{path}""#)).collect();
            let (inputs, sources) = (inputs.join(","), sources.join(","));
            format!(r#"Derive([("out","{out}","","")],[{inputs}],[{sources}],"x86_64-linux","/bin/sh",[],[])"#)
        };
        std::fs::write(&go, derivation(&[], &[], "/nix/store/1-go-1.26.8")).unwrap();
        std::fs::write(&other, derivation(&[], &[], "/nix/store/1-go-tools-1")).unwrap();
        std::fs::write(&build, derivation(&[&other, &go], &["/nix/store/2-go-1.25"], "/nix/store/1-x-1")).unwrap();
        let expected = ["/nix/store/1-go-1.26.8/share/go", "/nix/store/2-go-1.25/share/go"];
        assert_eq!(goroots(Path::new(&build), None), expected);
        // In a diverted store the paths are others, and the derivations are beside the chroot.
        let diverted = derivation(&[&"/nix/store/0-go-1.26.8.drv".to_owned()], &[], "");
        std::fs::write(&build, diverted).unwrap();
        let chroot = format!("{build}.chroot");
        assert_eq!(goroots(Path::new("/nix/store/0-x-1.drv"), Some(Path::new(&chroot))), expected[..1]);
        assert_eq!(goroots(Path::new("/nix/store/0-none.drv"), None), [""; 0]);
    }
}
