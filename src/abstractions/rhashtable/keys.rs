// SPDX-License-Identifier: GPL-2.0-only

//! What the values of a hash table are found by.

use crate::bindings::{
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
/// For a table that [`Self::init`] prepared, the functions hash and compare alike, and expect objects
/// that begin with their `rhash_head`, followed by their `Stored` at the next address that suits it.
pub unsafe trait Keys: Sized + 'static {
    /// A key in the table.
    type Stored: Send + Sync;
    /// A key to look for.
    type Wanted<'k>: Copy;

    /// True if they are the same key.
    fn is_same(wanted: Self::Wanted<'_>, stored: &Self::Stored) -> bool;

    /// Prepares a table, or returns ENOMEM, negative. May sleep.
    ///
    /// # Safety
    ///
    /// `table` has room for one and stays where it is.
    unsafe fn init(table: *mut rhashtable, expected: usize) -> c_int;

    /// The object with this key, or null.
    ///
    /// # Safety
    ///
    /// The table was prepared by [`Self::init`].
    unsafe fn lookup(table: *mut rhashtable, key: Self::Wanted<'_>) -> *mut c_void;

    /// Links an object, or returns a negative error. Does not sleep.
    ///
    /// # Safety
    ///
    /// As for [`Self::lookup`]; `head` belongs to an object that is in no table.
    unsafe fn insert(table: *mut rhashtable, head: *mut rhash_head) -> c_int;

    /// Unlinks an object, or returns ENOENT, negative. Does not sleep.
    ///
    /// # Safety
    ///
    /// As for [`Self::lookup`]; `head` belongs to an object that is alive.
    unsafe fn remove(table: *mut rhashtable, head: *mut rhash_head) -> c_int;

    /// Unlinks an object and links another in its place, or returns a negative error. Does not sleep.
    ///
    /// # Safety
    ///
    /// As for [`Self::remove`] and [`Self::insert`]; both have the same key.
    unsafe fn replace(table: *mut rhashtable, old: *mut rhash_head, new: *mut rhash_head) -> c_int;
}

/// Keys of `KEY_LEN` bytes.
pub struct FixedKeys<const KEY_LEN: usize>;

// SAFETY: the parameters say that the key is `KEY_LEN` bytes behind the head; bytes suit any address.
unsafe impl<const KEY_LEN: usize> Keys for FixedKeys<KEY_LEN> {
    type Stored = [u8; KEY_LEN];
    type Wanted<'k> = &'k [u8; KEY_LEN];

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
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_rhashtable_init(table, &params) }
    }

    unsafe fn lookup(table: *mut rhashtable, key: &[u8; KEY_LEN]) -> *mut c_void {
        // SAFETY: by this function's own requirement; the keys of such a table have this length.
        unsafe { abstractions_rhashtable_lookup(table, key.as_ptr().cast()) }
    }

    unsafe fn insert(table: *mut rhashtable, head: *mut rhash_head) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_rhashtable_insert(table, head) }
    }

    unsafe fn remove(table: *mut rhashtable, head: *mut rhash_head) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_rhashtable_remove(table, head) }
    }

    unsafe fn replace(table: *mut rhashtable, old: *mut rhash_head, new: *mut rhash_head) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_rhashtable_replace(table, old, new) }
    }
}

/// Keys of any length, with their hashes, which the caller makes: see [`HashedKey::new`]. In the
/// table, key and content are one block of bytes, which does not change.
pub struct HashedKeys;

/// A key to look for.
#[derive(Clone, Copy)]
pub struct HashedKey<'k> {
    bytes: &'k [u8],
    hash: u32,
}

impl<'k> HashedKey<'k> {
    /// These bytes, under their hash. Different hashes make different keys.
    pub fn new(bytes: &'k [u8], hash: u32) -> Self {
        Self { bytes, hash }
    }

    /// The key.
    pub fn bytes(&self) -> &'k [u8] {
        self.bytes
    }

    /// Its hash.
    pub fn hash(&self) -> u32 {
        self.hash
    }

    /// As the C code wants it: for as long as the bytes are there. Of longer keys, the first 4 GiB count.
    fn raw(&self) -> abstractions_hashed_key {
        abstractions_hashed_key {
            bytes: self.bytes.as_ptr(),
            len: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
            hash: self.hash,
        }
    }
}

/// A key and what belongs to it, in one block of bytes.
///
/// # Invariants
///
/// `key.bytes` and `key.len` are the beginning of `bytes`, which never changes.
#[repr(C)]
pub struct Block {
    key: abstractions_hashed_key,
    bytes: KVVec<u8>,
}

// SAFETY: `key` points to what `bytes` owns and nobody changes.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// The first `key_len` of `bytes` are the key, with this hash. `None` if there are fewer.
    pub fn new(bytes: KVVec<u8>, key_len: usize, hash: u32) -> Option<Self> {
        let key = HashedKey::new(bytes.get(..key_len)?, hash).raw();
        // INVARIANT: the vector's memory stays where it is when the vector is moved.
        Some(Self { key, bytes })
    }

    /// The key.
    pub fn key(&self) -> HashedKey<'_> {
        let len = self.key.len as usize;
        HashedKey::new(self.bytes.get(..len).unwrap_or_default(), self.key.hash)
    }

    /// What comes after the key.
    pub fn content(&self) -> &[u8] {
        self.bytes.get(self.key.len as usize..).unwrap_or_default()
    }

    /// Bytes of the key and the content.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True if there is neither key nor content.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

// SAFETY: `Block` begins with an `abstractions_hashed_key`, so an object with it begins with an
// `abstractions_hashed_object`.
unsafe impl Keys for HashedKeys {
    type Stored = Block;
    type Wanted<'k> = HashedKey<'k>;

    fn is_same(wanted: HashedKey<'_>, stored: &Block) -> bool {
        let stored = stored.key();
        wanted.hash() == stored.hash() && wanted.bytes() == stored.bytes()
    }

    unsafe fn init(table: *mut rhashtable, _expected: usize) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_hashed_init(table) }
    }

    unsafe fn lookup(table: *mut rhashtable, key: HashedKey<'_>) -> *mut c_void {
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_hashed_lookup(table, &key.raw()) }
    }

    unsafe fn insert(table: *mut rhashtable, head: *mut rhash_head) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_hashed_insert(table, head) }
    }

    unsafe fn remove(table: *mut rhashtable, head: *mut rhash_head) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_hashed_remove(table, head) }
    }

    unsafe fn replace(table: *mut rhashtable, old: *mut rhash_head, new: *mut rhash_head) -> c_int {
        // SAFETY: by this function's own requirement.
        unsafe { abstractions_hashed_replace(table, old, new) }
    }
}
