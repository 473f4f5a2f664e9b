//! What a request asks for, parsed from its path: <https://go.dev/ref/mod#goproxy-protocol> and
//! <https://go.dev/design/25530-sumdb>. Pure.
//!
//! The rule to keep: a path without a well-formed module path and version is never sent to an upstream and never cached. So no
//! request can name another place on a server, or another file.

/// A checked path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The path, case-encoded, without a leading slash, with percent signs decoded.
    pub(crate) path: String,
    pub(crate) kind: ResourceKind,
}

/// What kind of answer is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    /// One of the three files of a version: never changes.
    File(FileKind, ModuleVersion),
    /// `@v/list`, `@latest`, or the version that a branch or a version prefix means today.
    Query,
    /// `sumdb/NAME/lookup/MODULE@VERSION`: never changes.
    Lookup(ModuleVersion),
    /// `sumdb/NAME/tile/…`: never changes. With its length in bytes, where the path gives it.
    Tile(Option<u64>),
    /// `sumdb/NAME/latest`.
    SumdbLatest,
    /// `sumdb/NAME/supported`.
    SumdbSupported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Info,
    Mod,
    Zip,
}

/// A module at a canonical version, not case-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModuleVersion {
    pub(crate) module: String,
    pub(crate) version: String,
}

impl ResourceKind {
    /// Whether its content can never change.
    pub(crate) fn is_immutable(&self) -> bool {
        match self {
            Self::File(..) | Self::Lookup(_) | Self::Tile(_) => true,
            Self::Query | Self::SumdbLatest | Self::SumdbSupported => false,
        }
    }
}

impl Resource {
    /// Parses a path without a leading slash, with percent signs decoded; `None` where the go command never asks for it.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let kind = match path.strip_prefix("sumdb/") {
            Some(rest) => sumdb(rest)?,
            None => module(path)?,
        };
        Some(Self { path: path.to_owned(), kind })
    }
}

fn module(path: &str) -> Option<ResourceKind> {
    if let Some(module) = path.strip_suffix("/@latest") {
        return is_module(&unescape(module)?).then_some(ResourceKind::Query);
    }
    let (module, file) = path.split_once("/@v/")?;
    let module = unescape(module).filter(|module| is_module(module))?;
    if file == "list" {
        return Some(ResourceKind::Query);
    }
    let (version, file) = file.rsplit_once('.')?;
    let file = match file {
        "info" => FileKind::Info,
        "mod" => FileKind::Mod,
        "zip" => FileKind::Zip,
        _ => return None,
    };
    let version = unescape(version)?;
    if is_canonical(&version) {
        return Some(ResourceKind::File(file, ModuleVersion { module, version }));
    }
    // For a query that is no version, only its meaning (.info) can be asked for.
    (file == FileKind::Info && is_query(&version)).then_some(ResourceKind::Query)
}

fn sumdb(rest: &str) -> Option<ResourceKind> {
    let (name, rest) = rest.split_once('/')?;
    if !is_first_element(name) {
        return None;
    }
    match rest {
        "supported" => return Some(ResourceKind::SumdbSupported),
        "latest" => return Some(ResourceKind::SumdbLatest),
        _ => {}
    }
    if let Some(lookup) = rest.strip_prefix("lookup/") {
        let (module, version) = lookup.split_once('@')?;
        let module = unescape(module).filter(|module| is_module(module))?;
        let version = unescape(version).filter(|version| is_canonical(version))?;
        return Some(ResourceKind::Lookup(ModuleVersion { module, version }));
    }
    tile(rest.strip_prefix("tile/")?)
}

/// `H/L/NNN[.p/W]`, with `data` for `L` in a tile without hashes (golang.org/x/mod/sumdb/tlog `ParseTilePath`).
fn tile(rest: &str) -> Option<ResourceKind> {
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
        "data" => Some(ResourceKind::Tile(None)),
        _ => number(level).filter(|&level| level < 64).map(|_| ResourceKind::Tile(Some(HASH * u64::from(width)))),
    }
}

/// Decodes the case encoding: `!a` is `A`; a capital letter is an error (golang.org/x/mod/module `unescapeString`).
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

/// Names reserved by Windows, which no path element may have before its first dot.
const RESERVED: [&str; 22] = [
    "con", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "nul", "aux", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "prn",
];

/// Whether the name of a file in a module's zip, after `module@version/`, stays inside that directory: most rules of
/// golang.org/x/mod/module `CheckFilePath`; the go command refuses other names.
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
    is_first_element(first) && path.split('/').all(is_element) && has_valid_major(path)
}

/// A domain: with a dot, in small letters.
fn is_first_element(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let dots = text.starts_with(['-', '.']) || text.ends_with('.');
    text.contains('.') && !dots && text.bytes().all(is_letter)
}

/// `/vN` at the end is N from 2 without leading zeros; gopkg.in has `.vN` always.
fn has_valid_major(path: &str) -> bool {
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

/// Whether a version is in its canonical form: `vX.Y.Z`, a pre-release, and of metadata only `+incompatible`
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

/// A branch, a commit or the like, of letters that need no escaping. For others the go command has to ask its own list.
fn is_query(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str) -> Option<ResourceKind> {
        Resource::parse(path).map(|resource| resource.kind)
    }

    fn version(module: &str, version: &str) -> ModuleVersion {
        ModuleVersion { module: module.into(), version: version.into() }
    }

    #[test]
    fn the_files_of_a_version_never_change() {
        let at = version("github.com/BurntSushi/toml", "v1.2.0");
        for (name, file) in [("info", FileKind::Info), ("mod", FileKind::Mod), ("zip", FileKind::Zip)] {
            let path = format!("github.com/!burnt!sushi/toml/@v/v1.2.0.{name}");
            assert_eq!(kind(&path), Some(ResourceKind::File(file, at.clone())));
        }
        for (module, at) in [
            ("example.test/a/v2", "v2.0.0"),
            ("gopkg.in/yaml.v3", "v3.0.1"),
            ("github.com/docker/docker", "v20.10.7+incompatible"),
            ("example.test", "v0.0.0-20190101000000-abcdefabcdef"),
            ("golang.org/toolchain", "v0.0.1-go1.24.1.linux-amd64"),
            ("example.test/~me/x", "v1.0.0-rc.1"),
        ] {
            assert_eq!(
                kind(&format!("{module}/@v/{at}.zip")),
                Some(ResourceKind::File(FileKind::Zip, version(module, at)))
            );
        }
        assert_eq!(
            kind("a.test/@v/v1.0.0-!r!c1.mod"),
            Some(ResourceKind::File(FileKind::Mod, version("a.test", "v1.0.0-RC1")))
        );
    }

    #[test]
    fn requests_with_changing_answers_are_queries() {
        for path in ["a.test/@v/list", "a.test/x/@latest", "a.test/@v/master.info", "a.test/@v/v1.2.info"] {
            assert_eq!(kind(path), Some(ResourceKind::Query), "{path}");
        }
        assert!(!ResourceKind::Query.is_immutable());
        assert_eq!(kind("a.test/@v/v1.0.0+meta.info"), Some(ResourceKind::Query));
    }

    #[test]
    fn paths_of_the_checksum_database_are_parsed() {
        let at = version("github.com/BurntSushi/toml", "v1.2.0");
        assert_eq!(kind("sumdb/sum.test/lookup/github.com/!burnt!sushi/toml@v1.2.0"), Some(ResourceKind::Lookup(at)));
        assert_eq!(kind("sumdb/sum.test/latest"), Some(ResourceKind::SumdbLatest));
        assert_eq!(kind("sumdb/sum.test/supported"), Some(ResourceKind::SumdbSupported));
        assert_eq!(kind("sumdb/sum.test/tile/8/0/x001/x234/067"), Some(ResourceKind::Tile(Some(8192))));
        assert_eq!(kind("sumdb/sum.test/tile/8/1/003.p/17"), Some(ResourceKind::Tile(Some(544))));
        assert_eq!(kind("sumdb/sum.test/tile/8/data/x001/067"), Some(ResourceKind::Tile(None)));
    }

    #[test]
    fn names_in_a_zip_stay_inside_its_module() {
        for name in ["", "go.mod", "a/", "a/b.c/.hidden", "Ünïcode/Ö.txt", "a b/..c", "x@v1/~"] {
            assert!(is_below(name.as_bytes()), "{name}");
        }
        for name in ["../x", "a/../../x", "a//b", "/x", "./x", "a/...", "a\\..\\b", "c:x", "a\0b"] {
            assert!(!is_below(name.as_bytes()), "{name}");
        }
        assert!(!is_below(b"a\xff"));
    }

    #[test]
    fn other_paths_are_refused() {
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
            assert_eq!(Resource::parse(path), None, "{path}");
        }
    }
}
