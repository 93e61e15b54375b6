// SPDX-License-Identifier: GPL-2.0-only

//! A small table and its locks, as the protocol of the store sees the real ones.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::KVVec;
use kernel::error::code::ENOMEM;
use kernel::error::Error;
use loom::sync::{Mutex, MutexGuard};
use protocol::rcu::{Guard, RcuBox, RcuPointer, Retired};
use protocol::store::change::{Change, Condition, EntryTable, Visible};
use protocol::store::stripes::Lock;
use protocol::store::{Limits, Store};

/// A store of a model.
pub type ModelStore = Store<Slots, ModelLock>;

/// Numbers in each value.
const NUMBERS: usize = 2;

/// Under one key: the same number, several times, so that a torn value shows.
pub struct Value {
    numbers: KVVec<u32>,
}

impl Value {
    /// The number.
    ///
    /// # Panics
    ///
    /// If it is not the same everywhere.
    pub fn number(&self) -> u32 {
        let number = self.numbers[0];
        assert_eq!(self.numbers, [number; NUMBERS], "a torn value");
        number
    }
}

/// A value that may be hidden.
pub struct Slot {
    value: Value,
    visible: Visible,
}

/// A slot that holds this number.
pub fn slot(number: u32) -> RcuBox<Slot> {
    let numbers = KVVec::from_elem(number, NUMBERS, GFP_KERNEL).expect("memory");
    let slot = Slot {
        value: Value { numbers },
        visible: Visible::when_linked(),
    };
    RcuBox::new(slot, GFP_KERNEL).expect("memory")
}

/// Two keys in one stripe, and one in another.
pub const KEYS: [u32; 3] = [0, 1, 1 << 31];

/// A place for each of [`KEYS`].
pub struct Slots {
    slots: [RcuPointer<Slot>; 3],
    /// This key cannot be linked.
    refused: Option<u32>,
}

impl Slots {
    /// Empty.
    pub fn empty() -> Self {
        Self {
            slots: std::array::from_fn(|_| RcuPointer::empty()),
            refused: None,
        }
    }

    /// Empty, and without memory for this key.
    pub fn refusing(key: u32) -> Self {
        Self {
            refused: Some(key),
            ..Self::empty()
        }
    }

    fn slot(&self, key: u32) -> &RcuPointer<Slot> {
        let at = KEYS.iter().position(|other| *other == key);
        &self.slots[at.expect("one of the keys")]
    }
}

impl EntryTable for Slots {
    type Key<'k> = u32;
    type Entry = Value;
    type Unlinked = (u32, RcuBox<Slot>);
    type Removed = Retired<Slot>;

    fn hash(key: u32) -> u32 {
        key
    }

    fn find<'g>(&'g self, key: u32, guard: &'g Guard) -> Option<(&'g Value, &'g Visible)> {
        let slot = self.slot(key).read(guard)?.get();
        Some((&slot.value, &slot.visible))
    }

    fn unlinked(entry: &Self::Unlinked) -> (&Value, &Visible) {
        (&entry.1.value, &entry.1.visible)
    }

    fn size(entry: &Value) -> usize {
        entry.numbers.len()
    }

    fn link(&self, entry: Self::Unlinked) -> Result<(), (Error, Self::Unlinked)> {
        let (key, slot) = entry;
        if self.refused == Some(key) {
            return Err((ENOMEM, (key, slot)));
        }
        let before = self.slot(key).replace(Some(slot));
        assert!(before.is_none(), "linked over another value");
        Ok(())
    }

    fn replace(&self, key: u32, entry: Self::Unlinked) -> Result<Retired<Slot>, Self::Unlinked> {
        let before = self.slot(key).replace(Some(entry.1));
        Ok(before.expect("there is a value to be replaced"))
    }

    fn remove(&self, key: u32) -> Option<Retired<Slot>> {
        self.slot(key).replace(None)
    }

    fn free_later(removed: Retired<Slot>) {
        removed.free_later();
    }
}

/// A lock.
pub struct ModelLock(Mutex<()>);

impl Lock for ModelLock {
    type Guard<'l> = MutexGuard<'l, ()>;
    type Order = ();

    fn new() -> Self {
        Self(Mutex::new(()))
    }

    fn innermost() -> Self {
        Self::new()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.lock().expect("no thread has panicked")
    }

    fn in_order() {}

    fn lock_next<'l>(&'l self, _order: &'l ()) -> MutexGuard<'l, ()> {
        self.lock()
    }
}

/// What must be under a key.
pub enum Must {
    /// Anything, or nothing.
    BeAnything,
    /// Something.
    Be,
    /// This number, or nothing.
    Hold(Option<u32>),
}

impl Condition<Value> for Must {
    type Refusal = ();

    fn check(&self, current: Option<&Value>) -> Result<(), ()> {
        let holds = match self {
            Self::BeAnything => true,
            Self::Be => current.is_some(),
            Self::Hold(number) => current.map(Value::number) == *number,
        };
        holds.then_some(()).ok_or(())
    }
}

/// A change of a key to a number, or to nothing.
pub fn change(key: u32, to: Option<u32>, condition: Must) -> Change<'static, Slots, Must> {
    Change::new(key, to.map(|number| (key, slot(number))), condition)
}

/// An empty store of two stripes, with these limits.
pub fn store(table: Slots, entries: u64, backlog: i64) -> ModelStore {
    let limits = Limits {
        entries,
        bytes: 1000,
        backlog,
    };
    Store::new(table, 2, limits, GFP_KERNEL).expect("memory")
}
