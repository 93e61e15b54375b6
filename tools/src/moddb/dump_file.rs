// SPDX-License-Identifier: GPL-2.0-only

//! The format of a dump file: the line `moddb dump 1`, then for each entry
//!
//! | bytes | contents |
//! |---|---|
//! | 1 | length of the key, 1 to 255 |
//! | 2 | length of the value, little-endian |
//! | length of the key | key |
//! | length of the value | value |
//!
//! and at the end a byte 0 and the number of entries in 8 bytes, little-endian.

use super::entry::Entry;
use anyhow::{bail, ensure, Context, Result};
use std::io::{Read, Write};

/// First line of the file.
const HEAD: &[u8] = b"moddb dump 1\n";

/// A writer of dump files. A file is complete only after [`DumpWriter::finish`].
pub struct DumpWriter<W: Write> {
    to: W,
    entries: u64,
}

impl<W: Write> DumpWriter<W> {
    /// Writes the head of a dump file to `to`.
    pub fn new(mut to: W) -> Result<Self> {
        to.write_all(HEAD)?;
        Ok(Self { to, entries: 0 })
    }

    /// Writes an entry. Fails if its key or value has a length that the format cannot express.
    pub fn add(&mut self, entry: &Entry) -> Result<()> {
        let value = entry.value.as_deref().unwrap_or_default();
        let key_length = u8::try_from(entry.key.len()).context("a key is longer than 255 bytes")?;
        ensure!(key_length > 0, "a key is empty");
        let value_length =
            u16::try_from(value.len()).context("a value is longer than 65535 bytes")?;
        self.to.write_all(&[key_length])?;
        self.to.write_all(&value_length.to_le_bytes())?;
        self.to.write_all(&entry.key)?;
        self.to.write_all(value)?;
        self.entries += 1;
        Ok(())
    }

    /// Writes the end of the file, and returns the underlying writer.
    pub fn finish(mut self) -> Result<W> {
        self.to.write_all(&[0])?;
        self.to.write_all(&self.entries.to_le_bytes())?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// Reads a dump file. Fails unless the file is complete and ends after its end mark.
pub fn read(mut from: impl Read) -> Result<Vec<Entry>> {
    let head: [u8; HEAD.len()] = array(&mut from)?;
    ensure!(
        head == HEAD,
        "not a dump of moddb: the first line is not \"moddb dump 1\""
    );
    let mut entries = Vec::new();
    loop {
        let [key_length] = array(&mut from)?;
        if key_length == 0 {
            break;
        }
        let value_length = u16::from_le_bytes(array(&mut from)?);
        let key = bytes(&mut from, key_length.into())?;
        let value = bytes(&mut from, value_length.into())?;
        entries.push(Entry::pair(key, value));
    }
    let declared = u64::from_le_bytes(array(&mut from)?);
    ensure!(
        declared == entries.len() as u64,
        "the dump is damaged: it has {} entries but declares {declared}",
        entries.len()
    );
    if from.read(&mut [0])? > 0 {
        bail!("the dump is damaged: trailing bytes after the end of the dump");
    }
    Ok(entries)
}

fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).context(TRUNCATED)?;
    Ok(bytes)
}

fn bytes(from: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).context(TRUNCATED)?;
    Ok(bytes)
}

const TRUNCATED: &str = "the dump is damaged: the file ends before the end of the dump";

#[cfg(test)]
mod tests {
    use super::{read, DumpWriter, Entry};

    fn entries() -> Vec<Entry> {
        vec![
            Entry::pair(*b"a", *b""),
            Entry::pair([0, 0xff, b'\n'], [0; 65_535]),
            Entry::pair([1; 255], *b"moddb dump 1\n"),
        ]
    }

    fn written() -> Vec<u8> {
        let mut writer = DumpWriter::new(Vec::new()).unwrap();
        entries()
            .iter()
            .for_each(|entry| writer.add(entry).unwrap());
        writer.finish().unwrap()
    }

    #[test]
    fn written_entries_are_read_back() {
        assert_eq!(read(written().as_slice()).unwrap(), entries());
        let empty = DumpWriter::new(Vec::new()).unwrap().finish().unwrap();
        assert_eq!(read(empty.as_slice()).unwrap(), []);
    }

    #[test]
    fn damage_is_detected() {
        let whole = written();
        for length in [
            0,
            1,
            12,
            13,
            14,
            17,
            18,
            100,
            whole.len() - 9,
            whole.len() - 1,
        ] {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(read(longer.as_slice()).is_err());
        let mut miscounted = whole.clone();
        *miscounted.last_mut().unwrap() = 1;
        assert!(read(miscounted.as_slice()).is_err());
        assert!(read(&whole[1..]).is_err());
    }

    #[test]
    fn lengths_beyond_the_format_are_refused() {
        for (key, value) in [(0, 0), (256, 0), (1, 65_536)] {
            let mut writer = DumpWriter::new(Vec::new()).unwrap();
            assert!(writer
                .add(&Entry::pair(vec![1; key], vec![1; value]))
                .is_err());
        }
    }
}
