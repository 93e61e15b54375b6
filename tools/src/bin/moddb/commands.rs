// SPDX-License-Identifier: GPL-2.0-only

//! Execution of the subcommands, except for dump and restore.

use crate::arguments::{bytes, Command, UsageError};
use crate::{dump, output};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::io::{Read, Write};
use tools::moddb::spec::{KEY_MAX, VALUE_MAX};
use tools::moddb::{Client, Entry, Failure};

/// Argument that means standard input.
const STDIN: &str = "-";

/// Runs a subcommand.
pub fn run(command: Command, json: bool, escapes: bool) -> Result<()> {
    let entries = |keys: Vec<OsString>| -> Result<Vec<Entry>> {
        keys.into_iter().map(|name| key(name, escapes)).collect()
    };
    match command {
        Command::Set {
            pairs,
            if_value,
            if_absent,
        } => {
            let mut entries = pairs_of(pairs, escapes)?;
            entries
                .iter_mut()
                .for_each(|entry| entry.if_absent = if_absent);
            add_condition(&mut entries, if_value, escapes)?;
            Client::connect()?.set(&entries)?;
        }
        Command::Get { keys, raw, force } => get(entries(keys)?, json, raw, force)?,
        Command::Del {
            keys,
            if_value,
            force,
        } => {
            let mut entries = entries(keys)?;
            entries.iter_mut().for_each(|entry| entry.optional = force);
            add_condition(&mut entries, if_value, escapes)?;
            Client::connect()?.del(&entries)?;
        }
        Command::List { keys } => list(keys, json)?,
        Command::Watch { count } => watch(count, json)?,
        Command::Dump { file } => dump::dump(&mut Client::connect()?, &file)?,
        Command::Restore { file, flush } => dump::restore(&file, flush)?,
        Command::Flush => Client::connect()?.flush()?,
        Command::Noop => Client::connect()?.noop()?,
    }
    Ok(())
}

fn key(name: OsString, escapes: bool) -> Result<Entry> {
    let key = bytes(name, escapes)?;
    let most = KEY_MAX as usize;
    if !(1..=most).contains(&key.len()) {
        return Err(UsageError::new(format!(
            "a key has 1 to {most} bytes, but this one has {}",
            key.len()
        ))
        .into());
    }
    Ok(Entry::key(key))
}

fn value(argument: OsString, escapes: bool) -> Result<Vec<u8>> {
    let value = if argument == STDIN {
        let mut value = Vec::new();
        // One byte more than allowed, to detect a value that is too long.
        let limit = u64::from(VALUE_MAX) + 1;
        let read = std::io::stdin().take(limit).read_to_end(&mut value);
        read.context("cannot read the value from standard input")?;
        value
    } else {
        bytes(argument, escapes)?
    };
    if value.len() > VALUE_MAX as usize {
        return Err(UsageError::new(format!(
            "a value has at most {VALUE_MAX} bytes, but this one is longer"
        ))
        .into());
    }
    Ok(value)
}

/// Returns the entries of words that are keys and values by turns.
fn pairs_of(words: Vec<OsString>, escapes: bool) -> Result<Vec<Entry>> {
    if words.len() % 2 == 1 {
        return Err(UsageError::new("the last key has no value").into());
    }
    if words
        .iter()
        .skip(1)
        .step_by(2)
        .filter(|word| *word == STDIN)
        .count()
        > 1
    {
        return Err(UsageError::new("only one value can be read from standard input").into());
    }
    let mut entries = Vec::new();
    let mut words = words.into_iter();
    while let (Some(name), Some(content)) = (words.next(), words.next()) {
        let mut entry = key(name, escapes)?;
        entry.value = Some(value(content, escapes)?);
        entries.push(entry);
    }
    Ok(entries)
}

/// Adds the condition of `--if-value` to the only entry.
fn add_condition(entries: &mut [Entry], if_value: Option<OsString>, escapes: bool) -> Result<()> {
    let Some(wanted) = if_value else {
        return Ok(());
    };
    let [entry] = entries else {
        return Err(UsageError::new("--if-value requires a single key").into());
    };
    entry.if_value = Some(value(wanted, escapes)?);
    Ok(())
}

fn get(mut wanted: Vec<Entry>, json: bool, raw: bool, force: bool) -> Result<()> {
    wanted.iter_mut().for_each(|entry| entry.optional = force);
    let is_single = wanted.len() == 1;
    if raw && !is_single {
        return Err(UsageError::new("--raw requires a single key").into());
    }
    let found = Client::connect()?.get(&wanted)?;
    let mut out = std::io::stdout().lock();
    for entry in &found {
        match &entry.value {
            Some(value) if is_single && !json => {
                out.write_all(value)?;
                if !raw {
                    out.write_all(b"\n")?;
                }
            }
            _ => writeln!(out, "{}", output::entry_line(entry, json))?,
        }
    }
    out.flush().context("cannot write the values")
}

fn list(keys_only: bool, json: bool) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let consistent = Client::connect()?.list(keys_only, |entry| -> Result<()> {
        writeln!(out, "{}", output::entry_line(&entry, json)).context("cannot write the list")
    })?;
    out.flush().context("cannot write the list")?;
    if !consistent {
        eprintln!("moddb: the store was changed during the listing; changed keys may be missing or listed twice");
    }
    Ok(())
}

fn watch(count: Option<u64>, json: bool) -> Result<()> {
    let mut watch = Client::connect()?.watch()?;
    let mut left = count;
    let mut out = std::io::stdout().lock();
    while left != Some(0) {
        let changes = match watch.next_changes() {
            Err(Failure::Overrun) => {
                eprintln!("moddb: {}", Failure::Overrun);
                continue;
            }
            changes => changes?,
        };
        for change in &changes {
            if left == Some(0) {
                break;
            }
            writeln!(out, "{}", output::change_line(change, json))?;
            left = left.map(|left| left - 1);
        }
        out.flush().context("cannot write the changes")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{add_condition, pairs_of, Entry, UsageError};

    fn pairs(words: &[&str]) -> anyhow::Result<Vec<Entry>> {
        pairs_of(words.iter().map(Into::into).collect(), false)
    }

    #[test]
    fn pairs_are_parsed() {
        let read = pairs(&["a", "1", "b", ""]).unwrap();
        assert_eq!(read, [Entry::pair(*b"a", *b"1"), Entry::pair(*b"b", *b"")]);
        let long = "x".repeat(256);
        let huge = "x".repeat(65_536);
        for wrong in [
            &["a"][..],
            &["", "1"],
            &[&long, "1"],
            &["a", &huge],
            &["a", "-", "b", "-"],
        ] {
            assert!(pairs(wrong).is_err_and(|error| error.is::<UsageError>()));
        }
    }

    #[test]
    fn the_condition_requires_a_single_key() {
        let mut one = pairs(&["a", "1"]).unwrap();
        add_condition(&mut one, Some("0".into()), false).unwrap();
        assert_eq!(one[0].if_value.as_deref(), Some(&b"0"[..]));
        let mut two = pairs(&["a", "1", "b", "2"]).unwrap();
        assert!(add_condition(&mut two, Some("0".into()), false).is_err());
    }
}
