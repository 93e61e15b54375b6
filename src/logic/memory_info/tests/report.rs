// SPDX-License-Identifier: GPL-2.0-only

//! The lines of ALL and FILTER.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::KVVec;
use logic::comm::Comm;
use logic::text::{put_name, BufferFull, Print, Sink};
use logic_memory_info::counts::Counts;
use logic_memory_info::report::SetLine;
use proptest::prelude::*;

/// A name by itself. Its form has tests of its own in the crate `logic`.
struct Name<'a>(&'a [u8]);

impl Print for Name<'_> {
    fn print(&self, out: &mut impl Sink) -> Result<(), BufferFull> {
        put_name(out, self.0)
    }
}

fn line(name: &[u8], counts: Counts, pids: &[u32]) -> Vec<u8> {
    let set = SetLine {
        comm: &Comm::new(name).expect("a possible name"),
        counts: &counts,
        pids,
    };
    let mut out = KVVec::with_capacity(set.printed_len(), GFP_KERNEL).expect("memory");
    set.append_to(&mut out).expect("room for the whole line");
    assert_eq!(out.len(), set.printed_len());
    out.to_vec()
}

#[test]
fn listing_1() {
    let counts = Counts {
        total: 7845,
        valid: 75,
        may_be_shared: 4,
        nb_group: 2,
    };
    assert_eq!(
        line(b"sshd", counts, &[861, 867, 892]),
        b"sshd, total: 7845, valid: 75, invalid: 7770, may_be_shared: 4, nb_group: 2, pid(3): 861; 867; 892\n"
    );
    assert_eq!(
        line(b"zsh", Counts::default(), &[1]),
        b"zsh, total: 0, valid: 0, invalid: 0, may_be_shared: 0, nb_group: 0, pid(1): 1\n"
    );
}

#[test]
fn largest_numbers() {
    let counts = Counts {
        total: u64::MAX,
        valid: 0,
        may_be_shared: u64::MAX,
        nb_group: 10_000_000_000_000_000_000,
    };
    assert_eq!(
        line(b"x", counts, &[u32::MAX]),
        b"x, total: 18446744073709551615, valid: 0, invalid: 18446744073709551615, \
          may_be_shared: 18446744073709551615, nb_group: 10000000000000000000, pid(1): 4294967295\n"
    );
}

#[test]
fn control_bytes_and_backslash_are_octal() {
    let shown = |name: &[u8]| {
        let line = line(name, Counts::default(), &[1]);
        let end = line
            .windows(9)
            .position(|w| w == b", total: ")
            .expect("a label");
        line[..end].to_vec()
    };
    assert_eq!(shown(b"a\nb"), br"a\012b");
    assert_eq!(shown(b"\x01\x1f\x7f"), br"\001\037\177");
    assert_eq!(shown(br"a\b"), br"a\134b");
    assert_eq!(shown(b"a b|c, d"), b"a b|c, d");
    assert_eq!(
        shown("\u{e9}\u{4e2d}".as_bytes()),
        "\u{e9}\u{4e2d}".as_bytes()
    );
}

#[test]
fn more_valid_pages_than_pages_is_no_underflow() {
    let counts = Counts {
        total: 1,
        valid: 2,
        ..Counts::default()
    };
    assert_eq!(counts.invalid(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn is_the_format_and_nothing_else(
        name in prop::collection::vec(1..=255_u8, 1..=15),
        total in any::<u64>(),
        valid in any::<u64>(),
        may_be_shared in any::<u64>(),
        nb_group in any::<u64>(),
        pids in prop::collection::vec(any::<u32>(), 1..20),
    ) {
        let counts = Counts { total, valid, may_be_shared, nb_group };
        let mut expected = KVVec::with_capacity(64, GFP_KERNEL).expect("memory");
        Name(&name).append_to(&mut expected).expect("room");
        let mut expected = expected.to_vec();
        let pid_list: Vec<String> = pids.iter().map(u32::to_string).collect();
        let invalid = total.saturating_sub(valid);
        expected.extend(
            format!(
                ", total: {total}, valid: {valid}, invalid: {invalid}, \
                 may_be_shared: {may_be_shared}, nb_group: {nb_group}, pid({}): {}\n",
                pids.len(),
                pid_list.join("; "),
            )
            .into_bytes(),
        );
        prop_assert_eq!(line(&name, counts, &pids), expected);
    }

    #[test]
    fn without_room_nothing_is_written(
        before in prop::collection::vec(any::<u8>(), 0..10),
        missing in 1..100_usize,
        pids in prop::collection::vec(any::<u32>(), 1..20),
    ) {
        let set = SetLine {
            comm: &Comm::new(b"a\\name").expect("a possible name"),
            counts: &Counts::default(),
            pids: &pids,
        };
        let missing = missing.min(set.printed_len());
        let mut out = KVVec::with_capacity(before.len() + set.printed_len() - missing, GFP_KERNEL)
            .expect("memory");
        out.extend_from_slice(&before, GFP_KERNEL).expect("room");
        let capacity = out.capacity();
        prop_assert_eq!(set.append_to(&mut out), Err(BufferFull));
        prop_assert_eq!(&out[..], &before[..]);
        prop_assert_eq!(out.capacity(), capacity);
        out.reserve(set.printed_len(), GFP_KERNEL).expect("memory");
        prop_assert_eq!(set.append_to(&mut out), Ok(()));
        prop_assert_eq!(out.len(), before.len() + set.printed_len());
    }
}
