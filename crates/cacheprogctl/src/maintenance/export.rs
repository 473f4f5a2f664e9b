//! `cacheprogctl export`: a layer for `cacheprog-client --lower`, of what is in a store.

use std::path::PathBuf;

use proto::figures::bytes;
use settings::{AnyStore, StateError};
use store::{Conditional, Exported};

use crate::error::CommandError;
use crate::terminal::{print, print_json};

/// From which store, and to where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory of the layer: an empty one, or none.
    to: PathBuf,
    #[command(flatten)]
    store: AnyStore,
    /// Take also what C compilers had a part in.
    ///
    /// Right only where compilers, headers and libraries lie in the Nix store: what they read of
    /// the system is not looked at where the layer is used.
    #[arg(long)]
    with_c: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Writes the layer.
///
/// # Errors
/// Where there is no store, or the layer cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let path = args.store.dir()?;
    std::fs::symlink_metadata(path.join("format")).map_err(|source| StateError::at(&path, source))?;
    // A layer is for others to read.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Root stays root, which may make the layer where the store's owner may not: an object is taken only with the content that its
    // record names.
    let conditional = if args.with_c { Conditional::All } else { Conditional::OfAssembly };
    let exported = store::export(&path, &args.to, conditional)?;
    if args.json { print_json(&exported) } else { print(&report(args, &exported)) }
}

fn report(args: &Args, exported: &Exported) -> String {
    let Exported { entries, objects, left_out, .. } = exported;
    let size = bytes(exported.bytes);
    format!(
        "{}: {entries} entries, {objects} objects, {size}; {left_out} entries are not for others\n",
        args.to.display()
    )
}
