//! The XML that S3 engines send: elements, text, references to characters. Attributes and comments are skipped; declarations of
//! types, sections and anything else are refused, so that a document means no more than it says. Pure.

use crate::limits::MAX_XML_DEPTH;

/// Why a text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the XML of an S3 engine")]
pub(crate) struct XmlError;

/// Calls a function at the end of each element, with the names from the root to it, and the text that stands in it itself.
pub(crate) fn read(text: &str, mut element: impl FnMut(&[&str], &str)) -> Result<(), XmlError> {
    let mut open: Vec<(&str, String)> = Vec::new();
    let mut rest = text;
    let mut has_root = false;
    while let Some(at) = rest.find('<') {
        add_text(&mut open, &rest[..at])?;
        let (tag, after) = tag(&rest[at..])?;
        rest = after;
        match tag {
            Tag::Skipped => {}
            Tag::Begin(name) | Tag::Empty(name) => {
                if open.len() >= MAX_XML_DEPTH || (open.is_empty() && has_root) {
                    return Err(XmlError);
                }
                has_root = true;
                open.push((name, String::new()));
                if matches!(tag, Tag::Empty(_)) {
                    close(&mut open, name, &mut element)?;
                }
            }
            Tag::End(name) => close(&mut open, name, &mut element)?,
        }
    }
    add_text(&mut open, rest)?;
    if open.is_empty() && has_root { Ok(()) } else { Err(XmlError) }
}

/// What stands between `<` and `>`.
#[derive(Clone, Copy)]
enum Tag<'a> {
    Begin(&'a str),
    End(&'a str),
    Empty(&'a str),
    /// A comment, or the line `<?xml …?>`.
    Skipped,
}

/// The tag at the beginning of a text, and what follows it.
fn tag(text: &str) -> Result<(Tag<'_>, &str), XmlError> {
    let until = |text: &'_ str, end: &str| text.find(end).ok_or(XmlError);
    if let Some(comment) = text.strip_prefix("<!--") {
        return Ok((Tag::Skipped, &comment[until(comment, "-->")? + 3..]));
    }
    if let Some(line) = text.strip_prefix("<?") {
        return Ok((Tag::Skipped, &line[until(line, "?>")? + 2..]));
    }
    let end = end_of_tag(text)?;
    let (inside, rest) = (&text[1..end], &text[end + 1..]);
    let tag = if let Some(name) = inside.strip_prefix('/') {
        Tag::End(name.trim_end())
    } else if let Some(inside) = inside.strip_suffix('/') {
        Tag::Empty(name(inside))
    } else {
        Tag::Begin(name(inside))
    };
    let (Tag::Begin(name) | Tag::End(name) | Tag::Empty(name)) = tag else { return Err(XmlError) };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_-.".contains(&byte));
    if is_name { Ok((tag, rest)) } else { Err(XmlError) }
}

/// The name in a tag with attributes.
fn name(inside: &str) -> &str {
    inside.split([' ', '\t', '\r', '\n']).next().unwrap_or_default()
}

/// Where the `>` of a tag is: one in quotes does not count.
fn end_of_tag(text: &str) -> Result<usize, XmlError> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (None, b'>') => return Ok(at),
            (None, b'<') => return Err(XmlError),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    Err(XmlError)
}

fn close(open: &mut Vec<(&str, String)>, name: &str, element: &mut impl FnMut(&[&str], &str)) -> Result<(), XmlError> {
    let names: Vec<_> = open.iter().map(|(name, _)| *name).collect();
    let (last, text) = open.pop().ok_or(XmlError)?;
    if last != name {
        return Err(XmlError);
    }
    element(&names, &text);
    Ok(())
}

/// Adds text to the innermost element; outside of the root there is only white space.
fn add_text(open: &mut [(&str, String)], text: &str) -> Result<(), XmlError> {
    let Some((_, found)) = open.last_mut() else {
        let is_blank = text.trim_start_matches('\u{feff}').trim().is_empty();
        return if is_blank { Ok(()) } else { Err(XmlError) };
    };
    let mut parts = text.split('&');
    found.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (reference, rest) = part.split_once(';').ok_or(XmlError)?;
        found.push(character(reference)?);
        found.push_str(rest);
    }
    Ok(())
}

fn character(reference: &str) -> Result<char, XmlError> {
    let number = |text: &str, radix| u32::from_str_radix(text, radix).ok().and_then(char::from_u32);
    match reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match reference.strip_prefix('#') {
            Some(hex) if hex.starts_with(['x', 'X']) => number(&hex[1..], 16),
            Some(decimal) => number(decimal, 10),
            None => None,
        },
    }
    .ok_or(XmlError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Result<Vec<String>, XmlError> {
        let mut found = Vec::new();
        read(text, |names, text| found.push(format!("{}={}", names.join("/"), text.trim())))?;
        Ok(found)
    }

    #[test]
    fn elements_are_told_with_their_text() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<a xmlns='x>y'><!-- <b> --><b>1 &lt; &#50; &amp; &#x33;</b ><c/>\n<d e=\"1\" /></a>\n";
        assert_eq!(elements(text).unwrap(), ["a/b=1 < 2 & 3", "a/c=", "a/d=", "a="]);
    }

    #[test]
    fn other_texts_are_refused() {
        let deep = "<a>".repeat(MAX_XML_DEPTH + 1) + &"</a>".repeat(MAX_XML_DEPTH + 1);
        for bad in [
            "",
            "x",
            "<a>",
            "</a>",
            "<a></b>",
            "<a></a><a></a>",
            "<a></a>x",
            "<a>&b;</a>",
            "<a>&</a>",
            "<a>&#xd800;</a>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
            "<a><![CDATA[x]]></a>",
            "<a b='</a>",
            "<>",
            "< a></a>",
            "<!--",
            "<?",
            deep.as_str(),
        ] {
            assert_eq!(elements(bad), Err(XmlError), "{bad}");
        }
    }
}
