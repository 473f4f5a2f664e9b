//! What Go's keys leave out, and results depend on all the same.
//!
//! [`build_env`] is the environment of a build, [`cgo_inputs`] what a C compiler reads, [`go_overlay`] whether the go command
//! reads the sources of its own toolchain. Who asks, and what follows from it, is decided elsewhere: for the setup hook in
//! `setup_hook/`, for tests in `test_results/`.

mod conditions;
mod made_archive;
mod setting;
pub(crate) mod stamp;

pub(crate) mod build_env;
pub(crate) mod cgo_inputs;
pub(crate) mod go_overlay;

pub(crate) use conditions::Conditions;
pub(crate) use made_archive::{MadeArchive, MadeBy};
pub(crate) use setting::Setting;
