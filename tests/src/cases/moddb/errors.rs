// SPDX-License-Identifier: GPL-2.0-only

//! Errors of requests: the error number, a message that names the attribute, and the offset of the attribute.

use crate::case::{cases, check_eq};
use crate::moddb::netlink::{
    attribute, RequestError, GENL_HDRLEN, NLA_F_NESTED, NLMSG_HDRLEN, NLM_F_ACK, NLM_F_DUMP,
};
use crate::moddb::{
    entry, pair, with_condition, Client, Pairs, CHANGE, CHANGED, DEL, ENTRY, FLUSH, GET, IF_ABSENT,
    IF_VALUE, KEY, KEYS_ONLY, LIST, NOOP, OPTIONAL, SET, VALUE,
};
use crate::module::MODDB;
use anyhow::{ensure, Context, Result};
use nix::errno::Errno;

cases! {
    error_messages_name_the_attribute,
    errors_point_at_the_attribute,
    malformed_requests,
    unknown_operations,
}

/// Sends a request, which must fail, and returns its error.
fn error_of(store: &mut Client, command: u8, attributes: &[u8]) -> Result<RequestError> {
    let answer = store.call(command, NLM_F_ACK, attributes).map(drop);
    answer
        .err()
        .with_context(|| format!("operation {command} succeeded, but must fail"))
}

/// Operation and attributes of a request, its error number, and the attribute that the error message must name.
type Wrong = (u8, Vec<u8>, Errno, &'static str);

/// Returns requests that must fail.
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
        let error = error_of(&mut store, command, &request)?;
        let what = format!("wrong request {index} (operation {command}): {error}");
        check_eq(&what, error.errno, errno)?;
        ensure!(
            error.message.contains(name),
            "{what}\n  the message does not name {name}"
        );
        ensure!(
            error.offset.is_some() || error.missing.is_some() || name == "entry",
            "{what}\n  the error has neither an offset nor a missing attribute"
        );
    }
    check_eq(
        "the store",
        store.list()?,
        Pairs::from([(b"there".to_vec(), b"value".to_vec())]),
    )
}

/// The offset of an error is that of the header of the attribute, from the beginning of the message.
fn errors_point_at_the_attribute() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    store.set(b"there", b"value")?;
    let first = NLMSG_HDRLEN + GENL_HDRLEN;
    let request = entry(&[(KEY, b"nobody")]);
    let error = error_of(&mut store, GET, &request)?;
    check_eq(
        "the offset of the only key",
        error.offset,
        Some((first + 4) as u32),
    )?;
    let good = entry(&[(KEY, b"there")]);
    let error = error_of(
        &mut store,
        GET,
        &[good.clone(), good.clone(), request].concat(),
    )?;
    check_eq(
        "the offset of the third key",
        error.offset,
        Some((first + 2 * good.len() + 4) as u32),
    )?;
    let request = entry(&[(KEY, b"there"), (VALUE, b"new"), (IF_VALUE, b"other")]);
    let error = error_of(&mut store, SET, &request)?;
    // The entry begins with a key of five bytes and a value of three, each with its header and its padding.
    check_eq(
        "the offset of the condition",
        error.offset,
        Some((first + 4 + 12 + 8) as u32),
    )
}

/// Requests that the validation of the kernel or of the module must reject.
fn malformed_requests() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let key = attribute(KEY, b"k");
    let requests: Vec<(&str, u8, Vec<u8>)> = vec![
        ("an entry without NLA_F_NESTED", GET, attribute(ENTRY, &key)),
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
        ("an empty entry", GET, attribute(ENTRY | NLA_F_NESTED, &[])),
        (
            "a key in an entry in an entry",
            GET,
            attribute(ENTRY | NLA_F_NESTED, &attribute(ENTRY | NLA_F_NESTED, &key)),
        ),
        (
            "a key longer than its entry",
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
            "bytes after the last attribute",
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
        let error = error_of(&mut store, command, &request).context(what)?;
        check_eq(what, error.errno, Errno::EINVAL)?;
    }
    check_eq("the store", store.list()?, Pairs::new())
}

fn unknown_operations() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    for command in [0, CHANGED, CHANGED + 1, 255] {
        for flags in [NLM_F_ACK, NLM_F_DUMP] {
            let error = store
                .call(command, flags, &[])
                .err()
                .context("the request succeeded, but must fail")?;
            check_eq(
                &format!("operation {command}"),
                error.errno,
                Errno::EOPNOTSUPP,
            )?;
        }
    }
    // LIST must be a dump, and all other operations must not.
    for (command, flags) in [
        (LIST, NLM_F_ACK),
        (NOOP, NLM_F_DUMP),
        (GET, NLM_F_DUMP),
        (SET, NLM_F_DUMP),
        (DEL, NLM_F_DUMP),
        (FLUSH, NLM_F_DUMP),
    ] {
        let error = store
            .call(command, flags, &[])
            .err()
            .context("the request succeeded, but must fail")?;
        check_eq(
            &format!("operation {command} with flags {flags:#x}"),
            error.errno,
            Errno::EOPNOTSUPP,
        )?;
    }
    Ok(())
}
