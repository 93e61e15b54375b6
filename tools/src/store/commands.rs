// SPDX-License-Identifier: GPL-2.0-only

//! What each command does.

use crate::arguments::{bytes, Command, Wrong};
use crate::{dump, text};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::io::{Read, Write};
use tools::moddb::protocol::{KEY_MAX, VALUE_MAX};
use tools::moddb::{Client, Entry, Failure};

/// What stands for the standard input.
const STDIN: &str = "-";

/// Does it.
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
            expect(&mut entries, if_value, escapes)?;
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
            expect(&mut entries, if_value, escapes)?;
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
        return Err(Wrong::new(format!("a key has 1 to {most} bytes, not {}", key.len())).into());
    }
    Ok(Entry::key(key))
}

fn value(argument: OsString, escapes: bool) -> Result<Vec<u8>> {
    let value = if argument == STDIN {
        let mut value = Vec::new();
        // One byte more than fits tells that it does not.
        let limit = u64::from(VALUE_MAX) + 1;
        let read = std::io::stdin().take(limit).read_to_end(&mut value);
        read.context("cannot read the value from the standard input")?;
        value
    } else {
        bytes(argument, escapes)?
    };
    if value.len() > VALUE_MAX as usize {
        return Err(Wrong::new(format!("a value has up to {VALUE_MAX} bytes")).into());
    }
    Ok(value)
}

fn pairs_of(words: Vec<OsString>, escapes: bool) -> Result<Vec<Entry>> {
    if words.len() % 2 == 1 {
        return Err(Wrong::new("the last key has no value").into());
    }
    if words
        .iter()
        .skip(1)
        .step_by(2)
        .filter(|word| *word == STDIN)
        .count()
        > 1
    {
        return Err(Wrong::new("only one value can be read from the standard input").into());
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

/// Has the only one of `entries` ask for a value.
fn expect(entries: &mut [Entry], if_value: Option<OsString>, escapes: bool) -> Result<()> {
    let Some(wanted) = if_value else {
        return Ok(());
    };
    let [entry] = entries else {
        return Err(Wrong::new("--if-value is for one key").into());
    };
    entry.if_value = Some(value(wanted, escapes)?);
    Ok(())
}

fn get(mut wanted: Vec<Entry>, json: bool, raw: bool, force: bool) -> Result<()> {
    wanted.iter_mut().for_each(|entry| entry.optional = force);
    let alone = wanted.len() == 1;
    if raw && !alone {
        return Err(Wrong::new("--raw is for one key").into());
    }
    let found = Client::connect()?.get(&wanted)?;
    let mut out = std::io::stdout().lock();
    for entry in &found {
        match &entry.value {
            Some(value) if alone && !json => {
                out.write_all(value)?;
                if !raw {
                    out.write_all(b"\n")?;
                }
            }
            _ => writeln!(out, "{}", text::entry_line(entry, json))?,
        }
    }
    out.flush().context("cannot write the values")
}

fn list(keys_only: bool, json: bool) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let whole = Client::connect()?.list(keys_only, |entry| -> Result<()> {
        writeln!(out, "{}", text::entry_line(&entry, json)).context("cannot write the list")
    })?;
    out.flush().context("cannot write the list")?;
    if !whole {
        eprintln!("moddb: the store was changed meanwhile; keys that were changed may be missing or come twice");
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
            writeln!(out, "{}", text::change_line(change, json))?;
            left = left.map(|left| left - 1);
        }
        out.flush().context("cannot write the changes")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{expect, pairs_of, Entry, Wrong};

    fn pairs(words: &[&str]) -> anyhow::Result<Vec<Entry>> {
        pairs_of(words.iter().map(Into::into).collect(), false)
    }

    #[test]
    fn pairs_are_read() {
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
            assert!(pairs(wrong).is_err_and(|error| error.is::<Wrong>()));
        }
    }

    #[test]
    fn only_one_value_can_be_expected() {
        let mut one = pairs(&["a", "1"]).unwrap();
        expect(&mut one, Some("0".into()), false).unwrap();
        assert_eq!(one[0].if_value.as_deref(), Some(&b"0"[..]));
        let mut two = pairs(&["a", "1", "b", "2"]).unwrap();
        assert!(expect(&mut two, Some("0".into()), false).is_err());
    }
}
