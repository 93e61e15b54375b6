// SPDX-License-Identifier: GPL-2.0-only

//! The model has teeth: each deliberate mistake in a copy of the protocol must fail the test that is
//! there to find it.

mod list;
mod workspace;

use list::{Mutant, MUTANTS};
use std::collections::BTreeSet;
use workspace::Workspace;

#[test]
fn every_mutant_is_rejected() {
    let workspace = Workspace::copy();
    let tests: BTreeSet<_> = MUTANTS.iter().map(|mutant| mutant.test).collect();
    for (target, test) in tests {
        let failure = workspace.failure(target, test);
        assert_eq!(
            failure, None,
            "{target}: {test} fails on the unchanged protocol"
        );
    }
    let mut survivors = Vec::new();
    for mutant in MUTANTS {
        let Mutant {
            name,
            file,
            from,
            to,
            test: (target, test),
            finds,
        } = mutant;
        let whole = workspace.source(file);
        assert_eq!(
            whole.matches(from).count(),
            1,
            "mutant \"{name}\" is out of date: src/protocol/{file} must have this once:\n{from}"
        );
        workspace.write(file, &whole.replacen(from, to, 1));
        workspace.build(target, name);
        match workspace.failure(target, test) {
            Some(said) if said.contains(finds) => println!("{name}: rejected ({finds})"),
            Some(said) => panic!("\"{name}\" fails {test}, but not by \"{finds}\":\n{said}"),
            None => survivors.push(name),
        }
        workspace.write(file, &whole);
    }
    assert!(
        survivors.is_empty(),
        "not found by the model: {survivors:?}"
    );
}
