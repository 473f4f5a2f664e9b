//! Numbers and texts of an index: little-endian, a text after its length of two bytes.

/// What is left to read. Each read is `None` where it is not there.
#[derive(Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.u16()?;
        str::from_utf8(self.bytes(length.into())?).ok()
    }

    /// As many as a count of four bytes says. A count beyond what is left fails before anything is kept for it.
    pub(crate) fn list<T>(&mut self, smallest: usize, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.u32()?).ok()?;
        if count > self.0.len() / smallest {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }
}

/// A text with its length.
pub(crate) fn put_text(text: &str, into: &mut Vec<u8>) {
    // Longer ones are refused before they get here.
    into.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    into.extend_from_slice(text.as_bytes());
}

/// A list with its length.
pub(crate) fn put_list<T>(list: &[T], into: &mut Vec<u8>, mut put: impl FnMut(&T, &mut Vec<u8>)) {
    into.extend_from_slice(&u32::try_from(list.len()).unwrap_or(u32::MAX).to_le_bytes());
    list.iter().for_each(|one| put(one, into));
}
