//! Patterns of derivation names, as in a shell: `*` matches any text, all other characters match themselves. Pure.

/// Whether `pattern` matches the whole of `name`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(name) = name.strip_prefix(begin).and_then(|name| name.strip_suffix(end)) else { return false };
    // Between the ends, the first match of each piece leaves the most text for the pieces after it.
    let mut left = name;
    middle.split('*').all(|piece| match left.split_once(piece) {
        Some((_, after)) => {
            left = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_text() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "caddy-2.10", true),
            ("caddy", "caddy", true),
            ("caddy", "caddy-2", false),
            ("caddy-*", "caddy-2.10", true),
            ("caddy-*", "xcaddy-2", false),
            ("*-go-modules", "caddy-2.10-go-modules", true),
            ("*caddy*", "xcaddyx", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "acb", false),
            ("aa*aa", "aaa", false),
            ("a*bb*b", "abb", false),
            ("a**b", "ab", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
