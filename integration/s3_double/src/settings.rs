//! The settings, which are the command line as well: where it listens, buckets, keys and their rights, and how strict it is.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;

/// A strict S3 that injects faults, for tests. The first line of stdout is its address; SIGTERM ends it.
#[derive(Debug, Clone, Parser)]
#[command(name = "s3-double", version)]
pub struct Settings {
    /// Where to listen. Port 0: a free port.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Keep the objects in this directory as well, and read what is there at the start.
    #[arg(long, value_name = "DIR", required_unless_present = "memory")]
    pub dir: Option<PathBuf>,
    /// Keep the objects in memory alone.
    #[arg(long, conflicts_with = "dir")]
    pub memory: bool,
    /// A bucket. The first one is that of WebDAV.
    #[arg(long = "bucket", value_name = "NAME", required = true)]
    pub buckets: Vec<String>,
    /// The region that signatures have to name.
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub region: String,
    /// Requests to BUCKET.DOMAIN are of virtual-host style; all others are of path style.
    #[arg(long, value_name = "DOMAIN", default_value = "localhost")]
    pub domain: String,
    /// A key. RIGHTS: `all`, or some of `read,write,list,delete`. PREFIX: the key is for names that begin so.
    #[arg(long = "key", value_name = "ID:SECRET:RIGHTS[:PREFIX]")]
    pub keys: Vec<Key>,
    /// The key ID is valid only with this session token, until so many seconds after the start.
    #[arg(long = "session", value_name = "ID:TOKEN:SECONDS")]
    pub sessions: Vec<Session>,
    /// A user of WebDAV below /dav/, with basic authentication.
    #[arg(long = "webdav-basic", value_name = "USER:PASSWORD:RIGHTS[:PREFIX]")]
    pub webdav_basic: Vec<Key>,
    /// A bearer token of WebDAV below /dav/; NAME is for the log.
    #[arg(long = "webdav-bearer", value_name = "NAME:TOKEN:RIGHTS[:PREFIX]")]
    pub webdav_bearer: Vec<Key>,
    /// Objects are gone so many days after they were written. The clock for it can be moved.
    #[arg(long, value_name = "DAYS")]
    pub expire_days: Option<u64>,
    /// How strict it is.
    #[command(flatten)]
    pub behavior: Behavior,
}

/// What engines do differently. By default: what is strict, and what the simple ones do.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Behavior {
    /// Accept `x-amz-content-sha256: UNSIGNED-PAYLOAD`, though this is plain HTTP.
    #[arg(long)]
    pub unsigned_payload: bool,
    /// A key that may not list gets 403 for a name that does not exist, as from AWS.
    #[arg(long)]
    pub missing_is_denied: bool,
    /// Answer a signature for another region with 301 `PermanentRedirect`, not with 400 `AuthorizationHeaderMalformed`.
    #[arg(long)]
    pub region_redirect: bool,
    /// Answer `If-None-Match: *` of a PUT with 412 if the object exists. Without it the header is ignored, as by nginx and Garage.
    #[arg(long)]
    pub conditional_put: bool,
    /// A page of a list has at most so many names, however many are asked for. Without it 1,000, as S3 has.
    #[arg(long, value_name = "NAMES")]
    pub page_names: Option<NonZeroU16>,
    /// Answer 501 to every checksum header, as s3proxy does. Without it x-amz-checksum-sha256 is compared, and all others get 501.
    #[arg(long)]
    pub refuse_checksums: bool,
}

impl Settings {
    /// One bucket in memory on a free port of 127.0.0.1, without keys.
    #[must_use]
    pub fn new(bucket: &str, region: &str) -> Self {
        Self::parse_from(["s3-double", "--memory", "--bucket", bucket, "--region", region])
    }
}

/// One of the things that a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// GET of an object.
    Read,
    /// PUT.
    Write,
    /// `ListObjectsV2`.
    List,
    /// DELETE.
    Delete,
}

/// A key with its secret and what it allows. A user or a token of WebDAV as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The access key id, or the user.
    pub id: String,
    /// The secret access key, the password, or the token.
    pub secret: String,
    /// What it allows.
    pub rights: Vec<Right>,
    /// It is for names that begin so.
    pub prefix: String,
}

impl Key {
    /// Whether it allows this on the name, or on the prefix of a list.
    #[must_use]
    pub fn allows(&self, right: Right, name: &str) -> bool {
        self.rights.contains(&right) && name.starts_with(&self.prefix)
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.splitn(4, ':').collect();
        let [id, secret, rights, prefix @ ..] = parts.as_slice() else {
            return Err("write ID:SECRET:RIGHTS or ID:SECRET:RIGHTS:PREFIX".to_owned());
        };
        let right = |word: &str| match word {
            "read" => Ok(Right::Read),
            "write" => Ok(Right::Write),
            "list" => Ok(Right::List),
            "delete" => Ok(Right::Delete),
            other => Err(format!("unknown right {other:?}: read, write, list, delete, or all")),
        };
        let words = if *rights == "all" { "read,write,list,delete" } else { rights };
        Ok(Self {
            id: (*id).to_owned(),
            secret: (*secret).to_owned(),
            rights: words.split(',').map(right).collect::<Result<_, _>>()?,
            prefix: prefix.first().copied().unwrap_or_default().to_owned(),
        })
    }
}

/// A session token of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The key.
    pub id: String,
    /// The token.
    pub token: String,
    /// Seconds from the start until it expires.
    pub seconds: u64,
}

impl FromStr for Session {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split(':').collect();
        let &[id, token, seconds] = parts.as_slice() else { return Err("write ID:TOKEN:SECONDS".to_owned()) };
        let seconds = seconds.parse().map_err(|e| format!("{seconds:?} is no number of seconds: {e}"))?;
        Ok(Self { id: id.to_owned(), token: token.to_owned(), seconds })
    }
}
