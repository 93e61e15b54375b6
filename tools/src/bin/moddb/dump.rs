// SPDX-License-Identifier: GPL-2.0-only

//! The subcommands `dump` and `restore`. The format of the file is in `tools::moddb`.

use anyhow::{bail, Context, Result};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use tools::moddb::spec::BATCH_MAX;
use tools::moddb::{read_dump, Client, DumpWriter, Entry};

/// Argument that means standard input or output.
const STANDARD: &str = "-";
/// Largest number of bytes of keys and values in one request, which must fit into the default send buffer.
const BATCH_BYTES: usize = 64 << 10;
/// Number of attempts to list a store that other processes change.
const ATTEMPTS: u32 = 10;

/// Writes all entries of the store to `file`, which is replaced in one step.
pub fn dump(client: &mut Client, file: &Path) -> Result<()> {
    let entries = entries(client)?;
    if file == Path::new(STANDARD) {
        return write(&entries, std::io::stdout().lock()).map(drop);
    }
    let shown = file.display();
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let new = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot create a temporary file beside {shown}"))?;
    let new = write(&entries, new).with_context(|| format!("cannot write {shown}"))?;
    new.as_file().sync_all()?;
    new.persist(file)
        .with_context(|| format!("cannot rename the dump to {shown}"))?;
    Ok(())
}

/// Sets all entries of `file`, in as few requests as they fit into. The entries of one request are set in one step.
pub fn restore(file: &Path, flush: bool) -> Result<()> {
    let shown = file.display();
    let entries = if file == Path::new(STANDARD) {
        read_dump(std::io::stdin().lock())?
    } else {
        let opened = File::open(file).with_context(|| format!("cannot open {shown}"))?;
        read_dump(BufReader::new(opened)).with_context(|| format!("cannot read {shown}"))?
    };
    let mut client = Client::connect()?;
    if flush {
        client.flush()?;
    }
    batches(&entries).try_for_each(|batch| client.set(batch))?;
    Ok(())
}

fn write<W: Write>(entries: &[Entry], to: W) -> Result<W> {
    let mut writer = DumpWriter::new(BufWriter::new(to))?;
    entries.iter().try_for_each(|entry| writer.add(entry))?;
    writer
        .finish()?
        .into_inner()
        .map_err(|error| error.into_error())
        .context("cannot write the end of the dump")
}

/// Returns all entries of the store, as they were at one moment.
fn entries(client: &mut Client) -> Result<Vec<Entry>> {
    for _ in 0..ATTEMPTS {
        let mut entries = Vec::new();
        let consistent = client.list(false, |entry| -> Result<()> {
            entries.push(entry);
            Ok(())
        })?;
        if consistent {
            return Ok(entries);
        }
    }
    bail!("the store was changed during each of {ATTEMPTS} attempts to list it: try again when fewer processes write")
}

/// Returns `entries` in slices that fit into one request.
fn batches(mut entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.size();
            bytes <= BATCH_BYTES
        };
        let count = entries
            .iter()
            .take(BATCH_MAX as usize)
            .take_while(fits)
            .count();
        let (batch, rest) = entries.split_at(count.max(1).min(entries.len()));
        entries = rest;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::{batches, Entry};

    fn sizes(lengths: &[usize]) -> Vec<usize> {
        let entries: Vec<_> = lengths
            .iter()
            .map(|&length| Entry::pair(*b"k", vec![0; length]))
            .collect();
        batches(&entries).map(<[Entry]>::len).collect()
    }

    #[test]
    fn batches_fit_into_requests() {
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[65_535, 65_535, 1]), [1, 1, 1]);
        assert_eq!(sizes(&[30_000, 30_000, 30_000]), [2, 1]);
        assert_eq!(sizes(&[0; 2000]), [1024, 976]);
    }
}
