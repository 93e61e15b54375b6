// SPDX-License-Identifier: GPL-2.0-only

//! The model has teeth: each deliberate mistake in a copy of the protocol must fail the test that is
//! meant to find it.
//!
//! Mistakes are anchored on marker comments in the sources: see [`marker`].

mod list;
mod marker;
mod sources;
mod workspace;

use list::{mutants, Mutant};
use sources::Sources;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use workspace::Workspace;

/// Every marker in the sources occurs once and has a mutant, and every mutant finds its statements and
/// its test.
#[test]
fn markers_and_mutants_agree() {
    let sources = Sources::read();
    let in_sources: Vec<_> = sources.markers().collect();
    let unique: BTreeSet<_> = in_sources.iter().copied().collect();
    assert_eq!(
        in_sources.len(),
        unique.len(),
        "a marker occurs twice: {in_sources:?}"
    );
    let used: BTreeSet<_> = mutants()
        .flat_map(|mutant| mutant.edits)
        .map(|(marker, _)| *marker)
        .collect();
    let unused: Vec<_> = unique.difference(&used).collect();
    assert!(unused.is_empty(), "markers without a mutant: {unused:?}");
    for mutant in mutants() {
        assert!(!sources.mutated(mutant).is_empty(), "{}", mutant.name);
        let (target, test) = mutant.test;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{target}.rs"));
        let tests = fs::read_to_string(&file).expect("a file of tests can be read");
        assert!(
            tests.contains(&format!("fn {test}()")),
            "mutant \"{}\": there is no test {test} in {}",
            mutant.name,
            file.display()
        );
    }
}

#[test]
fn every_mutant_is_rejected() {
    if model::is_quick() {
        println!("skipped: {} is below its default", model::BOUND_VARIABLE);
        return;
    }
    let sources = Sources::read();
    let workspace = Workspace::copy();
    let tests: BTreeSet<_> = mutants().map(|mutant| mutant.test).collect();
    for (target, test) in tests {
        let failure = workspace.failure(target, test);
        assert_eq!(
            failure, None,
            "{target}: {test} fails on the unchanged protocol"
        );
    }
    let mut survivors = Vec::new();
    for mutant in mutants() {
        let Mutant {
            name,
            test: (target, test),
            finds,
            ..
        } = mutant;
        let mutated = sources.mutated(mutant);
        for (file, text) in &mutated {
            workspace.write(file, text);
        }
        workspace.build(target, name);
        match workspace.failure(target, test) {
            Some(said) if said.contains(finds) => println!("{name}: rejected ({finds})"),
            Some(said) => panic!("\"{name}\" fails {test}, but not by \"{finds}\":\n{said}"),
            None => survivors.push(name),
        }
        for file in mutated.keys() {
            workspace.write(file, sources.text(file));
        }
    }
    assert!(
        survivors.is_empty(),
        "not found by the model: {survivors:?}"
    );
}
