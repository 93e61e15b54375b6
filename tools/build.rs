// SPDX-License-Identifier: GPL-2.0-only

//! Makes Rust constants of moddb's netlink specification, by the kernel's naming rules for them.

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
        "/// The name of the family.\npub const FAMILY_NAME: &str = {family:?};"
    )
    .unwrap();
    for group in list(&spec["mcast-groups"], "list") {
        let name = group["name"].as_str().expect("a group has a name");
        let shout = c_name(&group["name"]);
        writeln!(
            code,
            "/// The name of a multicast group.\npub const MCGRP_{shout}: &str = {name:?};"
        )
        .unwrap();
    }
    for (name, value) in &constants {
        writeln!(
            code,
            "/// See the specification.\npub const {name}: u32 = {value};"
        )
        .unwrap();
    }
    writeln!(
        code,
        "/// All numbers, under their names in C without the family's prefix."
    )
    .unwrap();
    writeln!(code, "pub const NUMBERS: &[(&str, u32)] = &{constants:?};").unwrap();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    std::fs::write(out.join(Path::new("moddb.rs")), code).expect("cargo's folder can be written");
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_sequence().map_or(&[], Vec::as_slice)
}

/// The entries' numbers, counted from `first` where they do not say it themselves.
fn numbered(prefix: &str, entries: &[Value], first: u64) -> Vec<(String, u64)> {
    let mut next = first;
    let number = |entry: &Value| {
        let value = entry["value"].as_u64().unwrap_or(next);
        next = value + 1;
        (format!("{prefix}_{}", c_name(&entry["name"])), value)
    };
    entries.iter().map(number).collect()
}

fn c_name(name: &Value) -> String {
    let name = name.as_str().expect("a name is text");
    name.to_uppercase().replace('-', "_")
}
