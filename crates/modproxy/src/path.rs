//! What a request asks for, by its path: <https://go.dev/ref/mod#goproxy-protocol> and
//! <https://go.dev/design/25530-sumdb>. Pure.
//!
//! The rule to keep: what is no well-formed module path and version is neither asked of an upstream nor kept, so no request
//! can name another place on a server, or another file.

/// A checked request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The path as the protocol has it, case-encoded, without a leading slash and without percent signs.
    pub(crate) path: String,
    pub(crate) what: What,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// One of the three files of a version: never changes.
    File(File, Version),
    /// `@v/list`, `@latest`, or what a branch or a prefix of a version means today.
    Query,
    /// `sumdb/NAME/lookup/MODULE@VERSION`: never changes.
    Lookup(Version),
    /// `sumdb/NAME/tile/…`: never changes. With its length in bytes, where the path tells it.
    Tile(Option<u64>),
    /// `sumdb/NAME/latest`.
    SumdbLatest,
    /// `sumdb/NAME/supported`.
    SumdbSupported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    Info,
    Mod,
    Zip,
}

/// A module at a canonical version, not case-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) module: String,
    pub(crate) version: String,
}

impl What {
    /// Whether its content can never change.
    pub(crate) fn is_immutable(&self) -> bool {
        match self {
            Self::File(..) | Self::Lookup(_) | Self::Tile(_) => true,
            Self::Query | Self::SumdbLatest | Self::SumdbSupported => false,
        }
    }
}

impl Target {
    /// Reads a path without percent signs and without a leading slash; `None` where it is none that the go command asks for.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let what = match path.strip_prefix("sumdb/") {
            Some(rest) => sumdb(rest)?,
            None => module(path)?,
        };
        Some(Self { path: path.to_owned(), what })
    }
}

fn module(path: &str) -> Option<What> {
    if let Some(module) = path.strip_suffix("/@latest") {
        return is_module(&unescape(module)?).then_some(What::Query);
    }
    let (module, file) = path.split_once("/@v/")?;
    let module = unescape(module).filter(|module| is_module(module))?;
    if file == "list" {
        return Some(What::Query);
    }
    let (version, file) = file.rsplit_once('.')?;
    let file = match file {
        "info" => File::Info,
        "mod" => File::Mod,
        "zip" => File::Zip,
        _ => return None,
    };
    let version = unescape(version)?;
    if is_canonical(&version) {
        return Some(What::File(file, Version { module, version }));
    }
    // Of what is no version only the meaning can be asked for.
    (file == File::Info && is_query(&version)).then_some(What::Query)
}

fn sumdb(rest: &str) -> Option<What> {
    let (name, rest) = rest.split_once('/')?;
    if !is_first_element(name) {
        return None;
    }
    match rest {
        "supported" => return Some(What::SumdbSupported),
        "latest" => return Some(What::SumdbLatest),
        _ => {}
    }
    if let Some(lookup) = rest.strip_prefix("lookup/") {
        let (module, version) = lookup.split_once('@')?;
        let module = unescape(module).filter(|module| is_module(module))?;
        let version = unescape(version).filter(|version| is_canonical(version))?;
        return Some(What::Lookup(Version { module, version }));
    }
    tile(rest.strip_prefix("tile/")?)
}

/// `H/L/NNN[.p/W]`, with `data` for `L` where it is no hashes (golang.org/x/mod/sumdb/tlog `ParseTilePath`).
fn tile(rest: &str) -> Option<What> {
    const HASH: u64 = 32;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (height, rest) = rest.split_once('/')?;
    let (level, rest) = rest.split_once('/')?;
    let height = number(height).filter(|height| (1..=30).contains(height))?;
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, number(width).filter(|&width| width > 0 && width < 1 << height)?),
        None => (rest, 1 << height),
    };
    let is_index = |piece: &str| piece.len() == 3 && number(piece).is_some();
    let (above, last) = index.rsplit_once('/').map_or((None, index), |(above, last)| (Some(above), last));
    let above_is = |above: &str| above.split('/').all(|piece| piece.strip_prefix('x').is_some_and(is_index));
    if !is_index(last) || !above.is_none_or(above_is) {
        return None;
    }
    match level {
        "data" => Some(What::Tile(None)),
        _ => number(level).filter(|&level| level < 64).map(|_| What::Tile(Some(HASH * u64::from(width)))),
    }
}

/// Takes back the case encoding: `!a` is `A`, and no capital stands for itself (golang.org/x/mod/module `unescapeString`).
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '!' => plain.push(letters.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase()),
            'A'..='Z' => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}

/// Names that Windows keeps for itself, which no element may have before its first dot.
const RESERVED: [&str; 22] = [
    "con", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "nul", "aux", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "prn",
];

/// Whether the name of a file in a module's zip, behind `module@version/`, leads to a place below that: most of what
/// golang.org/x/mod/module `CheckFilePath` says, without which the go command unpacks nothing.
pub(crate) fn is_below(name: &[u8]) -> bool {
    let is_element = |element: &str| {
        !element.is_empty() && !element.bytes().all(|b| b == b'.') && !element.contains(['\\', ':', '\0'])
    };
    let name = name.strip_suffix(b"/").unwrap_or(name); // a directory
    name.is_empty() || str::from_utf8(name).is_ok_and(|name| name.split('/').all(is_element))
}

/// golang.org/x/mod/module `CheckPath`.
fn is_module(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let is_element = |element: &str| {
        let short = element.split('.').next().unwrap_or_default();
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let is_short_name = |(_, tail): (&str, &str)| !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_digit());
        !element.is_empty()
            && !element.starts_with('.')
            && !element.ends_with('.')
            && element.bytes().all(is_letter)
            && !RESERVED.contains(&short.to_ascii_lowercase().as_str())
            && !short.rsplit_once('~').is_some_and(is_short_name)
    };
    is_first_element(first) && path.split('/').all(is_element) && has_sound_major(path)
}

/// A domain: with a dot, in small letters.
fn is_first_element(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let dots = text.starts_with(['-', '.']) || text.ends_with('.');
    text.contains('.') && !dots && text.bytes().all(is_letter)
}

/// `/vN` at the end is N from 2 without leading zeros; gopkg.in has `.vN` always.
fn has_sound_major(path: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if path.starts_with("gopkg.in/") {
        let path = path.strip_suffix("-unstable").unwrap_or(path);
        return path.rsplit_once(".v").is_some_and(|(_, n)| digits(n) && (n == "0" || !n.starts_with('0')));
    }
    match path.rsplit_once("/v") {
        Some((_, n)) if digits(n) => n != "1" && !n.starts_with('0'),
        _ => true,
    }
}

/// Whether a version is the one way to write itself: `vX.Y.Z`, a pre-release, and of metadata `+incompatible` alone
/// (golang.org/x/mod/module `CanonicalVersion`).
fn is_canonical(version: &str) -> bool {
    let number = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
    };
    let identifier = |text: &str| {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        !text.is_empty() && text.bytes().all(is_letter) && (!digits || number(text))
    };
    let Some(version) = version.strip_prefix('v') else { return false };
    let version = version.strip_suffix("+incompatible").unwrap_or(version);
    let (core, pre) = version.split_once('-').map_or((version, None), |(core, pre)| (core, Some(pre)));
    core.split('.').count() == 3 && core.split('.').all(number) && pre.is_none_or(|pre| pre.split('.').all(identifier))
}

/// A branch, a commit or the like, of letters that need no thought. The go command asks its own list for others.
fn is_query(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(path: &str) -> Option<What> {
        Target::parse(path).map(|target| target.what)
    }

    fn version(module: &str, version: &str) -> Version {
        Version { module: module.into(), version: version.into() }
    }

    #[test]
    fn the_files_of_a_version_never_change() {
        let at = version("github.com/BurntSushi/toml", "v1.2.0");
        for (name, file) in [("info", File::Info), ("mod", File::Mod), ("zip", File::Zip)] {
            let path = format!("github.com/!burnt!sushi/toml/@v/v1.2.0.{name}");
            assert_eq!(what(&path), Some(What::File(file, at.clone())));
        }
        for (module, at) in [
            ("example.test/a/v2", "v2.0.0"),
            ("gopkg.in/yaml.v3", "v3.0.1"),
            ("github.com/docker/docker", "v20.10.7+incompatible"),
            ("example.test", "v0.0.0-20190101000000-abcdefabcdef"),
            ("golang.org/toolchain", "v0.0.1-go1.24.1.linux-amd64"),
            ("example.test/~me/x", "v1.0.0-rc.1"),
        ] {
            assert_eq!(what(&format!("{module}/@v/{at}.zip")), Some(What::File(File::Zip, version(module, at))));
        }
        assert_eq!(what("a.test/@v/v1.0.0-!r!c1.mod"), Some(What::File(File::Mod, version("a.test", "v1.0.0-RC1"))));
    }

    #[test]
    fn questions_whose_answer_changes_are_told_from_those() {
        for path in ["a.test/@v/list", "a.test/x/@latest", "a.test/@v/master.info", "a.test/@v/v1.2.info"] {
            assert_eq!(what(path), Some(What::Query), "{path}");
        }
        assert!(!What::Query.is_immutable());
        assert_eq!(what("a.test/@v/v1.0.0+meta.info"), Some(What::Query));
    }

    #[test]
    fn the_checksum_database_is_known() {
        let at = version("github.com/BurntSushi/toml", "v1.2.0");
        assert_eq!(what("sumdb/sum.test/lookup/github.com/!burnt!sushi/toml@v1.2.0"), Some(What::Lookup(at)));
        assert_eq!(what("sumdb/sum.test/latest"), Some(What::SumdbLatest));
        assert_eq!(what("sumdb/sum.test/supported"), Some(What::SumdbSupported));
        assert_eq!(what("sumdb/sum.test/tile/8/0/x001/x234/067"), Some(What::Tile(Some(8192))));
        assert_eq!(what("sumdb/sum.test/tile/8/1/003.p/17"), Some(What::Tile(Some(544))));
        assert_eq!(what("sumdb/sum.test/tile/8/data/x001/067"), Some(What::Tile(None)));
    }

    #[test]
    fn names_in_a_zip_lead_below_its_module() {
        for name in ["", "go.mod", "a/", "a/b.c/.hidden", "Ünïcode/Ö.txt", "a b/..c", "x@v1/~"] {
            assert!(is_below(name.as_bytes()), "{name}");
        }
        for name in ["../x", "a/../../x", "a//b", "/x", "./x", "a/...", "a\\..\\b", "c:x", "a\0b"] {
            assert!(!is_below(name.as_bytes()), "{name}");
        }
        assert!(!is_below(b"a\xff"));
    }

    #[test]
    fn whatever_else_is_refused() {
        for path in [
            "",
            "/",
            "@v/list",
            "nodot/@v/list",
            "a.test",
            "a.test/@v/",
            "a.test/@v/v1.0.0",
            "a.test/@v/v1.0.0.exe",
            "a.test/@v/master.zip",
            "a.test/@v/v1.0.mod",
            "a.test/../b.test/@v/list",
            "a.test//x/@v/list",
            "a.test/.hidden/@v/list",
            "a.test/x./@v/list",
            "A.test/@v/list",
            "a.test/X/@v/list",
            "a.test/!X/@v/list",
            "a.test/!/@v/list",
            "a.test/a b/@v/list",
            "a.test/aux.go/@v/list",
            "a.test/x~1/@v/list",
            "-a.test/@v/list",
            "a.test/v1/@v/list",
            "a.test/v02/@v/list",
            "gopkg.in/yaml/@v/list",
            "a.test/@v/v01.0.0.zip",
            "a.test/@v/../../etc/passwd.info",
            "a.test/@v/v1.0.0/x.info",
            "a.test/@v/.info",
            "a.test\n/@v/list",
            "sumdb/sum.test/other",
            "sumdb/x/latest",
            "sumdb/sum.test/tile/8/0/67",
            "sumdb/sum.test/tile/8/0/x067",
            "sumdb/sum.test/tile/8/0/067.p/256",
            "sumdb/sum.test/tile/99/0/067",
            "sumdb/sum.test/lookup/a.test@master",
            "sumdb/sum.test/tile/8/0/../067",
            "sumdb/sum.test/tile/8/+1/067",
        ] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
    }
}
