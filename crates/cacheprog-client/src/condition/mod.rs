//! What Go's keys leave out.

pub(crate) mod build_env;
pub(crate) mod cgo_inputs;
pub(crate) mod go_overlay;
