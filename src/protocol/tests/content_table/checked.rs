// SPDX-License-Identifier: GPL-2.0-only

//! The tables together with a simple model of their content.

use kernel::alloc::flags::GFP_KERNEL;
use logic::units::Pfn;
use protocol::scan::content_table::{ContentTable, Filling, PageAccess, Unclassified};
use protocol::scan::frame_set::{Cursor, FrameSet, Inserted};
use protocol::scan::record_table::{PageRecord, Place};
use protocol::scan::word_table::TableFull;
use std::collections::{BTreeSet, HashMap};

/// The contents of the frames and their hashes.
#[derive(Clone, Copy)]
pub struct World {
    pub content: fn(u64) -> u64,
    pub sample_hash: fn(u64) -> u64,
    pub content_hash: fn(u64) -> u64,
}

impl World {
    pub fn content_of(&self, pfn: Pfn) -> u64 {
        (self.content)(pfn as u64)
    }
}

/// The tables, and the pages and classes that they should hold by the definition.
pub struct Checked {
    pub world: World,
    pub frames: FrameSet,
    pub table: ContentTable,
    pub filling: Filling,
    /// Pages that cannot be read any more.
    pub lost: BTreeSet<Pfn>,
    pub mapped: u64,
    pub known: BTreeSet<Pfn>,
    pub mappings: HashMap<u64, u64>,
    pub comparisons: usize,
}

pub struct Access<'a> {
    pub world: World,
    pub frames: &'a FrameSet,
    pub lost: &'a BTreeSet<Pfn>,
    pub comparisons: &'a mut usize,
}

impl Access<'_> {
    fn content(&self, page: &PageRecord) -> Option<u64> {
        assert_eq!(*page, record_of(page.pfn), "the record is that of the page");
        (!self.lost.contains(&page.pfn)).then(|| self.world.content_of(page.pfn))
    }
}

impl PageAccess for Access<'_> {
    fn is_same(&mut self, page: &PageRecord, leader: &PageRecord, _: u64) -> Option<bool> {
        assert_ne!(page, leader, "a page is not compared with itself");
        *self.comparisons += 1;
        let leader = self.content(leader)?;
        Some(self.content(page) == Some(leader))
    }

    fn content_hash(&mut self, page: &PageRecord, _: u64) -> Option<u64> {
        self.content(page).map(self.world.content_hash)
    }

    fn merge_into(&mut self, follower: Pfn, leader: Pfn) {
        self.frames.clear_leader(follower);
        assert!(
            self.frames.mark_shared(leader, &mut Cursor::default()),
            "leaders were entered"
        );
    }
}

/// Where a page of this frame is met: neighbours in some address spaces, far from each other in others.
pub fn record_of(pfn: Pfn) -> PageRecord {
    PageRecord {
        place: Place {
            space: pfn % 3,
            page: pfn.wrapping_mul(1 + 20_000 * (pfn % 2)) % (1 << 45),
        },
        pfn,
        owner: pfn as u8,
    }
}

impl Checked {
    pub fn new(world: World) -> Self {
        Self {
            world,
            frames: FrameSet::new(),
            table: ContentTable::new(),
            filling: Filling::default(),
            lost: BTreeSet::new(),
            mapped: 0,
            known: BTreeSet::new(),
            mappings: HashMap::new(),
            comparisons: 0,
        }
    }

    /// Enters one mapping of a page, and grows a table that is full.
    pub fn map(&mut self, pfn: Pfn) {
        let inserted = loop {
            match self.frames.insert(pfn, &mut Cursor::default()) {
                Ok(inserted) => break inserted,
                Err(TableFull) => self.frames.grow(GFP_KERNEL).expect("memory"),
            }
        };
        self.mapped += 1;
        *self.mappings.entry(self.world.content_of(pfn)).or_default() += 1;
        assert_eq!(
            inserted == Inserted::Known,
            !self.known.insert(pfn),
            "frame {pfn:#x}"
        );
        if let Inserted::New { took_new_word } = inserted {
            self.frames.add_to_len(usize::from(took_new_word));
            self.classify(pfn);
        }
    }

    pub fn classify(&mut self, pfn: Pfn) {
        let hash = (self.world.sample_hash)(self.world.content_of(pfn));
        let mut page = Unclassified::new(record_of(pfn), hash);
        loop {
            let mut access = Access {
                world: self.world,
                frames: &self.frames,
                lost: &self.lost,
                comparisons: &mut self.comparisons,
            };
            match self
                .table
                .classify(&mut page, &mut access, &mut self.filling)
            {
                Ok(()) => break,
                Err(TableFull) => self.table.grow(GFP_KERNEL).expect("memory"),
            }
        }
        self.table.count(&mut self.filling);
    }

    pub fn clear(&mut self) {
        self.frames.clear();
        self.table.clear();
        self.filling = Filling::default();
        self.mapped = 0;
        self.known.clear();
        self.mappings.clear();
    }

    pub fn check(&self) {
        let shared = self.mappings.values().filter(|pages| **pages >= 2);
        let tally = self.frames.tally();
        assert_eq!(self.mapped - tally.singletons, shared.clone().sum::<u64>());
        assert_eq!(tally.classes - tally.singletons, shared.count() as u64);
        assert!(self
            .known
            .iter()
            .all(|pfn| self.frames.contains(*pfn, &mut Cursor::default())));
    }

    /// Checks that every page that was entered is still found.
    pub fn check_known(&mut self) {
        for pfn in self.known.clone() {
            assert!(self.frames.contains(pfn, &mut Cursor::default()));
            assert!(
                self.frames.mark_shared(pfn, &mut Cursor::default()),
                "frame {pfn:#x} is known"
            );
            self.mapped += 1;
            *self.mappings.entry(self.world.content_of(pfn)).or_default() += 1;
        }
        self.check();
    }
}

pub fn spread(content: u64) -> u64 {
    content.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ content << 7
}

/// A world in which no two pages are identical.
pub const DISTINCT: World = World {
    content: |pfn| pfn,
    sample_hash: spread,
    content_hash: |content| spread(!content),
};

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = |function: fn(u64) -> u64| [0, 1, 2, 9].map(function);
        f.debug_struct("World")
            .field("content", &values(self.content))
            .field("sample_hash", &values(self.sample_hash))
            .field("content_hash", &values(self.content_hash))
            .finish()
    }
}
