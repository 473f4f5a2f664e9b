//! What is remembered of builds, for people and programs that look: trace/ records what a live build asks for, `build_profile/`
//! makes a profile by package of it, `condition_parts.rs` keeps what conditions are made of, history.rs keeps the counts of ended builds, `time_series.rs` and `usage_recorder.rs` what
//! the cache served by time, latency.rs how long requests took, `other_versions.rs` which programs were refused; `working_sets.rs` keeps what the last build of each name asked for.
//!
//! Nothing that is served depends on any of it, but how soon. How it is shown over HTTP is http/'s, and over the control socket control/'s.

pub(crate) mod build_profile;
pub(crate) mod condition_parts;
pub(crate) mod history;
pub(crate) mod latency;
pub(crate) mod other_versions;
pub(crate) mod time_series;
pub(crate) mod trace;
pub(crate) mod usage_recorder;
pub(crate) mod working_sets;
