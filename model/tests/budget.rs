// SPDX-License-Identifier: GPL-2.0-only

//! Charges of several threads at the same time.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::testing::spawn;
use model::explore;
use protocol::budget::Budget;
use std::sync::Arc;

#[test]
fn the_budget_is_never_exceeded() {
    const MAX: usize = 3;
    explore(|| {
        let budget = Arc::new(Budget::new(MAX as u64, GFP_KERNEL).expect("memory"));
        let take = || {
            let budget = budget.clone();
            move || budget.charge(2, || false)
        };
        let others = [spawn(take()), spawn(take())];
        let mut charges = vec![take()()];
        for other in others {
            charges.push(other.join());
        }
        let held: usize = charges.iter().flatten().map(|charge| charge.bytes()).sum();
        assert!(held <= MAX, "more is held than there may be");
        drop(charges);
        assert!(
            budget.charge(MAX, || false).is_some(),
            "what nobody holds is lost"
        );
    });
}
