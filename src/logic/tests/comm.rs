// SPDX-License-Identifier: GPL-2.0-only

//! Process names.

use logic::comm::{Comm, TASK_COMM_LEN};
use proptest::prelude::*;

#[test]
fn names_that_a_process_can_bear() {
    for name in [
        &b"a"[..],
        b"sshd",
        b"a name",
        b"\x01\\\x7f\xff",
        b"123456789012345",
    ] {
        let comm = Comm::new(name).expect("a possible name");
        assert_eq!(comm.as_bytes(), name);
        assert_eq!(&comm.as_field()[..name.len()], name);
        assert!(comm.as_field()[name.len()..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn names_that_no_process_can_bear() {
    for name in [
        &b""[..],
        b"\0",
        b"ss\0hd",
        b"sshd\0",
        b"1234567890123456",
        &[b'x'; 57],
    ] {
        assert_eq!(Comm::new(name), None, "{}", name.escape_ascii());
    }
}

#[test]
fn what_follows_the_nul_is_dropped() {
    let field = *b"sshd\0left-over\0\0";
    assert_eq!(
        Comm::from_field(field),
        Comm::new(b"sshd").expect("a possible name")
    );
    assert_eq!(
        Comm::from_field(field).as_field(),
        b"sshd\0\0\0\0\0\0\0\0\0\0\0\0"
    );
}

#[test]
fn a_field_without_nul_ends_after_15_bytes() {
    let comm = Comm::from_field(*b"1234567890123456");
    assert_eq!(comm.as_bytes(), b"123456789012345");
    assert_eq!(comm.as_field()[TASK_COMM_LEN - 1], 0);
}

#[test]
fn an_empty_field_is_an_empty_name() {
    assert_eq!(Comm::from_field([0; TASK_COMM_LEN]).as_bytes(), b"");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 10 } else { 1000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn equal_names_are_equal_bytes(field in any::<[u8; TASK_COMM_LEN]>(), nul in 0..TASK_COMM_LEN) {
        let mut field = field;
        field[nul] = 0;
        let name: Vec<u8> = field.iter().copied().take_while(|byte| *byte != 0).collect();
        let comm = Comm::from_field(field);
        prop_assert_eq!(comm.as_bytes(), &name[..]);
        if name.is_empty() {
            prop_assert_eq!(Comm::new(&name), None);
        } else {
            prop_assert_eq!(Comm::new(&name), Some(comm));
        }
    }
}
