// SPDX-License-Identifier: GPL-2.0

//! Memory that several take at once.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::testing::spawn;
use model::explore;
use protocol::budget::Budget;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;

#[test]
fn no_more_is_held_than_there_may_be() {
    const MAX: usize = 3;
    explore(|| {
        let budget = Arc::new(Budget::new(MAX as u64, GFP_KERNEL).expect("memory"));
        // The model does not look at these: they tell, and order nothing.
        let held = Arc::new(AtomicUsize::new(0));
        let take = |bytes: usize| {
            let (budget, held) = (budget.clone(), held.clone());
            move || {
                let Some(charge) = budget.charge(bytes, || false) else {
                    return;
                };
                let all = held.fetch_add(bytes, SeqCst) + bytes;
                assert!(all <= MAX, "more is held than there may be");
                held.fetch_sub(bytes, SeqCst);
                drop(charge);
            }
        };
        let others = [spawn(take(2)), spawn(take(2))];
        take(2)();
        for other in others {
            other.join();
        }
        assert!(
            budget.charge(MAX, || false).is_some(),
            "what nobody holds is lost"
        );
    });
}
