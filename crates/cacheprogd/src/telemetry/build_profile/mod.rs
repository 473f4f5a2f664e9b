//! Build profiles: what a build asked for, by package, and with which outcome. make.rs makes one of a trace and of the outputs
//! that the build was given; rejections.rs finds what differs where a condition did not hold, `other_users.rs` what is for another
//! user alone; refresh.rs decides when the profile of a live build is made again (pure); `profile_store.rs` keeps them on the disk. The
//! data itself is proto's (profile.rs); the crate `miss_causes` compares two profiles.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod make;
mod other_users;
pub(crate) mod profile_store;
pub(crate) mod refresh;
mod rejections;
