//! The first line each way. JSON, so that a later version can be told apart; unknown fields are ignored.

use std::io::{self, BufRead, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::gocmd::read_line;
use crate::{FrameError, limits};

/// Version of the frames. Client and daemon must have the same; a client that meets another goes on without the daemon.
pub const VERSION: u32 = 3;

/// The first line of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The client's [`VERSION`].
    pub version: u32,
    /// The toolchain whose results these are.
    pub toolchain: Toolchain,
    /// What the go command was asked to do, for `why`. Never decides what is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Whether the go command reads the toolchain's sources where they are, and no others in their stead (`-overlay`): then an
    /// index that it makes of them is every build's. The client's claim, as the toolchain is.
    #[serde(default)]
    pub reads_goroot: bool,
    /// Names the go command's GOCACHE: device, inode and time of birth of its first directory, which `go clean -cache` replaces, in
    /// decimal with colons between; empty if unknown. What is private to a build is private to this too: cmd/go has it in no key.
    #[serde(default)]
    pub gocache: String,
    /// Whether the go command's invocation brings in what no key covers (`-toolexec`, `-overlay`): nothing is a hit that has no
    /// condition, except what the build put itself.
    #[serde(default)]
    pub only_conditional: bool,
}

impl Hello {
    /// A hello of this version.
    #[must_use]
    pub fn new(toolchain: Toolchain) -> Self {
        let (command, gocache) = (None, String::new());
        Self { version: VERSION, toolchain, command, reads_goroot: false, gocache, only_conditional: false }
    }
}

/// A go command as its cache program sees it: for looking at, and the client's claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Command {
    /// Its arguments, the first ones.
    pub arguments: Vec<String>,
    /// Where it works.
    pub directory: String,
    /// What of its environment is in Go's keys, as `NAME=value`, sorted.
    pub settings: Vec<String>,
}

/// Names a Go toolchain by where it is. Go's own keys name a compiler by its version line only, so two patched builds
/// of one release would share results without this (cmd/go/internal/work/buildid.go `toolID`, Go 1.26).
///
/// It is the client's claim: it keeps honest builds apart and is no security boundary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Toolchain {
    /// Real path of `$GOROOT` as cmd/go exports it; empty if unknown.
    pub goroot: String,
    /// `$GOTOOLDIR`, where set.
    #[serde(default)]
    pub gotooldir: String,
    /// Real path of the go command, where it is not below `goroot`.
    #[serde(default)]
    pub go: String,
    /// A digest of what it is made of, in hex, where its path does not name its content: outside of the Nix store. Else empty.
    #[serde(default)]
    pub content: String,
}

impl Toolchain {
    /// Whether it is one of Go's. Anything else that is kept (the module proxy's files) has a name in place of a path.
    #[must_use]
    pub fn is_of_go(&self) -> bool {
        self.goroot.is_empty() || self.goroot.starts_with('/')
    }
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The daemon's [`VERSION`].
    pub version: u32,
    /// Directory of the outputs as the client sees it, without a final slash; empty with an error.
    #[serde(default)]
    pub outputs: String,
    /// Why there will be no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Writes `message` as one line, in one write.
///
/// # Errors
/// What the writer returns.
pub fn write_json_line<T: Serialize>(mut out: impl Write, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Reads one line of at most `limit` bytes as a `T`.
///
/// # Errors
/// A [`FrameError`] where the stream ends, the line is too long or says something else.
pub fn read_json_line<T: DeserializeOwned>(input: &mut impl BufRead, limit: usize) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(&json_line(input, limit)?)?)
}

/// The first line of a program that may be of another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstLine<T> {
    /// Of [`VERSION`].
    Current(T),
    /// Of this other version.
    OtherVersion(u32),
}

/// Reads one line of at most `limit` bytes as a `T` of this version. Of another version's line, which may have another shape, the version
/// is all that is read.
///
/// # Errors
/// As [`read_json_line`].
pub fn read_first_line<T: DeserializeOwned>(
    input: &mut impl BufRead,
    limit: usize,
) -> Result<FirstLine<T>, FrameError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let line = json_line(input, limit)?;
    let Version { version } = serde_json::from_slice(&line)?;
    if version != VERSION {
        return Ok(FirstLine::OtherVersion(version));
    }
    Ok(FirstLine::Current(serde_json::from_slice(&line)?))
}

fn json_line(input: &mut impl BufRead, limit: usize) -> Result<Vec<u8>, FrameError> {
    debug_assert!(limit <= limits::CONTROL_ANSWER);
    let mut line = Vec::new();
    if !read_line(input, &mut line, limit)? {
        return Err(FrameError::Truncated);
    }
    Ok(line)
}
