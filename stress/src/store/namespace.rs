// SPDX-License-Identifier: GPL-2.0-only

//! Network namespaces that come and go, each with a store that only its maker uses.

use super::model::Model;
use super::{check, Verdict};
use crate::board::{is_whole, Board};
use crate::child;
use crate::complaints::Complaints;
use fastrand::Rng;
use nix::sched::{unshare, CloneFlags};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tools::moddb::Client;

/// Operations in one namespace.
const STEPS: u32 = 60;

/// Makes namespaces until the board says stop; the status to end with.
pub fn run(board: Board, place: usize, complaints: &Complaints, mut rng: Rng) -> i32 {
    while !board.is_stopping() {
        while board.is_absent() && !board.is_stopping() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut own = rng.fork();
        let used = child::start(|| {
            use_one(board, place, complaints, &mut own);
            0
        });
        if !used.is_ok_and(|child| child::wait(child).is_ok()) {
            return 1;
        }
        std::thread::sleep(Duration::from_millis(rng.u64(..200)));
    }
    0
}

fn use_one(board: Board, place: usize, complaints: &Complaints, rng: &mut Rng) {
    let before = board.epoch();
    let verdict = use_store(rng);
    let counters = board.counters(place);
    counters.commands.fetch_add(1, SeqCst);
    if !is_whole(before, board.epoch()) {
        counters.unloaded.fetch_add(1, SeqCst);
        return;
    }
    counters.checked.fetch_add(1, SeqCst);
    if let Err(why) = verdict {
        counters.mismatches.fetch_add(1, SeqCst);
        complaints.send(&format!("in a namespace of its own: {why}"));
    }
}

fn use_store(rng: &mut Rng) -> Verdict {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|errno| format!("no new network namespace: {errno}"))?;
    let mut client = Client::connect().map_err(|failure| format!("connecting: {failure}"))?;
    // Here all keys are its own.
    let mut model = Model::new(Vec::new(), 0);
    for step in 0..STEPS {
        if step == STEPS / 2 && rng.bool() {
            check("flush", client.flush(), Ok(()))?;
            model.forget();
        }
        model.step(&mut client, rng)?;
        if step % 20 == 19 {
            model.list(&mut client, rng.bool())?;
        }
    }
    Ok(())
}
