// SPDX-License-Identifier: GPL-2.0-only

//! RESETs that come all at once.

use crate::board::{is_whole, Board, Counters};
use crate::child;
use crate::complaints::Complaints;
use crate::expectation::SUCCESS;
use crate::shells::native;
use fastrand::Rng;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// RESETs in one storm.
const AT_ONCE: u64 = 16;

/// Raises storms until the board says stop; the status to end with.
pub fn run(board: Board, place: usize, complaints: &Complaints, mut rng: Rng) -> i32 {
    while !board.is_stopping() {
        board.add_writers(AT_ONCE);
        let mut children = Vec::new();
        for _ in 0..AT_ONCE {
            let asked = child::start(|| {
                ask(board, board.counters(place), complaints);
                0
            });
            children.extend(asked.ok());
        }
        for child in children {
            if child::wait(child).is_err() {
                return 1;
            }
        }
        std::thread::sleep(Duration::from_millis(rng.u64(200..2000)));
    }
    0
}

fn ask(board: Board, counters: &Counters, complaints: &Complaints) {
    let before = board.epoch();
    let reply = native::ask_through_one_descriptor(b"RESET\n");
    counters.commands.fetch_add(1, SeqCst);
    if !is_whole(before, board.epoch()) {
        counters.unloaded.fetch_add(1, SeqCst);
        return;
    }
    counters.checked.fetch_add(1, SeqCst);
    if !matches!(&reply, Ok(text) if text == SUCCESS) {
        counters.mismatches.fetch_add(1, SeqCst);
        let came = reply.map(|text| text.escape_ascii().to_string());
        complaints.send(&format!(
            "a storm of RESETs:\n  expected: [SUCCESS]\n  came:     {came:?}"
        ));
    }
}
