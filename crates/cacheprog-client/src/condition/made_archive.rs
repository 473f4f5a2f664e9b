//! What is known of a compiled package that a go command puts.

/// Who made the members of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeBy {
    /// Go's compiler, all of them.
    Compiler,
    /// Go's compiler and Go's assembler.
    CompilerAndAssembler,
    /// A C compiler too, or what is not known.
    Others,
}

/// A compiled package.
#[derive(Debug, Clone)]
pub(crate) struct MadeArchive {
    /// The import path; `main` for a program.
    pub(crate) path: String,
    /// A package of the standard library.
    pub(crate) is_std: bool,
    pub(crate) made_by: MadeBy,
    /// Files that its code comes from, as the compiler names them: its own, and those of functions that were inlined.
    pub(crate) files: Vec<String>,
    /// Whether the compile printed something.
    pub(crate) has_output: bool,
}
