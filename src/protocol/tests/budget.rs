// SPDX-License-Identifier: GPL-2.0-only

//! The limits of a budget.

use kernel::alloc::flags::GFP_KERNEL;
use protocol::budget::Budget;

fn unprivileged() -> bool {
    false
}

#[test]
fn a_charge_over_the_budget_is_refused_and_not_held() {
    let budget = Budget::new(10, GFP_KERNEL).expect("memory");
    let first = budget.charge(7, unprivileged);
    assert!(first.is_some());
    assert!(budget.charge(4, unprivileged).is_none());
    let rest = budget.charge(3, unprivileged);
    assert!(rest.is_some(), "the refused one took nothing");
    assert!(budget.charge(0, unprivileged).is_some());
    drop(first);
    assert!(budget.charge(7, unprivileged).is_some());
}

#[test]
fn the_privileged_may_exceed_it() {
    let budget = Budget::new(10, GFP_KERNEL).expect("memory");
    let large = budget.charge(100, || true);
    assert!(large.is_some());
    assert!(budget.charge(1, unprivileged).is_none());
    drop(large);
    assert!(budget.charge(10, unprivileged).is_some());
}

#[test]
fn privileges_are_only_checked_over_the_budget() {
    let budget = Budget::new(10, GFP_KERNEL).expect("memory");
    let asked = || unreachable!("the budget is not exceeded");
    assert!(budget.charge(10, asked).is_some());
}
