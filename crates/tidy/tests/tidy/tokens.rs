//! Rust text as tokens: names, `::`, single signs, strings and characters. Comments are gone, and with `without_tests` what is
//! compiled for tests only. It is enough to find modules, paths and texts, and is no parser.

/// The tokens of a text. A string or a character is one token, from its first quote on.
pub(crate) fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = name(rest);
        if let Some(length) = comment(rest) {
            rest = &rest[length..];
        } else if let Some(length) = string(rest).or_else(|| character(rest)) {
            let quote = rest.find(['"', '\'']).unwrap_or(0);
            found.push(&rest[quote..length]);
            rest = &rest[length..];
        } else {
            let length = if end > 0 {
                end
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                found.push(&rest[..length]);
            }
            rest = &rest[length..];
        }
    }
    found
}

/// The tokens without the items behind `#[cfg(test)]`; none of a file that is for tests as a whole.
pub(crate) fn without_tests(tokens: &[&str]) -> Vec<String> {
    const FOR_TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&["#", "!", "[", "cfg", "(", "test"]) {
            return Vec::new();
        }
        if tokens[at..].starts_with(&FOR_TESTS) {
            at += FOR_TESTS.len();
            at += item(&tokens[at..]);
        } else {
            kept.push(tokens[at].to_owned());
            at += 1;
        }
    }
    kept
}

/// How many tokens an item has: to a `;` outside of all brackets, or to the `}` that closes its first `{`.
fn item(tokens: &[&str]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(*token, ";" | "}") {
            return at + 1;
        }
    }
    tokens.len()
}

pub(crate) fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The length of the name or number that the text begins with.
fn name(rest: &str) -> usize {
    rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len())
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    rest.starts_with("/*").then(|| rest.find("*/").map_or(rest.len(), |at| at + 2))
}

fn string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('b').unwrap_or(rest);
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let text = raw[hashes..].strip_prefix('"')?;
        let end = "\"".to_owned() + &"#".repeat(hashes);
        return Some(rest.len() - text.len() + text.find(&end)? + end.len());
    }
    let text = body.strip_prefix('"')?;
    let mut is_escaped = false;
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(rest.len() - text.len() + at + 1),
            _ => {}
        }
    }
    None
}

/// A character; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('\'')?;
    let before = rest.len() - body.len();
    if let Some(escaped) = body.strip_prefix('\\') {
        let (at, _) = escaped.char_indices().skip(1).find(|(_, sign)| *sign == '\'')?;
        return Some(before + at + 2);
    }
    let length = body.chars().next()?.len_utf8();
    body[length..].starts_with('\'').then_some(before + length + 1)
}

#[test]
fn comments_and_tests_are_gone() {
    let text = "use a::b; // c\nfn d<'e>() { \"f\\\"g\"; r#\"h\"i\"#; '\\''; b'k' }\n#[cfg(test)]\nmod l { fn m() {} }\nfn n() {}";
    let kept = without_tests(&tokens(text)).join(" ");
    let expected = "use a :: b ; fn d < ' e > ( ) { \"f\\\"g\" ; \"h\"i\"# ; '\\'' ; 'k' } fn n ( ) { }";
    assert_eq!(kept, expected);
}
