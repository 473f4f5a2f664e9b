//! Lists of words as cmd/go reads them from `GOFLAGS`, `CC` and values of flags (cmd/internal/quoted `Split`, Go 1.21-1.27).

/// The words of a text. One that begins with a quote ends at the next such quote; quotes further inside do not count. `None` for a
/// quote without an end.
pub(crate) fn split(mut text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let mut words = Vec::new();
    while let Some(start) = text.iter().position(|byte| !is_space(byte)) {
        text = &text[start..];
        let (word, rest) = match text[0] {
            quote @ (b'"' | b'\'') => {
                let end = text[1..].iter().position(|&byte| byte == quote)?;
                (&text[1..=end], &text[end + 2..])
            }
            _ => text.split_at(text.iter().position(is_space).unwrap_or(text.len())),
        };
        words.push(word.to_owned());
        text = rest;
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_go_does() {
        let of = |text: &str| {
            let words = split(text.as_bytes())?;
            Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>().join("|"))
        };
        for (text, words) in
            [("", ""), (" a\tb\n", "a|b"), ("'a b' \"c 'd\"", "a b|c 'd"), ("a'b c'", "a'b|c'"), ("'a'b ''", "a|b|")]
        {
            assert_eq!(of(text).as_deref(), Some(words), "{text}");
        }
        assert_eq!(of("a 'b"), None);
    }
}
