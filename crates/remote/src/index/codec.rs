//! An index as bytes.

use std::collections::HashMap;

use proto::{ActionId, Condition, Output, OutputId, Scope, ScopeDigest};

use crate::content_hash::ContentHash;
use crate::fields::{Fields, put_list, put_text};
use crate::keys::{PublicKey, SIGNATURE, SecretKey, TrustedKeys};
use crate::limits;
use crate::series::Series;

use super::{Entry, File, Frame, Index, IndexError, Packed};

const MAGIC: &[u8; 8] = b"gcpidx1\n";

impl Index {
    /// The index as a file, signed. An entry whose output is not packed is left out.
    #[must_use]
    pub fn write(&self, key: &SecretKey) -> Vec<u8> {
        Self::signed(&self.unsigned(), key)
    }

    pub(crate) fn signed(bytes: &[u8], key: &SecretKey) -> Vec<u8> {
        let mut signed = bytes.to_vec();
        put_text(key.name(), &mut signed);
        signed.extend_from_slice(&key.sign(bytes));
        signed
    }

    fn unsigned(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        [&self.series.partition, &self.series.toolchain, &self.series.name]
            .iter()
            .for_each(|text| put_text(text, &mut bytes));
        bytes.extend_from_slice(&self.created.to_le_bytes());
        put_list(&self.files, &mut bytes, |file, bytes| {
            bytes.extend_from_slice(&file.hash.0);
            bytes.extend([file.size, file.created].iter().flat_map(|number| number.to_le_bytes()));
        });
        put_list(&self.frames, &mut bytes, |frame, bytes| {
            bytes.extend_from_slice(&frame.file.to_le_bytes());
            let numbers = [frame.offset, frame.length, frame.raw_length];
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            bytes.extend_from_slice(&frame.hash.0);
        });
        put_list(&self.outputs, &mut bytes, |packed, bytes| {
            bytes.extend_from_slice(&packed.id.0);
            let numbers = [packed.size, packed.frame, packed.offset];
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        });
        let entries = Numbered::of(self);
        put_list(&entries.conditions, &mut bytes, |condition, bytes| {
            put_text(condition.scope.as_str(), bytes);
            bytes.extend_from_slice(&condition.digest.0);
        });
        put_list(&entries.entries, &mut bytes, |(entry, output, condition), bytes| {
            bytes.extend_from_slice(&entry.action.0);
            bytes.extend_from_slice(&output.to_le_bytes());
            bytes.extend_from_slice(&condition.to_le_bytes());
            bytes.extend_from_slice(&entry.cost_ms.to_le_bytes());
            bytes.extend_from_slice(&entry.time.to_le_bytes());
        });
        bytes
    }

    /// Reads the index of these builds: first the signature, then the rest.
    ///
    /// # Errors
    /// An [`IndexError`] where it is not to be used.
    pub fn read<'a>(
        bytes: &[u8],
        series: &Series,
        trusted: &'a TrustedKeys,
    ) -> Result<(Self, &'a PublicKey), IndexError> {
        if bytes.len() > limits::INDEX {
            return Err(IndexError::TooLarge);
        }
        let (signed, name, signature) = split_signature(bytes, trusted).ok_or(IndexError::Format)?;
        let key = trusted.signer(name, signed, &signature).ok_or(IndexError::Untrusted)?;
        let index = Self::parse(&mut Fields(signed)).ok_or(IndexError::Format)?;
        if index.series == *series { Ok((index, key)) } else { Err(IndexError::OtherBuilds(index.series)) }
    }

    fn parse(fields: &mut Fields<'_>) -> Option<Self> {
        if fields.array::<8>()? != *MAGIC {
            return None;
        }
        let series = Series::new(fields.text()?, fields.text()?, fields.text()?).ok()?;
        let created = fields.u64()?;
        let files = fields.list(48, read_file)?;
        let frames = fields.list(46, |fields| read_frame(fields, &files))?;
        let outputs = fields.list(44, |fields| read_packed(fields, &frames))?;
        let conditions = fields.list(34, |fields| {
            let scope = Scope::new(fields.text()?).ok()?;
            Some(Condition { scope, digest: ScopeDigest(fields.array()?) })
        })?;
        let entries = fields.list(50, |fields| read_entry(fields, &outputs, &conditions))?;
        fields.0.is_empty().then_some(Self { series, created, files, frames, outputs, entries })
    }
}

/// The entries with the numbers of their outputs and conditions.
struct Numbered<'a> {
    conditions: Vec<&'a Condition>,
    entries: Vec<(&'a Entry, u32, u16)>,
}

impl<'a> Numbered<'a> {
    fn of(index: &'a Index) -> Self {
        let outputs: HashMap<_, _> = (0..).zip(&index.outputs).map(|(number, packed)| (packed.id, number)).collect();
        let (mut conditions, mut numbers) = (Vec::new(), HashMap::new());
        let mut entries = Vec::with_capacity(index.entries.len());
        for entry in &index.entries {
            let Some(output) = outputs.get(&entry.output.id) else { continue };
            let condition = entry.condition.as_ref().map_or(Some(0), |condition| {
                let next = u16::try_from(conditions.len() + 1);
                let number = *numbers.entry(condition).or_insert_with(|| {
                    conditions.push(condition);
                    next
                });
                number.ok()
            });
            entries.extend(condition.map(|condition| (entry, *output, condition)));
        }
        conditions.truncate(u16::MAX.into());
        Self { conditions, entries }
    }
}

/// The signed bytes, the key's name, and the signature. The name's length is not known from the end, so it is looked for among those of
/// the keys.
fn split_signature<'a, 'k>(bytes: &'a [u8], trusted: &'k TrustedKeys) -> Option<(&'a [u8], &'k str, [u8; SIGNATURE])> {
    let (rest, signature) = bytes.split_last_chunk::<SIGNATURE>()?;
    let ends_so = |name: &&'k str| {
        let mut end = Vec::new();
        put_text(name, &mut end);
        rest.ends_with(&end)
    };
    let name = trusted.iter().map(PublicKey::name).filter(ends_so).max_by_key(|name| name.len());
    let name = name.unwrap_or_default(); // no key: it is not trusted
    Some((rest.get(..rest.len().checked_sub(2 + name.len())?)?, name, *signature))
}

fn read_file(fields: &mut Fields<'_>) -> Option<File> {
    let file = File { hash: ContentHash(fields.array()?), size: fields.u64()?, created: fields.u64()? };
    (file.size <= limits::MOST_FILE).then_some(file)
}

fn read_frame(fields: &mut Fields<'_>, files: &[File]) -> Option<Frame> {
    let (file, offset, length, raw_length) = (fields.u16()?, fields.u32()?, fields.u32()?, fields.u32()?);
    let frame = Frame { file, offset, length, raw_length, hash: ContentHash(fields.array()?) };
    let is_in_file = u64::from(offset) + u64::from(length) <= files.get(usize::from(file))?.size;
    (is_in_file && u64::from(raw_length) <= limits::OUTPUT).then_some(frame)
}

fn read_packed(fields: &mut Fields<'_>, frames: &[Frame]) -> Option<Packed> {
    let (id, size) = (OutputId(fields.array()?), fields.u32()?);
    let packed = Packed { id, size, frame: fields.u32()?, offset: fields.u32()? };
    let raw_length = frames.get(usize::try_from(packed.frame).ok()?)?.raw_length;
    (u64::from(packed.offset) + u64::from(size) <= raw_length.into()).then_some(packed)
}

fn read_entry(fields: &mut Fields<'_>, outputs: &[Packed], conditions: &[Condition]) -> Option<Entry> {
    let (action, output, condition) = (ActionId(fields.array()?), fields.u32()?, fields.u16()?);
    let (cost_ms, time) = (fields.u32()?, fields.u64()?);
    let packed = outputs.get(usize::try_from(output).ok()?)?;
    let condition = match condition.checked_sub(1) {
        None => None,
        Some(number) => Some(conditions.get(usize::from(number))?.clone()),
    };
    Some(Entry { action, output: Output { id: packed.id, size: packed.size.into() }, condition, cost_ms, time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn index() -> Index {
        fixture::index("caddy", &[(b"one", None), (b"two", Some("std")), (b"three", Some("module m")), (b"", None)])
    }

    fn read(bytes: &[u8]) -> Result<Index, IndexError> {
        Index::read(bytes, &index().series, &fixture::trusted()).map(|(index, _)| index)
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let bytes = index().write(&fixture::key());
        let trusted = fixture::trusted();
        assert_eq!(Index::read(&bytes, &index().series, &trusted), Ok((index(), &fixture::key().public())));
    }

    #[test]
    fn a_changed_byte_a_cut_and_another_key_are_found() {
        let bytes = index().write(&fixture::key());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "{at}");
            assert!(read(&bytes[..at]).is_err(), "{at}");
        }
        assert_eq!(read(&index().write(&fixture::other_key())), Err(IndexError::Untrusted));
        assert_eq!(read(&vec![0; limits::INDEX + 1]), Err(IndexError::TooLarge));
        let no_keys = TrustedKeys::default();
        assert_eq!(Index::read(&bytes, &index().series, &no_keys).err(), Some(IndexError::Untrusted));
    }

    #[test]
    fn an_index_of_other_builds_is_not_taken() {
        let bytes = index().write(&fixture::key());
        let series = Series { partition: "user-1".to_owned(), ..index().series };
        assert_eq!(
            Index::read(&bytes, &series, &fixture::trusted()).err(),
            Some(IndexError::OtherBuilds(index().series))
        );
    }

    /// Also where the writer's key is trusted: what it signed is checked like any input.
    #[test]
    fn a_signed_index_whose_parts_do_not_fit_is_none() {
        let good = index();
        let with = |change: &dyn Fn(&mut Index)| {
            let mut index = good.clone();
            change(&mut index);
            read(&index.write(&fixture::key()))
        };
        assert!(with(&|_| {}).is_ok());
        let bad: [&dyn Fn(&mut Index); 7] = [
            &|index| index.files[0].size = limits::MOST_FILE + 1,
            &|index| index.files[0].size = 0,
            &|index| index.frames[0].file = 9,
            &|index| index.frames[0].raw_length = u32::MAX,
            &|index| index.outputs[0].frame = 9,
            &|index| index.outputs[0].offset = 1 << 30,
            &|index| index.series.partition = "../x".to_owned(),
        ];
        for (number, change) in bad.into_iter().enumerate() {
            assert_eq!(with(change), Err(IndexError::Format), "{number}");
        }
        let count = good.unsigned().len() - good.entries.len() * 50 - 4;
        let mut bytes = good.unsigned();
        bytes[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Index::parse(&mut Fields(&bytes)), None, "a count beyond what is there");
    }

    #[test]
    fn a_name_that_ends_like_another_is_not_taken_for_it() {
        let long = SecretKey::from_seed("a.example-1", &[3; 32]).unwrap();
        let short = SecretKey::from_seed("1", &[4; 32]).unwrap();
        let trusted = TrustedKeys::new(vec![short.public(), long.public()]);
        for key in [&long, &short] {
            let bytes = index().write(key);
            assert_eq!(Index::read(&bytes, &index().series, &trusted).unwrap().1, &key.public());
        }
    }
}
