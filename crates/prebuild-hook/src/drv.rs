//! Parses the parts of a derivation that decide whether it uses the cache. Pure.
//!
//! `Derive([outputs],[(input.drv,[outputs])…],[sources],system,builder,[args],[(key,value)…])`, with dynamic derivations
//! in an envelope `DrvWithVersion("…",…)` (nix/src/libstore/derivations.cc `unparse`, Nix 2.8-2.35).

/// Deepest nesting that is parsed: Nix writes at most five levels (dynamic outputs).
const MAX_DEPTH: u8 = 32;

/// The parts of a derivation that are used here.
#[derive(Debug, PartialEq, Eq)]
pub struct Derivation {
    /// Whether an output has a hash of its content, or is impure: then it has a network. (Of those that will have an address by their
    /// content the hash is empty.)
    pub has_network: bool,
    /// Path of its output "out"; empty where it has none, or none yet.
    pub out: String,
    /// Paths of the derivations it needs directly.
    pub input_derivations: Vec<String>,
    /// Paths of the sources it needs directly.
    pub input_sources: Vec<String>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
}

/// Parses a derivation; `None` where the text is none.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Derivation> {
    let mut parser = Parser { rest: bytes };
    let mut fields = if parser.take(b"Derive(") {
        parser.sequence(b')', 0)?
    } else if parser.take(b"DrvWithVersion(") {
        let mut fields = parser.sequence(b')', 0)?;
        (!fields.is_empty()).then(|| fields.remove(0))?; // the version
        fields
    } else {
        return None;
    }
    .into_iter();
    let mut list = || fields.next().and_then(Term::list);
    let (outputs, derivations, sources) = (list()?, list()?, list()?);
    // Name, path, method and algorithm, hash.
    let texts = |output: Term| output.list()?.into_iter().map(Term::text).collect::<Option<Vec<_>>>();
    let (mut has_network, mut out) = (false, String::new());
    for output in outputs {
        let [name, path, _, hash] = texts(output)?.try_into().ok()?;
        has_network |= !hash.is_empty();
        if name == "out" {
            out = path;
        }
    }
    // The first element of each pair is the path.
    let first = |term: Term| term.list().and_then(|pair| pair.into_iter().next()).and_then(Term::text);
    let input_derivations = derivations.into_iter().map(first).collect::<Option<_>>()?;
    let input_sources = sources.into_iter().map(Term::text).collect::<Option<_>>()?;
    let environment = fields.nth(3)?.list()?.into_iter().map(|pair| {
        let mut pair = pair.list()?.into_iter();
        Some((pair.next()?.text()?, pair.next()?.text()?))
    });
    Some(Derivation {
        has_network,
        out,
        input_derivations,
        input_sources,
        environment: environment.collect::<Option<_>>()?,
    })
}

enum Term {
    Text(String),
    List(Vec<Self>),
}

impl Term {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) => None,
        }
    }

    fn list(self) -> Option<Vec<Self>> {
        match self {
            Self::List(list) => Some(list),
            Self::Text(_) => None,
        }
    }
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn take(&mut self, text: &[u8]) -> bool {
        let found = self.rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Terms with commas between them, up to `end`.
    fn sequence(&mut self, end: u8, depth: u8) -> Option<Vec<Term>> {
        let mut terms = Vec::new();
        if self.take(&[end]) {
            return Some(terms);
        }
        loop {
            terms.push(self.term(depth + 1)?);
            match self.next()? {
                b',' => {}
                byte if byte == end => return Some(terms),
                _ => return None,
            }
        }
    }

    fn term(&mut self, depth: u8) -> Option<Term> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.next()? {
            b'"' => self.text().map(Term::Text),
            b'[' => self.sequence(b']', depth).map(Term::List),
            b'(' => self.sequence(b')', depth).map(Term::List),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Some(String::from_utf8_lossy(&text).into_owned()),
                b'\\' => text.push(match self.next()? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => other,
                }),
                byte => text.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derivation_is_parsed() {
        let text = br#"Derive([("out","/nix/store/o","","")],[("/nix/store/a.drv",["out","dev"]),("/nix/store/b.drv",["out"])],["/nix/store/s"],"x86_64-linux","/bin/sh",["-c","x"],[("k","a\"\n\\"),("name","n")])"#;
        let read = parse(text).unwrap();
        assert_eq!(read.input_derivations, ["/nix/store/a.drv", "/nix/store/b.drv"]);
        assert_eq!(
            (read.input_sources.as_slice(), read.out.as_str()),
            (["/nix/store/s".to_owned()].as_slice(), "/nix/store/o")
        );
        assert_eq!(read.environment, [("k".to_owned(), "a\"\n\\".to_owned()), ("name".to_owned(), "n".to_owned())]);
    }

    #[test]
    fn a_dynamic_derivation_is_parsed() {
        let text = br#"DrvWithVersion("xp-dyn-drv",[],[("/nix/store/a.drv",(["out"],[("out",(["x"],[]))]))],[],"s","b",[],[])"#;
        assert_eq!(parse(text).unwrap().input_derivations, ["/nix/store/a.drv"]);
    }

    #[test]
    fn a_truncated_derivation_and_other_files_are_not_parsed() {
        let text = br#"Derive([("out","/o","","")],[("/a.drv",["out"])],["/s"],"x","/bin/sh",["-c"],[("k","v")])"#;
        assert!(parse(text).is_some());
        for cut in 0..text.len() {
            assert_eq!(parse(&text[..cut]), None, "{cut}");
        }
        let deep = [b"Derive(".as_slice(), &[b'['; 1000]].concat();
        for other in [b"".as_slice(), b"Derive()", b"DrvWithVersion()", b"Derive(x)", b"\x7fELF", &deep] {
            assert_eq!(parse(other), None);
        }
    }
}
