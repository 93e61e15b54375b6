// SPDX-License-Identifier: GPL-2.0-only

//! The tables that the workers of a scan fill at the same time without a lock.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::testing::spawn;
use logic::units::Pfn;
use model::explore;
use protocol::scan::content_table::{ContentTable, Filling, PageAccess, Unclassified};
use protocol::scan::frame_set::{Cursor, FrameSet, Inserted, Tally};
use protocol::scan::record_table::{PageRecord, Place};
use std::sync::Arc;

/// The tables of one set, and the contents of the frames.
struct Tables {
    frames: FrameSet,
    contents: ContentTable,
    content_of: fn(Pfn) -> u64,
    /// Frames below this number cannot be read any more.
    lost_below: Pfn,
    new: Atomic<usize>,
    filled: Atomic<usize>,
}

impl Tables {
    fn new(content_of: fn(Pfn) -> u64) -> Self {
        let mut frames = FrameSet::new();
        let mut contents = ContentTable::new();
        frames.reserve(8, GFP_KERNEL).expect("memory");
        contents.reserve(8, GFP_KERNEL).expect("memory");
        Self {
            frames,
            contents,
            content_of,
            lost_below: 0,
            new: Atomic::new(0),
            filled: Atomic::new(0),
        }
    }

    /// Enters a page as a worker does. All samples have the same hash.
    fn map(&self, pfn: Pfn) {
        let mut near = Cursor::default();
        if self.frames.mark_shared(pfn, &mut near) {
            return;
        }
        let inserted = self.frames.insert(pfn, &mut near).expect("reserved");
        if let Inserted::New { took_new_word } = inserted {
            self.new.fetch_add(1, Relaxed);
            self.filled.fetch_add(usize::from(took_new_word), Relaxed);
            let mut page = Unclassified::new(record_of(pfn), 0);
            self.contents
                .classify(&mut page, &mut Access(self), &mut Filling::default())
                .expect("reserved");
        }
    }

    fn tally(&self) -> Tally {
        self.frames.tally()
    }
}

fn record_of(pfn: Pfn) -> PageRecord {
    PageRecord {
        place: Place {
            space: 1,
            page: pfn + 5,
        },
        pfn,
        owner: 9,
    }
}

struct Access<'a>(&'a Tables);

impl Access<'_> {
    fn content(&self, page: &PageRecord) -> Option<u64> {
        assert_eq!(*page, record_of(page.pfn), "the record is complete");
        (page.pfn >= self.0.lost_below).then(|| (self.0.content_of)(page.pfn))
    }
}

impl PageAccess for Access<'_> {
    fn is_same(&mut self, page: &PageRecord, leader: &PageRecord, _: u64) -> Option<bool> {
        let leader = self.content(leader)?;
        Some(self.content(page) == Some(leader))
    }

    fn content_hash(&mut self, page: &PageRecord, _: u64) -> Option<u64> {
        Some((self.content(page)? + 1) << 4)
    }

    fn merge_into(&mut self, follower: Pfn, leader: Pfn) {
        self.0.frames.clear_leader(follower);
        assert!(self.0.frames.mark_shared(leader, &mut Cursor::default()));
    }
}

/// Runs two workers, each on its own pages.
fn two_workers(tables: &Arc<Tables>, here: &'static [Pfn], there: &'static [Pfn]) {
    let other = {
        let tables = tables.clone();
        spawn(move || there.iter().for_each(|pfn| tables.map(*pfn)))
    };
    here.iter().for_each(|pfn| tables.map(*pfn));
    other.join();
}

#[test]
fn a_page_that_two_workers_meet_is_entered_once() {
    explore(|| {
        let tables = Arc::new(Tables::new(|pfn| pfn as u64));
        two_workers(&tables, &[3], &[3]);
        assert_eq!(tables.new.load(Relaxed), 1);
        assert_eq!(tables.filled.load(Relaxed), 1);
        let shared = Tally {
            classes: 1,
            singletons: 0,
        };
        assert_eq!(tables.tally(), shared);
    });
}

#[test]
fn neighbours_do_not_lose_each_other() {
    explore(|| {
        let tables = Arc::new(Tables::new(|_| 0));
        two_workers(&tables, &[0], &[1]);
        assert!(
            tables.frames.contains(0, &mut Cursor::default())
                && tables.frames.contains(1, &mut Cursor::default())
        );
        assert_eq!(tables.filled.load(Relaxed), 1, "one word for both");
        let joined = Tally {
            classes: 1,
            singletons: 0,
        };
        assert_eq!(tables.tally(), joined);
    });
}

/// Two workers split a sample at the same time.
#[test]
fn a_split_keeps_classes_together() {
    explore(|| {
        let tables = Arc::new(Tables::new(|pfn| pfn as u64 % 2));
        tables.map(0);
        two_workers(&tables, &[1], &[2]);
        let expected = Tally {
            classes: 2,
            singletons: 1,
        };
        assert_eq!(tables.tally(), expected);
    });
}

/// Two workers split a sample at the same time, both with a page that differs from the first.
#[test]
fn a_split_from_both_sides() {
    explore(|| {
        let tables = Arc::new(Tables::new(|pfn| pfn as u64 % 2));
        tables.map(0);
        two_workers(&tables, &[1], &[3]);
        let expected = Tally {
            classes: 2,
            singletons: 1,
        };
        assert_eq!(tables.tally(), expected);
    });
}

/// The first page of the sample is lost when two workers come with the two next ones.
#[test]
fn a_lost_first_page_is_replaced_once() {
    explore(|| {
        let mut tables = Tables::new(|_| 0);
        tables.map(0);
        tables.lost_below = 1;
        let tables = Arc::new(tables);
        two_workers(&tables, &[1], &[2]);
        let expected = Tally {
            classes: 2,
            singletons: 1,
        };
        assert_eq!(tables.tally(), expected, "the lost page is alone");
    });
}

/// The leader of a class is lost when two workers come with pages of the class.
#[test]
fn a_lost_leader_is_replaced_once() {
    explore(|| {
        let mut tables = Tables::new(|_| 0);
        tables.map(0);
        tables.map(1);
        tables.lost_below = 2;
        let tables = Arc::new(tables);
        two_workers(&tables, &[2], &[3]);
        let expected = Tally {
            classes: 1,
            singletons: 0,
        };
        assert_eq!(tables.tally(), expected);
    });
}
