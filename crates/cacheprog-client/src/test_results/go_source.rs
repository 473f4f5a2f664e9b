//! What one Go file shows of what its package can do: its imports, and names in it of functions whose use no test's log has.
//! Pure.

use memchr::memmem;

use super::variable_reads::{VariableReads, WantedVariables};

/// What was found in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GoSource {
    /// Import paths.
    pub(super) imports: Vec<String>,
    /// Whether it may run programs or open files past the test's log.
    pub(super) is_unlogged: bool,
    /// Whether it may run programs.
    pub(super) runs_programs: bool,
    /// How many directories a path in it goes up at most.
    pub(super) up: usize,
    /// Which of the wanted variables it, or what it runs, may read.
    pub(super) variables: VariableReads,
}

/// What is looked for besides.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Texts in a source that reaches files of the build's directory.
    pub(super) of_tree: Vec<Vec<u8>>,
    pub(super) variables: WantedVariables,
}

/// Packages that run programs, or open files without package os (which alone writes the log: internal/testlog, Go 1.21-1.27), with
/// those below them. `go/build` and `go/importer` run the go command.
const UNLOGGED: [&str; 13] = [
    "C",
    "github.com/ebitengine/purego",
    "github.com/rogpeppe/go-internal",
    "go/build",
    "go/importer",
    "go/parser",
    "golang.org/x/sys",
    "golang.org/x/tools/go",
    "net/http/cgi",
    "os/exec",
    "plugin",
    "runtime/cgo",
    "syscall",
];

/// Those of them that run programs which are named by the source.
const RUNNERS: [&str; 4] = ["github.com/rogpeppe/go-internal", "golang.org/x/sys", "os/exec", "syscall"];

/// Functions of package os that do so, or give a file a name that is gone when the test ends; and directives that reach functions of
/// other packages. Go sources, the repository, and files below a home directory may be read before the log begins.
const NAMES: [&str; 16] = [
    ".go\"",
    ".go`",
    ".git\"",
    ".git`",
    ".git/",
    "StartProcess",
    "Readlink",
    "EvalSymlinks",
    ".Symlink(",
    "os.Link(",
    "UserHomeDir",
    "UserConfigDir",
    "UserCacheDir",
    "user.Current(",
    "go:linkname",
    "go:cgo_",
];

/// The one of them that opens files and does no more.
const READS_FILES: &str = "go/parser";

/// Functions that list a directory: they may find sources without naming one. The log begins with `m.Run`, so what is done there counts,
/// and before it what these begin.
const LISTERS: [&str; 6] = ["DirFS(", "Glob(", "ReadDir", "Readdir", "Walk(", "WalkDir("];
const BEFORE_LOG: [&str; 2] = ["func TestMain(", "func init("];

/// Reads a file. Where it is not Go as far as the end of its imports, it may do anything.
pub(super) fn read(source: &[u8], wanted: &Wanted) -> GoSource {
    let imports = imports(source);
    let is_other = imports.is_none();
    let imports = imports.unwrap_or_default();
    let is_below =
        |path: &str, root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_of = |path: &str, roots: &[&str]| roots.iter().any(|root| is_below(path, root));
    let has = |text: &[u8]| memmem::find(source, text).is_some();
    let runs_programs =
        is_other || imports.iter().any(|path| is_of(path, &RUNNERS)) || has(b"StartProcess") || has(b"go:linkname");
    let is_unlogged = is_other
        || imports.iter().any(|path| is_of(path, &UNLOGGED))
        || NAMES.iter().any(|name| has(name.as_bytes()))
        || [&LISTERS[..], &BEFORE_LOG].iter().all(|names| names.iter().any(|name| has(name.as_bytes())))
        || wanted.of_tree.iter().any(|text| has(text));
    let mut variables = VariableReads::of(source, &wanted.variables);
    let is_foreign = |path: &String| is_of(path, &UNLOGGED) && !is_of(path, &[READS_FILES]);
    variables.by_programs = runs_programs || imports.iter().any(is_foreign) || has(b"go:cgo_");
    GoSource { imports, is_unlogged, runs_programs, up: most_up(source), variables }
}

/// How often a line goes up: `"../../x"` and `filepath.Join("..", "..", "x")` do so twice.
fn most_up(source: &[u8]) -> usize {
    let ups = |line: &[u8]| {
        let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| b"\"`/".contains(byte));
        memmem::find_iter(line, b"..")
            .filter(|&at| is_end(at.checked_sub(1).map(|before| &line[before])) && is_end(line.get(at + 2)))
            .count()
    };
    source.split(|&byte| byte == b'\n').map(ups).max().unwrap_or(0)
}

/// The import paths of a file. `None` where it is not Go as far as that.
fn imports(source: &[u8]) -> Option<Vec<String>> {
    let mut tokens = Tokens(source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source));
    let mut found = Vec::new();
    if tokens.next()? != Token::Word(b"package") || !matches!(tokens.next()?, Token::Word(_)) {
        return None;
    }
    while let Some(token) = tokens.next_but_semicolon() {
        if token != Token::Word(b"import") {
            break;
        }
        let first = tokens.next()?;
        if first != Token::Other(b'(') {
            found.push(tokens.import(first)?);
            continue;
        }
        loop {
            match tokens.next_but_semicolon()? {
                Token::Other(b')') => break,
                token => found.push(tokens.import(token)?),
            }
        }
    }
    Some(found)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a [u8]),
    Text(&'a [u8]),
    Other(u8),
}

struct Tokens<'a>(&'a [u8]);

impl<'a> Tokens<'a> {
    /// The path of an import that begins with this token: a name or a dot, and a text.
    fn import(&mut self, first: Token<'a>) -> Option<String> {
        let path = match first {
            Token::Text(path) => path,
            Token::Word(_) | Token::Other(b'.') => match self.next()? {
                Token::Text(path) => path,
                _ => return None,
            },
            Token::Other(_) => return None,
        };
        // Go reads escapes in a path (`"os\x2fexec"`), and no usual one has any.
        if path.contains(&b'\\') { None } else { String::from_utf8(path.to_owned()).ok() }
    }

    fn next_but_semicolon(&mut self) -> Option<Token<'a>> {
        loop {
            match self.next()? {
                Token::Other(b';') => {}
                token => return Some(token),
            }
        }
    }

    fn skip_blanks(&mut self) -> Option<()> {
        loop {
            self.0 = self.0.trim_ascii_start();
            if self.0.starts_with(b"//") {
                let end = memchr::memchr(b'\n', self.0).unwrap_or(self.0.len());
                self.0 = &self.0[end..];
            } else if self.0.starts_with(b"/*") {
                let end = memmem::find(&self.0[2..], b"*/")?;
                self.0 = &self.0[end + 4..];
            } else {
                return Some(());
            }
        }
    }

    /// `None` at the end of the file, or of what can be read.
    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks()?;
        let (&first, rest) = self.0.split_first()?;
        let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        if matches!(first, b'"' | b'`') {
            let end = memchr::memchr(first, rest)?;
            self.0 = &rest[end + 1..];
            return Some(Token::Text(&rest[..end]));
        }
        let length = self.0.iter().position(|byte| !is_of_word(byte)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(length.max(1));
        self.0 = rest;
        Some(if length > 0 { Token::Word(word) } else { Token::Other(first) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports_of(source: &str) -> Option<String> {
        Some(imports(source.as_bytes())?.join(" "))
    }

    #[test]
    fn imports_are_read_in_all_their_forms() {
        for (source, expected) in [
            ("package m\n", ""),
            ("// c\n/* import \"x\" */ package m; import \"a\"; import b \"c/d\"\nimport `e`\nfunc f() { }", "a c/d e"),
            ("package m\nimport (\n\t. \"a\" // one\n\t_ \"b\"; c \"d\"\n\n)\nimport ()\nvar x = \"import\"", "a b d"),
            ("\u{feff}package m\nimport/**/\"a\"\ntype T struct{}", "a"),
            ("package é\nimport é \"a\"\nconst c = `", "a"),
        ] {
            assert_eq!(imports_of(source).as_deref(), Some(expected), "{source}");
        }
        for other in [
            "",
            "import \"a\"",
            "package \"m\"",
            "package m\nimport",
            "package m\nimport (\"a\"",
            "package m\nimport (1)",
            "package m /*",
            "package m\nimport \"a",
            "package m\nimport \"os\\x2fexec\"\n",
        ] {
            assert!(imports_of(other).is_none() || other == "package m /*", "{other}");
        }
    }

    #[test]
    fn what_no_log_has_is_found() {
        let is_unlogged = |source: &str| read(source.as_bytes(), &Wanted::default()).is_unlogged;
        for path in [
            "os/exec",
            "syscall",
            "C",
            "golang.org/x/sys/unix",
            "plugin",
            "golang.org/x/tools/go/packages",
            "go/build/constraint",
        ] {
            assert!(is_unlogged(&format!("package m\nimport x \"{path}\"\n")), "{path}");
        }
        for path in
            ["os", "fmt", "golang.org/x/system", "example.org/syscall", "path/filepath", "golang.org/x/tools/txtar"]
        {
            assert!(!is_unlogged(&format!("package m\nimport \"{path}\"\n")), "{path}");
        }
        for text in [
            "func f() { os.StartProcess(x) }",
            "//go:linkname open syscall.Open",
            "var r = os.Readlink",
            "func f() { os.Symlink(x, y) }",
            "var _ = os.Link(x, y)",
        ] {
            assert!(is_unlogged(&format!("package m\n{text}\n")), "{text}");
        }
        assert!(is_unlogged("no Go"));
    }

    #[test]
    fn what_may_be_read_before_the_log_begins_is_found() {
        let wanted = Wanted { of_tree: vec![b"\"HOME\"".to_vec()], ..Wanted::default() };
        let of = |text: &str| read(format!("package m\n{text}\n").as_bytes(), &wanted);
        assert!(of("var h = os.Getenv(\"HOME\")").is_unlogged && !of("var h = HOME").is_unlogged);
        for (text, up) in [
            ("x(\"../../y\", \"../z\")\ny(\"../a\")", 3),
            ("filepath.Join(\"..\", `..`, \"x\")", 2),
            ("f(a...) // etc.. 1..2", 0),
        ] {
            assert_eq!(of(text).up, up, "{text}");
        }
        let lists = "func list() { filepath.WalkDir(x, f) }";
        assert!(of(&format!("{lists}\nfunc init() {{ list() }}")).is_unlogged && !of(lists).is_unlogged);
        assert!(of("os.Open(\".git/HEAD\")").is_unlogged && !of("x(\"github.com/a\")").is_unlogged);
        let has_programs = |text: &str| of(text).variables.by_programs;
        assert!(has_programs("import \"os/exec\"\n") && !has_programs("import \"go/parser\"\n"));
        let other = of("import \"os\\x2fexec\"\n");
        assert!(other.is_unlogged && other.runs_programs && other.variables.by_programs);
    }
}
