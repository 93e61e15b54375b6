// SPDX-License-Identifier: GPL-2.0-only

//! A small table and its locks, in the place of the module's hash table and spinlocks.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::KVVec;
use kernel::error::code::ENOMEM;
use kernel::error::Error;
use loom::sync::{Mutex, MutexGuard};
use protocol::rcu::{Guard, RcuBox, RcuPointer, Retired};
use protocol::store::change::{Change, Condition, EntryTable, Visible};
use protocol::store::stripes::Lock;
use protocol::store::{Limits, Store};

/// The store that the models use.
pub type ModelStore = Store<Slots, ModelLock>;

/// How often a value repeats its number.
const NUMBERS: usize = 2;

/// A value: the same number several times, so that a torn value is detected.
pub struct Value {
    numbers: KVVec<u32>,
}

impl Value {
    /// Returns the number of the value.
    ///
    /// # Panics
    ///
    /// If the value is torn.
    pub fn number(&self) -> u32 {
        let number = self.numbers[0];
        assert_eq!(self.numbers, [number; NUMBERS], "a torn value");
        number
    }
}

/// An entry: a value that may be hidden.
pub struct Slot {
    value: Value,
    visible: Visible,
}

/// Creates an entry with this number, which is visible when it is linked.
pub fn slot(number: u32) -> RcuBox<Slot> {
    let numbers = KVVec::from_elem(number, NUMBERS, GFP_KERNEL).expect("memory");
    let slot = Slot {
        value: Value { numbers },
        visible: Visible::when_linked(),
    };
    RcuBox::new(slot, GFP_KERNEL).expect("memory")
}

/// The keys of all models: two in one stripe, and one in another.
pub const KEYS: [u32; 3] = [0, 1, 1 << 31];

/// The table: a slot for each of [`KEYS`].
pub struct Slots {
    slots: [RcuPointer<Slot>; 3],
    /// The key for which linking fails.
    refused: Option<u32>,
}

impl Slots {
    /// Creates an empty table.
    pub fn empty() -> Self {
        Self {
            slots: std::array::from_fn(|_| RcuPointer::empty()),
            refused: None,
        }
    }

    /// Creates an empty table that cannot link this key, as if memory were exhausted.
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

/// A lock of loom in the place of a spinlock.
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

/// A condition on the current value of a key.
pub enum Must {
    /// Any value, or none.
    BeAnything,
    /// Any value.
    Be,
    /// This number; `None` for no value.
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

/// Creates a change of a key to a number, or a deletion.
pub fn change(key: u32, to: Option<u32>, condition: Must) -> Change<'static, Slots, Must> {
    Change::new(key, to.map(|number| (key, slot(number))), condition)
}

/// Creates a store of two stripes with this table and these limits.
pub fn store(table: Slots, entries: u64, backlog: i64) -> ModelStore {
    let limits = Limits {
        entries,
        bytes: 1000,
        backlog,
    };
    Store::new(table, 2, limits, GFP_KERNEL).expect("memory")
}
