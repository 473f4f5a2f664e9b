//! What shadow verification found, as the status has it: outputs that were computed again, and those that differed. Data, and one sentence
//! of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Shadow verification: hits that are answered as misses, so that a build computes the output again, and both are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verification {
    /// Seconds of compile time an hour that may be spent on it; 0: none.
    pub seconds_per_hour: u32,
    /// Outputs that were compared, since the state directory was made.
    pub compared: u64,
    /// Of these, those that differed.
    pub differing: u64,
    /// The latest of these, the newest first.
    pub differences: Vec<OutputDifference>,
}

/// Two builds computed two outputs of one action. Both are out of service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputDifference {
    /// When it was found, in seconds since 1970.
    pub at: u64,
    /// The first 8 bytes of the action's id, in hex.
    pub action: String,
    /// The package, where the output names it.
    pub package: String,
    /// The scope of the condition; empty where there is none.
    pub scope: String,
    /// What was shared.
    pub shared: ComputedOutput,
    /// What was computed again.
    pub computed: ComputedOutput,
    /// Live builds that had been given what was shared, by their short ids.
    pub given_to: Vec<String>,
}

/// In one sentence.
impl fmt::Display for OutputDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, package, scope, shared, computed, given_to, .. } = self;
        write!(f, "action {action}")?;
        if !package.is_empty() {
            write!(f, ", package {package}")?;
        }
        if !scope.is_empty() {
            write!(f, ", scope {scope}")?;
        }
        write!(f, ": {shared} was shared, {computed} was computed again")?;
        if given_to.is_empty() { Ok(()) } else { write!(f, "; given to live builds {}", given_to.join(", ")) }
    }
}

/// An output and its build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComputedOutput {
    /// The first 8 bytes of the output's id, in hex.
    pub output: String,
    /// The build's short id; empty where it is not known.
    pub build: String,
    /// The build's name.
    pub name: String,
}

impl fmt::Display for ComputedOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.build.as_str()) {
            ("", "") => write!(f, "{} of an unknown build", self.output),
            (name, "") => write!(f, "{} of a {name}", self.output), // of a layer
            (name, build) => write!(f, "{} of {name} ({build})", self.output),
        }
    }
}
