//! Man pages made of Markdown: of what docs/reference/settings.md and the pages in man/ have of it, and of no more: headings, paragraphs,
//! tables, indented code, `code`, `**bold**` and links.
//!
//! The rule to keep: each setting is described once. A page of settings takes its sections from the reference with an `include` line.

/// The reference of the settings.
const SETTINGS: &str = include_str!("../../../../docs/reference/settings.md");

/// How the line begins with which a page takes a section of it.
const INCLUDE: &str = "include docs/reference/settings.md, \"";

/// What a line is.
#[derive(PartialEq, Eq)]
enum Kind {
    Blank,
    Title,
    Heading,
    Table,
    Code,
    Text,
}

impl Kind {
    fn of(line: &str) -> Self {
        match line {
            "" => Self::Blank,
            line if line.starts_with("# ") => Self::Title,
            line if line.starts_with('#') => Self::Heading,
            line if line.starts_with('|') => Self::Table,
            line if line.starts_with("    ") => Self::Code,
            _ => Self::Text,
        }
    }
}

/// A whole page. Its first line has the name and the section: `# name(1)`.
pub(crate) fn page(markdown: &str, version: &str) -> String {
    let title = markdown.lines().next().unwrap_or_default().trim_start_matches("# ");
    let (name, section) = title.trim_end_matches(')').split_once('(').unwrap_or((title, "7"));
    format!(
        ".TH {} {section} \"\" \"nix-gocacheprog {version}\" nix-gocacheprog\n{}",
        escaped(name),
        sections(markdown)
    )
}

/// The sections of a page without its title.
pub(crate) fn sections(markdown: &str) -> String {
    let markdown = with_included(markdown);
    let lines: Vec<&str> = markdown.lines().collect();
    lines.chunk_by(|one, next| Kind::of(one) == Kind::of(next)).map(block).collect()
}

fn with_included(markdown: &str) -> String {
    let included = |line: &str| {
        let name = line.strip_prefix(INCLUDE).and_then(|rest| rest.strip_suffix('"'));
        name.map_or_else(|| format!("{line}\n"), |name| section(SETTINGS, name))
    };
    markdown.lines().map(included).collect()
}

/// What stands below a heading, up to the next one of its level.
fn section(markdown: &str, name: &str) -> String {
    let heading = format!("## {name}");
    let lines = markdown.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with("## ")).map(|line| format!("{line}\n")).collect()
}

/// Lines of one kind that follow each other.
fn block(lines: &[&str]) -> String {
    match Kind::of(lines[0]) {
        Kind::Blank | Kind::Title => String::new(),
        Kind::Heading => lines.iter().map(|line| heading(line)).collect(),
        Kind::Table => lines.iter().skip(2).map(|line| row(lines[0], line)).collect(),
        Kind::Code => {
            let code: String = lines.iter().map(|line| format!("{}\n", escaped(&line[4..]))).collect();
            format!(".PP\n.RS 4\n.nf\n{code}.fi\n.RE\n")
        }
        Kind::Text => format!(".PP\n{}\n", inline(&lines.join(" "))),
    }
}

fn heading(line: &str) -> String {
    let request = if line.starts_with("###") { ".SS" } else { ".SH" };
    format!("{request} {}\n", inline(line.trim_start_matches('#').trim()))
}

/// A row: its first cell, and indented below it the last one. Cells between these are named by their columns.
fn row(header: &str, line: &str) -> String {
    let (names, cells) = (cells(header), cells(line));
    let [first, between @ .., last] = &cells[..] else { return String::new() };
    let named = names.iter().skip(1).zip(between).filter(|(_, cell)| !cell.is_empty());
    let named: String = named.map(|(name, cell)| format!(" ({name}: {cell})")).collect();
    format!(".TP\n{}\n{}\n", inline(first), inline(&format!("{last}{named}")))
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// A text with `code`, `**bold**` and links, of which the text stays.
fn inline(text: &str) -> String {
    let text = without_links(text);
    let marked = text.split('`').enumerate().map(|(n, part)| if n % 2 == 1 { bold(part) } else { emphasised(part) });
    guarded(&marked.collect::<String>())
}

fn emphasised(text: &str) -> String {
    text.split("**").enumerate().map(|(n, part)| if n % 2 == 1 { bold(part) } else { signs(part) }).collect()
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", signs(text))
}

fn without_links(text: &str) -> String {
    let Some((before, after)) = text.split_once("](") else { return text.to_owned() };
    let (Some((before, name)), Some((_, after))) = (before.rsplit_once('['), after.split_once(')')) else {
        return text.to_owned();
    };
    format!("{before}{name}{}", without_links(after))
}

/// A text as it is.
fn escaped(text: &str) -> String {
    guarded(&signs(text))
}

/// A line that begins with a sign of a request is none.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

/// The signs that roff would show as others.
fn signs(text: &str) -> String {
    let sign = |sign| match sign {
        '\\' => "\\e".to_owned(),
        '-' => "\\-".to_owned(),
        '\'' => "\\(aq".to_owned(),
        '~' => "\\(ti".to_owned(),
        '^' => "\\(ha".to_owned(),
        '`' => "\\(ga".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_roff() {
        let markdown = "# a-b(5)\n\n## NAME\n\na-b - of **one**\n[two](x.md) `-c \"'\"`\n\n| key | default | meaning |\n|---|---|---|\n\
                        | `k` | `1` | see [it](y) |\n| `l` | | more |\n\n### S `x`\n\n    .code\n    ~\\\n";
        let expected = ".TH a\\-b 5 \"\" \"nix-gocacheprog 1.2\" nix-gocacheprog\n.SH NAME\n.PP\n\
                        a\\-b \\- of \\fBone\\fR two \\fB\\-c \"\\(aq\"\\fR\n.TP\n\\fBk\\fR\nsee it (default: \\fB1\\fR)\n\
                        .TP\n\\fBl\\fR\nmore\n.SS S \\fBx\\fR\n.PP\n.RS 4\n.nf\n\\&.code\n\\(ti\\e\n.fi\n.RE\n";
        assert_eq!(page(markdown, "1.2"), expected);
    }

    #[test]
    fn sections_of_the_reference_are_taken_whole() {
        let text = with_included(&format!("before\n{INCLUDE}The hook\"\nafter"));
        assert!(text.starts_with("before\n\nIn a file named") && text.ends_with("after\n"), "{text}");
        assert!(text.contains("mode = \"opt-in\"") && !text.contains("## "), "{text}");
    }
}
