//! What is known of a compiled package that a go command puts.

pub(crate) use store::archive::MadeBy;

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
}
