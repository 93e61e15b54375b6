// SPDX-License-Identifier: GPL-2.0-only

//! The report in JSON.

use super::{Area, Entry, Report, Span, SEGMENTS};
use anyhow::{ensure, Context, Result};
use serde_json::Value;

fn number(value: &Value) -> Result<u64> {
    value
        .as_u64()
        .with_context(|| format!("{value} is not a number"))
}

fn text(value: &Value) -> Result<&str> {
    value
        .as_str()
        .with_context(|| format!("{value} is not a string"))
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("{value} is not a list"))
}

fn address(value: &Value) -> Result<u64> {
    let digits = text(value)?
        .strip_prefix("0x")
        .with_context(|| format!("{value} is not an address"))?;
    Ok(u64::from_str_radix(digits, 16)?)
}

fn span(value: &Value) -> Result<Span> {
    Ok(Span {
        start: address(&value["start"])?,
        end: address(&value["end"])?,
        size: number(&value["size"])?,
    })
}

/// Parses a report, which is a single line with a JSON object.
pub fn parse(json: &[u8]) -> Result<Report> {
    ensure!(
        json.iter().position(|&byte| byte == b'\n') == Some(json.len() - 1),
        "the report is not a single line"
    );
    let report: Value = serde_json::from_slice(json)
        .with_context(|| format!("the report is not valid JSON: {}", json.escape_ascii()))?;
    let areas = list(&report["areas"])?.iter().map(|area| {
        Ok(Area {
            span: span(area)?,
            permissions: text(&area["permissions"])?.to_owned(),
            offset: address(&area["offset"])?,
            name: text(&area["name"])?.as_bytes().to_owned(),
        })
    });
    let segments = SEGMENTS.map(|name| Ok((name.to_owned(), span(&report[name])?)));
    let usage = [
        ("rss", &report["rss"]["pages"]),
        ("anonymous", &report["rss"]["anonymous"]),
        ("file", &report["rss"]["file"]),
        ("shared memory", &report["rss"]["shared_memory"]),
        ("swap", &report["swap_pages"]),
        ("page tables", &report["page_table_bytes"]),
        ("total_vm", &report["total_vm_pages"]),
    ]
    .map(|(name, value)| Ok((name, number(value)?)));
    let top_level = &report["top_level"];
    ensure!(
        number(&top_level["entries"])? == 512,
        "the page table does not have 512 entries: {top_level}"
    );
    let entries = list(&top_level["used"])?.iter().map(|entry| {
        Ok(Entry {
            index: number(&entry["index"])? as usize,
            covers: (address(&entry["first"])?, address(&entry["last"])?),
            table: address(&entry["table"])?,
            flags: list(&entry["flags"])?
                .iter()
                .map(|flag| Ok(text(flag)?.to_owned()))
                .collect::<Result<_>>()?,
        })
    });
    Ok(Report {
        pid: i32::try_from(number(&report["pid"])?)?,
        name: text(&report["name"])?.as_bytes().to_owned(),
        areas: areas.collect::<Result<_>>()?,
        segments: segments.into_iter().collect::<Result<_>>()?,
        usage: usage.into_iter().collect::<Result<_>>()?,
        levels: number(&top_level["levels"])?,
        entries: entries.collect::<Result<_>>()?,
    })
}
