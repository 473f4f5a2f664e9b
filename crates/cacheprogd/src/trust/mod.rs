//! Who may write what others read. [`policy`] decides it once, when a build is registered; nothing in the build has a say in it.
//! [`shadow_verification`] has some of what was written computed again.

mod policy;
mod shadow_verification;
mod withheld;

pub(crate) use policy::{Policy, Writes};
pub(crate) use shadow_verification::ShadowVerification;
pub(crate) use withheld::{GoCommand, Hit, Withheld, WithheldHits};
