//! Tables: aligned columns on a terminal, tabs between the fields elsewhere. Pure.

use std::fmt::Write;

use super::style::{Style, Tone};

/// Rows of fields under a head. Columns of quantities are aligned to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row. Builds choose some of the text: control characters are replaced, so that none moves the cursor or ends a field.
    pub(crate) fn row(&mut self, fields: impl IntoIterator<Item = String>) {
        let harmless = |field: String| field.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        self.rows.push(fields.into_iter().map(harmless).collect());
    }

    pub(crate) fn text(&self, style: Style) -> String {
        let mut out = String::new();
        if !style.aligned {
            for row in std::iter::once(&self.head).chain(&self.rows) {
                out += &(row.join("\t") + "\n");
            }
            return out;
        }
        let width = |n: usize| {
            let fields = std::iter::once(&self.head).chain(&self.rows).filter_map(|row| row.get(n));
            fields.map(|field| field.chars().count()).max().unwrap_or(0)
        };
        let columns: Vec<_> = (0..self.head.len()).map(|n| (width(n), self.is_quantity(n))).collect();
        for (n, row) in std::iter::once(&self.head).chain(&self.rows).enumerate() {
            let mut line = String::new();
            for (field, (width, right)) in row.iter().zip(&columns) {
                // Writing to a String cannot fail.
                let _infallible =
                    if *right { write!(line, "  {field:>width$}") } else { write!(line, "  {field:<width$}") };
            }
            let line = line.trim_end();
            out += &if n == 0 { style.paint(Tone::Head, line) } else { line.to_owned() };
            out.push('\n');
        }
        out
    }

    /// The first column names the row and is no quantity, though some ids are all digits.
    fn is_quantity(&self, column: usize) -> bool {
        if column == 0 {
            return false;
        }
        let fields = || self.rows.iter().filter_map(|row| row.get(column)).filter(|field| !field.is_empty());
        fields().next().is_some()
            && fields().all(|field| field.starts_with(|c: char| c.is_ascii_digit()) && is_short(field))
    }
}

/// A number with a unit or two, not a name or a time of day.
fn is_short(field: &str) -> bool {
    field.len() <= 14 && !field.contains([':', '_']) && !field.contains('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_for_people_and_tabbed_for_programs() {
        let mut table = Table::new(&["name", "hits", "saved"]);
        table.row(["caddy-2.10".to_owned(), "9".to_owned(), "1 min 5 s".to_owned()]);
        table.row(["x".to_owned(), "10000".to_owned(), "3 s".to_owned()]);
        let people = Style { aligned: true, colours: false };
        assert_eq!(
            table.text(people),
            "  name         hits      saved\n  caddy-2.10      9  1 min 5 s\n  x           10000        3 s\n"
        );
        assert_eq!(table.text(Style::default()), "name\thits\tsaved\ncaddy-2.10\t9\t1 min 5 s\nx\t10000\t3 s\n");
        assert!(table.text(Style { colours: true, ..people }).starts_with("\x1b[1m  name"));
        table.row(["\x1b]0;gotcha\x07\n\t".to_owned(), String::new(), String::new()]);
        assert!(table.text(Style::default()).ends_with("?]0;gotcha???\t\t\n"));
    }
}
