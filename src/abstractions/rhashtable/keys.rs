// SPDX-License-Identifier: GPL-2.0-only

//! Kinds of keys, and the C functions that hash and compare them.

use abstractions::bindings::{
    abstractions_hashed_init, abstractions_hashed_insert, abstractions_hashed_key,
    abstractions_hashed_lookup, abstractions_hashed_remove, abstractions_hashed_replace,
    abstractions_rhashtable_init, abstractions_rhashtable_insert, abstractions_rhashtable_lookup,
    abstractions_rhashtable_remove, abstractions_rhashtable_replace,
};
use core::mem::size_of;
use kernel::bindings::{rhash_head, rhashtable, rhashtable_params};
use kernel::ffi::{c_int, c_void};
use kernel::prelude::*;

/// A kind of keys, and the C functions that know it.
///
/// # Safety
///
/// For a table that [`Self::init`] initialized, all functions hash and compare keys in the same way. They expect
/// objects that begin with their `rhash_head`, followed by their `Stored` at the next address that its alignment
/// allows.
pub unsafe trait Keys: Sized + 'static {
    /// A key as it is stored in the table.
    type Stored: Send + Sync;
    /// A key as callers look it up.
    type Lookup<'k>: Copy;

    /// Returns true if both are the same key.
    fn is_same(wanted: Self::Lookup<'_>, stored: &Self::Stored) -> bool;

    /// Initializes a table. Returns 0, or -ENOMEM. May sleep.
    ///
    /// # Safety
    ///
    /// `table` has room for the structure, which is not moved from then on.
    unsafe fn init(table: *mut rhashtable, expected: usize) -> c_int;

    /// Returns the object with this key, or null.
    ///
    /// # Safety
    ///
    /// The table was initialized by [`Self::init`]. The result may be dereferenced while the RCU read-side lock is
    /// held that was held during the call.
    unsafe fn lookup(table: *mut rhashtable, key: Self::Lookup<'_>) -> *mut c_void;

    /// Links an object. Returns 0, or a negative errno. Does not sleep.
    ///
    /// # Safety
    ///
    /// The table was initialized by [`Self::init`]; `head` belongs to an object that is in no table.
    unsafe fn insert(table: *mut rhashtable, head: *mut rhash_head) -> c_int;

    /// Unlinks an object. Returns 0, or -ENOENT if it is not in the table. Does not sleep.
    ///
    /// # Safety
    ///
    /// The table was initialized by [`Self::init`]; `head` belongs to an object that is alive.
    unsafe fn remove(table: *mut rhashtable, head: *mut rhash_head) -> c_int;

    /// Unlinks an object and links another in its place. Returns 0, or a negative errno. Does not sleep.
    ///
    /// # Safety
    ///
    /// The table was initialized by [`Self::init`]; `old` belongs to an object that is alive, `new` to one that is
    /// in no table, and both have the same key.
    unsafe fn replace(table: *mut rhashtable, old: *mut rhash_head, new: *mut rhash_head) -> c_int;
}

/// Keys of `KEY_LEN` bytes.
pub struct FixedKeys<const KEY_LEN: usize>;

// SAFETY: `init` tells the table that the key is `KEY_LEN` bytes that follow the head, and an array of bytes has no
// alignment. All functions use the parameters that the table keeps.
unsafe impl<const KEY_LEN: usize> Keys for FixedKeys<KEY_LEN> {
    type Stored = [u8; KEY_LEN];
    type Lookup<'k> = &'k [u8; KEY_LEN];

    fn is_same(wanted: &[u8; KEY_LEN], stored: &[u8; KEY_LEN]) -> bool {
        wanted == stored
    }

    unsafe fn init(table: *mut rhashtable, expected: usize) -> c_int {
        const { assert!(KEY_LEN <= u16::MAX as usize) };
        let params = rhashtable_params {
            nelem_hint: expected.min(usize::from(u16::MAX)) as u16,
            key_len: KEY_LEN as u16,
            key_offset: size_of::<rhash_head>() as u16,
            head_offset: 0,
            automatic_shrinking: true,
            ..Default::default()
        };
        // SAFETY: By the safety requirements of this function, `table` has room for the structure.
        unsafe { abstractions_rhashtable_init(table, &params) }
    }

    unsafe fn lookup(table: *mut rhashtable, key: &[u8; KEY_LEN]) -> *mut c_void {
        // SAFETY: By the safety requirements of this function, the table was initialized for keys of `KEY_LEN` bytes,
        // which `key` has.
        unsafe { abstractions_rhashtable_lookup(table, key.as_ptr().cast()) }
    }

    unsafe fn insert(table: *mut rhashtable, head: *mut rhash_head) -> c_int {
        // SAFETY: By the safety requirements of this function, the table was initialized by `init`, `head` belongs to an
        // object that is in no table.
        unsafe { abstractions_rhashtable_insert(table, head) }
    }

    unsafe fn remove(table: *mut rhashtable, head: *mut rhash_head) -> c_int {
        // SAFETY: By the safety requirements of this function, the table was initialized by `init`, `head` belongs to an
        // object that is alive.
        unsafe { abstractions_rhashtable_remove(table, head) }
    }

    unsafe fn replace(table: *mut rhashtable, old: *mut rhash_head, new: *mut rhash_head) -> c_int {
        // SAFETY: By the safety requirements of this function, the table was initialized by `init`, the objects
        // are alive, the new one is in no table, and both have the same key.
        unsafe { abstractions_rhashtable_replace(table, old, new) }
    }
}

/// Keys of any length with their hashes, which the caller computes: see [`HashedKey::new`]. In the table, a key and
/// its content are one [`Block`] of bytes, which does not change.
pub struct HashedKeys;

/// A key with its hash, to be looked up.
#[derive(Clone, Copy)]
pub struct HashedKey<'k> {
    bytes: &'k [u8],
    hash: u32,
}

impl<'k> HashedKey<'k> {
    /// Returns a key of these bytes with their hash. Keys with different hashes are different keys.
    pub fn new(bytes: &'k [u8], hash: u32) -> Self {
        Self { bytes, hash }
    }

    /// Returns the bytes of the key.
    #[inline]
    pub fn bytes(&self) -> &'k [u8] {
        self.bytes
    }

    /// Returns the hash of the key.
    #[inline]
    pub fn hash(&self) -> u32 {
        self.hash
    }

    /// Returns the key as the C code wants it. It is valid while the bytes are. Of a longer key, the first 4 GiB
    /// count.
    fn raw(&self) -> abstractions_hashed_key {
        abstractions_hashed_key {
            bytes: self.bytes.as_ptr(),
            len: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            hash: self.hash,
        }
    }
}

/// A key and its content in one block of bytes, with the key's hash.
///
/// # Invariants
///
/// `key.bytes` points to the beginning of `bytes`, which has at least `key.len` bytes and does not change.
#[repr(C)]
pub struct Block {
    key: abstractions_hashed_key,
    bytes: KVVec<u8>,
}

// SAFETY: By the type invariants, `key` points to memory that `bytes` owns, which moves along.
unsafe impl Send for Block {}
// SAFETY: By the type invariants, `key` points to memory that does not change.
unsafe impl Sync for Block {}

impl Block {
    /// Returns a block whose key is the first `key_len` of `bytes`, with this hash, or `None` if there are fewer
    /// bytes.
    pub fn new(bytes: KVVec<u8>, key_len: usize, hash: u32) -> Option<Self> {
        let key = HashedKey::new(bytes.get(..key_len)?, hash).raw();
        // INVARIANT: The key was taken from the beginning of the vector's memory, which stays where it is when the
        // vector is moved.
        Some(Self { key, bytes })
    }

    /// Returns the key.
    #[inline]
    pub fn key(&self) -> HashedKey<'_> {
        let len = self.key.len as usize;
        HashedKey::new(self.bytes.get(..len).unwrap_or_default(), self.key.hash)
    }

    /// Returns the bytes that follow the key.
    #[inline]
    pub fn content(&self) -> &[u8] {
        self.bytes.get(self.key.len as usize..).unwrap_or_default()
    }

    /// Returns the length of key and content together, in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns true if both key and content are empty.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

// SAFETY: `Block` is `repr(C)` and begins with an `abstractions_hashed_key`, so an object that holds it begins with an
// `abstractions_hashed_object`. All functions use the same parameters.
unsafe impl Keys for HashedKeys {
    type Stored = Block;
    type Lookup<'k> = HashedKey<'k>;

    fn is_same(wanted: HashedKey<'_>, stored: &Block) -> bool {
        let stored = stored.key();
        wanted.hash() == stored.hash() && wanted.bytes() == stored.bytes()
    }

    unsafe fn init(table: *mut rhashtable, _expected: usize) -> c_int {
        // SAFETY: By the safety requirements of this function, `table` has room for the structure.
        unsafe { abstractions_hashed_init(table) }
    }

    unsafe fn lookup(table: *mut rhashtable, key: HashedKey<'_>) -> *mut c_void {
        // SAFETY: By the safety requirements of this function, the table was initialized for such keys. The raw key
        // points to the bytes of `key`, which are alive during the call and have at least the length that it says.
        unsafe { abstractions_hashed_lookup(table, &key.raw()) }
    }

    unsafe fn insert(table: *mut rhashtable, head: *mut rhash_head) -> c_int {
        // SAFETY: By the safety requirements of this function, the table was initialized by `init`, `head` belongs to an
        // object that is in no table.
        unsafe { abstractions_hashed_insert(table, head) }
    }

    unsafe fn remove(table: *mut rhashtable, head: *mut rhash_head) -> c_int {
        // SAFETY: By the safety requirements of this function, the table was initialized by `init`, `head` belongs to an
        // object that is alive.
        unsafe { abstractions_hashed_remove(table, head) }
    }

    unsafe fn replace(table: *mut rhashtable, old: *mut rhash_head, new: *mut rhash_head) -> c_int {
        // SAFETY: By the safety requirements of this function, the table was initialized by `init`, the objects
        // are alive, the new one is in no table, and both have the same key.
        unsafe { abstractions_hashed_replace(table, old, new) }
    }
}
