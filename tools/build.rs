// SPDX-License-Identifier: GPL-2.0-only

//! Makes Rust constants of moddb's netlink specification, with the names that the kernel's generator gives them in C,
//! without the prefix of the family.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_norway::Value;

const SPECIFICATION: &str = "../src/moddb/moddb.yaml";

fn main() {
    println!("cargo::rerun-if-changed={SPECIFICATION}");
    let text =
        std::fs::read_to_string(SPECIFICATION).expect("the specification is in the repository");
    let spec: Value = serde_norway::from_str(&text).expect("the specification is YAML");
    let mut constants = Vec::new();
    for definition in list(&spec, "definitions") {
        let name = c_name(&definition["name"]);
        match definition["type"].as_str() {
            Some("const") => {
                let value = definition["value"]
                    .as_u64()
                    .expect("a constant is a number");
                constants.push((name, value));
            }
            _ => {
                let first = definition["value-start"].as_u64().unwrap_or(0);
                constants.extend(numbered(&name, list(definition, "entries"), first));
            }
        }
    }
    for set in list(&spec, "attribute-sets") {
        let prefix = format!("A_{}", c_name(&set["name"]));
        constants.extend(numbered(&prefix, list(set, "attributes"), 1));
    }
    constants.extend(numbered("CMD", list(&spec["operations"], "list"), 1));

    let mut code = String::new();
    let family = spec["name"].as_str().expect("the family has a name");
    writeln!(
        code,
        "/// Name of the generic netlink family.\npub const FAMILY_NAME: &str = {family:?};"
    )
    .unwrap();
    for group in list(&spec["mcast-groups"], "list") {
        let name = group["name"].as_str().expect("a group has a name");
        let c_name = c_name(&group["name"]);
        writeln!(
            code,
            "/// Name of a multicast group.\npub const MCGRP_{c_name}: &str = {name:?};"
        )
        .unwrap();
    }
    for (name, value) in &constants {
        writeln!(
            code,
            "/// Constant of the specification `moddb.yaml`.\npub const {name}: u32 = {value};"
        )
        .unwrap();
    }
    writeln!(code, "/// All numeric constants with their names.").unwrap();
    writeln!(code, "pub const NUMBERS: &[(&str, u32)] = &{constants:?};").unwrap();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    std::fs::write(out.join(Path::new("moddb.rs")), code).expect("OUT_DIR is writable");
}

/// Returns the list under `key`, or an empty one.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_sequence().map_or(&[], Vec::as_slice)
}

/// Returns the names and numbers of `entries`. An entry without a number has the number after the one before it; the
/// first such number is `first`.
fn numbered(prefix: &str, entries: &[Value], first: u64) -> Vec<(String, u64)> {
    let mut next = first;
    let number = |entry: &Value| {
        let value = entry["value"].as_u64().unwrap_or(next);
        next = value + 1;
        (format!("{prefix}_{}", c_name(&entry["name"])), value)
    };
    entries.iter().map(number).collect()
}

/// Returns a name of the specification in the form of a C constant.
fn c_name(name: &Value) -> String {
    let name = name.as_str().expect("a name is text");
    name.to_uppercase().replace('-', "_")
}
