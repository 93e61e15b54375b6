// SPDX-License-Identifier: GPL-2.0-only

//! What a refused request is told: the number, a sentence that names the attribute, and where that lies.

use crate::case::{cases, check_eq};
use crate::moddb::{
    entry, pair, with_condition, Client, Pairs, CHANGE, CHANGED, DEL, ENTRY, FLUSH, GET, IF_ABSENT,
    IF_VALUE, KEY, KEYS_ONLY, LIST, NOOP, OPTIONAL, SET, VALUE,
};
use crate::module::MODDB;
use crate::netlink::{
    attribute, RequestError, GENL_HDRLEN, NLA_F_NESTED, NLMSG_HDRLEN, NLM_F_ACK, NLM_F_DUMP,
};
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;

cases! {
    error_messages_name_the_attribute,
    errors_point_at_the_attribute,
    malformed_requests,
    unknown_operations,
}

fn refused(store: &mut Client, command: u8, attributes: &[u8]) -> Result<RequestError> {
    let answer = store.call(command, NLM_F_ACK, attributes).map(drop);
    answer
        .err()
        .with_context(|| format!("operation {command} is not refused"))
}

/// A request, its error, and the attribute that the sentence must name.
type Wrong = (u8, Vec<u8>, Errno, &'static str);

fn wrong() -> Vec<Wrong> {
    let flag: &[u8] = &[];
    vec![
        (GET, entry(&[(KEY, b"nobody")]), Errno::ENOENT, "key"),
        (DEL, entry(&[(KEY, b"nobody")]), Errno::ENOENT, "key"),
        (GET, entry(&[(KEY, b"")]), Errno::EINVAL, "key"),
        (SET, pair(b"", b"x"), Errno::EINVAL, "key"),
        (SET, pair(&[b'k'; 256], b"x"), Errno::E2BIG, "key"),
        (GET, entry(&[(KEY, &[b'k'; 256])]), Errno::E2BIG, "key"),
        (SET, pair(b"k", &[0; 65_536]), Errno::E2BIG, "value"),
        (
            SET,
            entry(&[(KEY, b"k"), (VALUE, &[0; 32_513])]),
            Errno::E2BIG,
            "value",
        ),
        (
            SET,
            with_condition(b"k", Some(b"x"), Some(&[0; 65_536])),
            Errno::E2BIG,
            "if-value",
        ),
        (
            SET,
            with_condition(b"there", Some(b"x"), Some(b"other")),
            Errno::ECANCELED,
            "if-value",
        ),
        (
            SET,
            entry(&[(KEY, b"there"), (VALUE, b"x"), (IF_ABSENT, flag)]),
            Errno::EEXIST,
            "if-absent",
        ),
        (SET, entry(&[(KEY, b"k")]), Errno::EINVAL, "value"),
        (SET, entry(&[(VALUE, b"x")]), Errno::EINVAL, "key"),
        (
            GET,
            entry(&[(KEY, b"k"), (VALUE, b"x")]),
            Errno::EINVAL,
            "value",
        ),
        (
            GET,
            entry(&[(KEY, b"k"), (IF_VALUE, b"x")]),
            Errno::EINVAL,
            "if-value",
        ),
        (
            DEL,
            entry(&[(KEY, b"k"), (VALUE, b"x")]),
            Errno::EINVAL,
            "value",
        ),
        (
            DEL,
            entry(&[(KEY, b"k"), (IF_ABSENT, flag)]),
            Errno::EINVAL,
            "if-absent",
        ),
        (
            SET,
            entry(&[(KEY, b"k"), (VALUE, b""), (OPTIONAL, flag)]),
            Errno::EINVAL,
            "optional",
        ),
        (
            DEL,
            entry(&[(KEY, b"there"), (IF_VALUE, b""), (OPTIONAL, flag)]),
            Errno::EINVAL,
            "optional",
        ),
        (
            SET,
            [pair(b"k", b""), pair(b"k", b"")].concat(),
            Errno::EINVAL,
            "key",
        ),
        (SET, Vec::new(), Errno::EINVAL, "entry"),
        (GET, Vec::new(), Errno::EINVAL, "entry"),
        (DEL, Vec::new(), Errno::EINVAL, "entry"),
    ]
}

fn error_messages_name_the_attribute() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"there", b"value")?;
    for (index, (command, request, errno, name)) in wrong().into_iter().enumerate() {
        let refusal = refused(&mut store, command, &request)?;
        let what = format!("wrong request {index} (operation {command}): {refusal}");
        check_eq(&what, refusal.errno, errno)?;
        ensure!(
            refusal.message.contains(name),
            "{what}\n  does not name {name}"
        );
        ensure!(
            refusal.offset.is_some() || refusal.missing.is_some() || name == "entry",
            "{what}\n  does not say where"
        );
    }
    check_eq(
        "the store",
        store.list()?,
        Pairs::from([(b"there".to_vec(), b"value".to_vec())]),
    )
}

/// The offset is that of the attribute's header in the message.
fn errors_point_at_the_attribute() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"there", b"value")?;
    let first = NLMSG_HDRLEN + GENL_HDRLEN;
    let request = entry(&[(KEY, b"nobody")]);
    let refusal = refused(&mut store, GET, &request)?;
    check_eq("the only key", refusal.offset, Some((first + 4) as u32))?;
    let good = entry(&[(KEY, b"there")]);
    let refusal = refused(
        &mut store,
        GET,
        &[good.clone(), good.clone(), request].concat(),
    )?;
    check_eq(
        "the third key",
        refusal.offset,
        Some((first + 2 * good.len() + 4) as u32),
    )?;
    let request = entry(&[(KEY, b"there"), (VALUE, b"new"), (IF_VALUE, b"other")]);
    let refusal = refused(&mut store, SET, &request)?;
    // A key of five bytes and a value of three, each with its header and padded.
    check_eq(
        "the condition",
        refusal.offset,
        Some((first + 4 + 12 + 8) as u32),
    )
}

/// What the kernel's own validation refuses, or should.
fn malformed_requests() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let key = attribute(KEY, b"k");
    let requests: Vec<(&str, u8, Vec<u8>)> = vec![
        (
            "a nest that does not say that it is one",
            GET,
            attribute(ENTRY, &key),
        ),
        (
            "an unknown attribute",
            GET,
            [entry(&[(KEY, b"k")]), attribute(77, b"x")].concat(),
        ),
        (
            "an unknown attribute in an entry",
            GET,
            entry(&[(KEY, b"k"), (77, b"x")]),
        ),
        (
            "an attribute of notifications",
            GET,
            [entry(&[(KEY, b"k")]), attribute(CHANGE | NLA_F_NESTED, &[])].concat(),
        ),
        (
            "an attribute of lists",
            GET,
            [entry(&[(KEY, b"k")]), attribute(KEYS_ONLY, &[])].concat(),
        ),
        (
            "a flag with a value",
            SET,
            entry(&[(KEY, b"k"), (VALUE, b"x"), (IF_ABSENT, b"1234")]),
        ),
        (
            "an attribute shorter than its header",
            GET,
            vec![3, 0, 1, 0x80],
        ),
        ("an attribute of length 0", GET, vec![0, 0, 1, 0x80]),
        (
            "an attribute longer than the message",
            GET,
            vec![200, 0, 1, 0x80, 0, 0, 0, 0],
        ),
        ("an empty nest", GET, attribute(ENTRY | NLA_F_NESTED, &[])),
        (
            "a key in a nest in a nest",
            GET,
            attribute(ENTRY | NLA_F_NESTED, &attribute(ENTRY | NLA_F_NESTED, &key)),
        ),
        (
            "a key longer than its nest",
            GET,
            attribute(ENTRY | NLA_F_NESTED, &[200, 0, 1, 0, b'k', 0, 0, 0]),
        ),
        (
            "a key twice in an entry",
            SET,
            entry(&[(KEY, b"k"), (KEY, b"l"), (VALUE, b"x")]),
        ),
        (
            "a value twice in an entry",
            SET,
            entry(&[(KEY, b"k"), (VALUE, b"x"), (VALUE, b"y")]),
        ),
        (
            "bytes behind the last attribute",
            GET,
            [entry(&[(KEY, b"k")]), vec![1, 2]].concat(),
        ),
        (
            "both conditions",
            SET,
            entry(&[(KEY, b"k"), (VALUE, b""), (IF_VALUE, b""), (IF_ABSENT, &[])]),
        ),
    ];
    for (what, command, request) in requests {
        let refusal = refused(&mut store, command, &request).context(what)?;
        check_eq(what, refusal.errno, Errno::EINVAL)?;
    }
    check_eq("the store", store.list()?, Pairs::new())
}

fn unknown_operations() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    for command in [0, CHANGED, CHANGED + 1, 255] {
        for flags in [NLM_F_ACK, NLM_F_DUMP] {
            let refusal = store
                .call(command, flags, &[])
                .err()
                .context("not refused")?;
            check_eq(
                &format!("operation {command}"),
                refusal.errno,
                Errno::EOPNOTSUPP,
            )?;
        }
    }
    // A list is only a dump, the others are none.
    for (command, flags) in [
        (LIST, NLM_F_ACK),
        (NOOP, NLM_F_DUMP),
        (GET, NLM_F_DUMP),
        (SET, NLM_F_DUMP),
        (DEL, NLM_F_DUMP),
        (FLUSH, NLM_F_DUMP),
    ] {
        let refusal = store
            .call(command, flags, &[])
            .err()
            .context("not refused")?;
        check_eq(
            &format!("operation {command} with flags {flags:#x}"),
            refusal.errno,
            Errno::EOPNOTSUPP,
        )?;
    }
    Ok(())
}
