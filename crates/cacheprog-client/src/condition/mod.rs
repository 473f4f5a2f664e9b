//! What Go's keys leave out, and results depend on all the same.
//!
//! [`conditions`] has the scopes and their digests. [`invocation`] tells whether the go command brings in what no key holds, and
//! [`toolchain`] what its toolchain is. Of the environment, [`counted`] are the variables that count ([`own_outputs`] and
//! [`flags_text`] are what does not), and [`programs`] the compilers. Who asks, and what follows from it, is decided elsewhere.

mod conditions;
pub(crate) mod counted;
mod flags_text;
pub(crate) mod invocation;
mod made_archive;
mod own_outputs;
pub(crate) mod programs;
mod quoted;
mod setting;
pub(crate) mod stamp;
pub(crate) mod toolchain;
pub(crate) mod variables;

pub(crate) use conditions::Conditions;
pub(crate) use made_archive::{MadeArchive, MadeBy};
pub(crate) use setting::Setting;
