// SPDX-License-Identifier: GPL-2.0-only

//! Answers that are written, read and evicted at the same time.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::KVVec;
use kernel::sync::Arc as KernelArc;
use kernel::testing::spawn;
use model::explore;
use protocol::answers::{Answers, Payload, Prepared, Visible};
use protocol::lineage::{Ancestry, Process};
use protocol::rcu;
use std::sync::Arc;

/// Bytes of the text of each answer.
const BYTES: usize = 2;

struct Answer(KVVec<u8>);

impl Payload for Answer {
    fn size(&self) -> usize {
        BYTES
    }
}

fn answer(text: u8) -> KernelArc<Answer> {
    let text = KVVec::from_elem(text, BYTES, GFP_KERNEL).expect("memory");
    KernelArc::new(Answer(text), GFP_KERNEL).expect("memory")
}

/// A process and its parent.
#[derive(Clone, Copy)]
struct Line {
    own: i32,
    parent: Option<i32>,
}

impl Ancestry for Line {
    fn walk(&self, mut visit: impl FnMut(Process) -> bool) {
        let process = |tgid| Process { tgid, start: 1 };
        if visit(process(self.own)) {
            self.parent.map(|parent| visit(process(parent)));
        }
    }
}

/// Returns a process without a shell as its parent, so without relatives.
fn shell(own: i32) -> Line {
    Line { own, parent: None }
}

fn child(own: i32, parent: i32) -> Line {
    Line {
        own,
        parent: Some(parent),
    }
}

fn publish(answers: &Answers<Answer>, writer: Line, text: u8) {
    let answer = answer(text);
    let place = Prepared::new(&writer, answer.clone(), GFP_KERNEL);
    answers.publish(place.expect("memory"), &writer, 0, answer);
}

fn find(answers: &Answers<Answer>, reader: Line) -> Option<u8> {
    let found = answers.find(&reader, Visible::All)?;
    assert_eq!(found.0, [found.0[0]; BYTES], "a mixture of answers");
    Some(found.0[0])
}

fn answers(slots: usize, max_answers: usize) -> Arc<Answers<Answer>> {
    let max_bytes = (max_answers * BYTES) as u64;
    Arc::new(Answers::new(slots, max_bytes, GFP_KERNEL).expect("memory"))
}

#[test]
fn two_shells_never_see_each_others_answers() {
    explore(|| {
        let answers = answers(2, 2);
        let other = {
            let answers = answers.clone();
            spawn(move || {
                publish(&answers, shell(20), 20);
                assert_eq!(find(&answers, child(21, 20)), Some(20), "whose answer");
            })
        };
        publish(&answers, shell(10), 10);
        assert_eq!(find(&answers, child(11, 10)), Some(10), "whose answer");
        other.join();
        assert_eq!(find(&answers, shell(10)), Some(10), "whose answer");
        assert_eq!(find(&answers, shell(20)), Some(20), "whose answer");
        drop(answers);
        rcu::barrier();
    });
}

#[test]
fn a_shell_sees_its_latest_answer_beside_others() {
    explore(|| {
        let answers = answers(2, 2);
        let other = {
            let answers = answers.clone();
            spawn(move || publish(&answers, shell(20), 20))
        };
        publish(&answers, shell(10), 1);
        publish(&answers, shell(10), 2);
        assert_eq!(
            find(&answers, shell(10)),
            Some(2),
            "an answer that fits was evicted"
        );
        other.join();
        drop(answers);
        rcu::barrier();
    });
}

#[test]
fn a_reader_beside_its_writer_sees_the_old_answer_or_the_new_one_whole() {
    explore(|| {
        let answers = answers(1, 1);
        publish(&answers, shell(10), 1);
        let writer = {
            let answers = answers.clone();
            spawn(move || publish(&answers, shell(10), 2))
        };
        let first = find(&answers, child(11, 10)).expect("one was there before");
        let second = find(&answers, child(11, 10)).expect("one was there before");
        assert!((1..=2).contains(&first) && (first..=2).contains(&second));
        writer.join();
        assert_eq!(find(&answers, child(11, 10)), Some(2));
        drop(answers);
        rcu::barrier();
    });
}

#[test]
fn an_answer_that_is_read_outlives_its_slot() {
    explore(|| {
        let answers = answers(1, 1);
        publish(&answers, shell(10), 1);
        let reader = {
            let answers = answers.clone();
            spawn(move || {
                let found = answers
                    .find(&shell(10), Visible::All)
                    .expect("one was there before");
                loom::thread::yield_now();
                assert_eq!(found.0, [found.0[0]; BYTES]);
            })
        };
        publish(&answers, shell(20), 2);
        reader.join();
        drop(answers);
        rcu::barrier();
    });
}

#[test]
fn two_threads_of_one_process_leave_the_later_answer() {
    explore(|| {
        let answers = answers(2, 2);
        let other = {
            let answers = answers.clone();
            spawn(move || {
                publish(&answers, shell(10), 1);
                find(&answers, shell(10)).expect("one was published")
            })
        };
        publish(&answers, shell(10), 2);
        let here = find(&answers, shell(10)).expect("one was published");
        let there = other.join();
        let last = find(&answers, shell(10)).expect("one was published");
        assert!(
            here == last || there == last,
            "the last answer was seen by its writer"
        );
        drop(answers);
        rcu::barrier();
    });
}

#[test]
fn a_slot_is_evicted_beside_readers_and_writers() {
    explore(|| {
        let answers = answers(2, 2);
        let others = [20, 30].map(|tgid| {
            let answers = answers.clone();
            spawn(move || {
                publish(&answers, shell(tgid), tgid as u8);
                find(&answers, shell(tgid))
            })
        });
        publish(&answers, shell(10), 10);
        let [second, third] = others.map(|other| other.join());
        assert!(
            second.is_some() && third.is_some(),
            "two of three are always kept"
        );
        let kept = [10, 20, 30].map(|tgid| find(&answers, shell(tgid)) == Some(tgid as u8));
        assert_eq!(kept.iter().filter(|kept| **kept).count(), 2);
        drop(answers);
        rcu::barrier();
    });
}

#[test]
fn bytes_are_bounded_beside_readers_and_writers() {
    explore(|| {
        let answers = answers(3, 1);
        publish(&answers, shell(10), 10);
        let other = {
            let answers = answers.clone();
            spawn(move || publish(&answers, shell(20), 20))
        };
        publish(&answers, shell(30), 30);
        find(&answers, shell(30));
        other.join();
        publish(&answers, shell(40), 40);
        // Only one answer fits: the latest, which all readers get now.
        for reader in [10, 20, 30, 40] {
            assert_eq!(find(&answers, shell(reader)), Some(40));
        }
        drop(answers);
        rcu::barrier();
    });
}
