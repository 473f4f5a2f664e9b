//! Which files of a directory count.

use crate::condition::build_constraint;

/// What a scope takes of the files below its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// A module's: all but Go sources, which are in Go's keys.
    Module,
    /// A tree's: the same, and Go sources that Go may leave out of a package.
    Tree,
    /// All files.
    TreeWithGo,
    /// Sources that Go may leave out of a package, for vet.
    Vet,
    /// The sources of a toolchain: all but Go sources and objects (`.syso`), which are in Go's keys.
    Toolchain,
}

/// What counts of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileUse {
    /// Nothing.
    Nothing,
    /// Its content.
    Content,
    /// Its content, if its head has a constraint. Otherwise only that this stays so.
    ContentIfConstrained,
}

/// Endings of sources that are no Go (go/build `fileListForExt`, Go 1.21-1.27).
const SOURCES: [&[u8]; 17] = [
    b"c", b"cc", b"cpp", b"cxx", b"m", b"mm", b"h", b"hh", b"hpp", b"hxx", b"f", b"F", b"for", b"f90", b"s", b"S",
    b"sx",
];

/// Endings of C++ and Objective-C++ (cmd/go/internal/work/exec.go, and what gcc takes for C++).
const CXX: [&[u8]; 10] = [b"cc", b"cpp", b"cxx", b"c++", b"C", b"CPP", b"mm", b"M", b"swigcxx", b"hpp"];

impl Rule {
    pub(super) const ALL: [Self; 5] = [Self::Module, Self::Tree, Self::TreeWithGo, Self::Vet, Self::Toolchain];

    pub(super) fn of_file(self, name: &[u8]) -> FileUse {
        let ending = ending(name);
        let by_constraint =
            if build_constraint::is_in_name(name) { FileUse::Content } else { FileUse::ContentIfConstrained };
        match (self, ending) {
            (Self::Module, b"go") | (Self::Toolchain, b"go" | b"syso") => FileUse::Nothing,
            (Self::Tree | Self::Vet, b"go") => by_constraint,
            // Go sources are made of it.
            (Self::Vet, b"swig" | b"swigcxx") => FileUse::Content,
            // Of a package without cgo these are ignored files whatever their heads say, and vet reads them.
            (Self::Vet, b"S" | b"sx") => FileUse::Content,
            (Self::Vet, ending) if SOURCES.contains(&ending) => by_constraint,
            (Self::Vet, b"syso") if build_constraint::is_in_name(name) => FileUse::Content,
            (Self::Vet, _) => FileUse::Nothing,
            (Self::Module | Self::Tree | Self::TreeWithGo | Self::Toolchain, _) => FileUse::Content,
        }
    }
}

/// Whether a file is C++, whose objects have `-frandom-seed` in names.
pub(super) fn is_cxx(name: &[u8]) -> bool {
    CXX.contains(&ending(name))
}

fn ending(name: &[u8]) -> &[u8] {
    name.iter().rposition(|&byte| byte == b'.').map_or(b"", |dot| &name[dot + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_vet_assembly_of_cgo_counts_whatever_its_head_says() {
        let of = |name: &str| Rule::Vet.of_file(name.as_bytes());
        assert_eq!(["v.S", "v.sx", "v_windows.s"].map(of), [FileUse::Content; 3]);
        assert_eq!(of("v.s"), FileUse::ContentIfConstrained);
    }
}
