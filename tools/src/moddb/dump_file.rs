// SPDX-License-Identifier: GPL-2.0-only

//! The file that keeps a store: the line `moddb dump 1`, then for each entry
//!
//! | bytes | |
//! |---|---|
//! | 1 | length of the key, 1 to 255 |
//! | 2 | length of the value, the lower byte first |
//! | | the key |
//! | | the value |
//!
//! and at the end a byte 0 and the number of entries in 8 bytes, the lowest first.

use super::Entry;
use anyhow::{bail, ensure, Context, Result};
use std::io::{Read, Write};

const HEAD: &[u8] = b"moddb dump 1\n";

/// Writes such a file.
pub struct DumpWriter<W: Write> {
    to: W,
    entries: u64,
}

impl<W: Write> DumpWriter<W> {
    /// Begins it.
    pub fn new(mut to: W) -> Result<Self> {
        to.write_all(HEAD)?;
        Ok(Self { to, entries: 0 })
    }

    /// Adds an entry.
    pub fn add(&mut self, entry: &Entry) -> Result<()> {
        let value = entry.value.as_deref().unwrap_or_default();
        let key_length = u8::try_from(entry.key.len()).context("a key of more than 255 bytes")?;
        ensure!(key_length > 0, "a key of no bytes");
        let value_length =
            u16::try_from(value.len()).context("a value of more than 65,535 bytes")?;
        self.to.write_all(&[key_length])?;
        self.to.write_all(&value_length.to_le_bytes())?;
        self.to.write_all(&entry.key)?;
        self.to.write_all(value)?;
        self.entries += 1;
        Ok(())
    }

    /// Ends it; returns what it was written to.
    pub fn finish(mut self) -> Result<W> {
        self.to.write_all(&[0])?;
        self.to.write_all(&self.entries.to_le_bytes())?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// Reads such a file, which must be whole.
pub fn read(mut from: impl Read) -> Result<Vec<Entry>> {
    let head: [u8; HEAD.len()] = array(&mut from)?;
    ensure!(
        head == HEAD,
        "this is no dump of moddb's: it does not begin with \"moddb dump 1\""
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
    let said = u64::from_le_bytes(array(&mut from)?);
    ensure!(
        said == entries.len() as u64,
        "the dump is damaged: it has {} entries and says {said}",
        entries.len()
    );
    if from.read(&mut [0])? > 0 {
        bail!("the dump is damaged: it goes on after its end");
    }
    Ok(entries)
}

fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).context(CUT)?;
    Ok(bytes)
}

fn bytes(from: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).context(CUT)?;
    Ok(bytes)
}

const CUT: &str = "the dump is cut short";

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
    fn what_is_written_is_read() {
        assert_eq!(read(written().as_slice()).unwrap(), entries());
        let empty = DumpWriter::new(Vec::new()).unwrap().finish().unwrap();
        assert_eq!(read(empty.as_slice()).unwrap(), []);
    }

    #[test]
    fn damage_is_noticed() {
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
    fn what_cannot_be_kept_is_refused() {
        for (key, value) in [(0, 0), (256, 0), (1, 65_536)] {
            let mut writer = DumpWriter::new(Vec::new()).unwrap();
            assert!(writer
                .add(&Entry::pair(vec![1; key], vec![1; value]))
                .is_err());
        }
    }
}
