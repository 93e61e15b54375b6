// SPDX-License-Identifier: GPL-2.0-only

//! The tables that the workers of a scan fill together, without a lock.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::testing::spawn;
use logic::content_table::{ContentTable, Pages};
use logic::frame_set::{FrameSet, Inserted, Near, Tally, SHARDS};
use logic::units::Pfn;
use model::explore;
use std::sync::Arc;

/// The tables of one set, and what is in which frame.
struct Tables {
    frames: FrameSet,
    contents: ContentTable,
    content_of: fn(Pfn) -> u64,
    new: Atomic<usize>,
    filled: Atomic<usize>,
}

impl Tables {
    fn new(content_of: fn(Pfn) -> u64) -> Arc<Self> {
        let mut frames = FrameSet::new();
        let mut contents = ContentTable::new();
        frames.reserve(8, GFP_KERNEL).expect("memory");
        contents.reserve(8, GFP_KERNEL).expect("memory");
        Arc::new(Self {
            frames,
            contents,
            content_of,
            new: Atomic::new(0),
            filled: Atomic::new(0),
        })
    }

    /// What a worker does with a page. All samples agree.
    fn map(&self, pfn: Pfn) {
        let mut near = Near::default();
        if self.frames.see_again(pfn, &mut near) {
            return;
        }
        let inserted = self.frames.insert(pfn, &mut near).expect("reserved");
        if let Inserted::New { fills } = inserted {
            self.new.fetch_add(1, Relaxed);
            self.filled.fetch_add(usize::from(fills), Relaxed);
            let mut filled = 0;
            self.contents
                .class(pfn, 0, &mut Asked(self), &mut filled)
                .expect("reserved");
        }
    }

    fn tally(&self) -> Tally {
        self.frames.tally()
    }
}

struct Asked<'a>(&'a Tables);

impl Pages for Asked<'_> {
    fn is_same(&mut self, a: Pfn, b: Pfn) -> bool {
        assert!(self.0.frames.contains(a) && self.0.frames.contains(b));
        (self.0.content_of)(a) == (self.0.content_of)(b)
    }

    fn content_hash(&mut self, pfn: Pfn) -> u64 {
        ((self.0.content_of)(pfn) + 1) << 4
    }

    fn join(&mut self, follower: Pfn, leader: Pfn) {
        self.0.frames.follow(follower);
        assert!(self.0.frames.see_again(leader, &mut Near::default()));
    }
}

/// Runs two workers over pages of their own.
fn two_workers(tables: &Arc<Tables>, here: &'static [Pfn], there: &'static [Pfn]) {
    let other = {
        let tables = tables.clone();
        spawn(move || there.iter().for_each(|pfn| tables.map(*pfn)))
    };
    here.iter().for_each(|pfn| tables.map(*pfn));
    other.join();
}

#[test]
fn a_page_that_two_meet_is_entered_once() {
    explore(|| {
        let tables = Tables::new(|pfn| pfn as u64);
        two_workers(&tables, &[3], &[3]);
        assert_eq!(tables.new.load(Relaxed), 1);
        assert_eq!(tables.filled.load(Relaxed), 1);
        let shared = Tally {
            classes: 1,
            lone: 0,
        };
        assert_eq!(tables.tally(), shared);
    });
}

#[test]
fn neighbours_do_not_lose_each_other() {
    explore(|| {
        let tables = Tables::new(|_| 0);
        two_workers(&tables, &[0], &[1]);
        assert_eq!(
            (0..SHARDS)
                .flat_map(|shard| tables.frames.frames_of_shard(shard))
                .collect::<Vec<_>>(),
            [0, 1]
        );
        assert_eq!(tables.filled.load(Relaxed), 1, "one word for both");
        let joined = Tally {
            classes: 1,
            lone: 0,
        };
        assert_eq!(tables.tally(), joined);
    });
}

/// Two workers find out at once that a sample is not enough to tell pages by.
#[test]
fn a_split_keeps_classes_together() {
    explore(|| {
        let tables = Tables::new(|pfn| pfn as u64 % 2);
        tables.map(0);
        two_workers(&tables, &[1], &[2]);
        let expected = Tally {
            classes: 2,
            lone: 1,
        };
        assert_eq!(tables.tally(), expected);
    });
}

/// As above; what differs comes from both sides.
#[test]
fn a_split_from_both_sides() {
    explore(|| {
        let tables = Tables::new(|pfn| pfn as u64 % 2);
        tables.map(0);
        two_workers(&tables, &[1], &[3]);
        let expected = Tally {
            classes: 2,
            lone: 1,
        };
        assert_eq!(tables.tally(), expected);
    });
}
