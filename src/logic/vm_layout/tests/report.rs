// SPDX-License-Identifier: GPL-2.0-only

//! The report about a process, as text and as JSON.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::alloc::KVVec;
use logic::comm::Comm;
use logic::text::Print;
use logic_vm_layout::json_report::JsonReport;
use logic_vm_layout::layout::{Layout, LayoutArea, NameRange, Permissions, Segments, Span, Usage};
use logic_vm_layout::text_report::TextReport;
use logic_vm_layout::top_level::{TopLevel, TopLevelEntry, ENTRIES};
use proptest::prelude::*;
use serde_json::Value;

fn printed(report: &impl Print) -> String {
    let mut out = KVVec::with_capacity(report.printed_len(), GFP_KERNEL).expect("memory");
    report.append_to(&mut out).expect("room for all");
    assert_eq!(out.len(), report.printed_len());
    String::from_utf8_lossy(&out).into_owned()
}

fn span(start: usize, end: usize) -> Span {
    Span { start, end }
}

/// Calls `then` with a layout whose one area has this name.
fn with_layout<T>(comm: &[u8], name: &[u8], then: impl FnOnce(&Layout<'_>) -> T) -> T {
    let mut entries = [TopLevelEntry::default(); ENTRIES];
    entries[170] = TopLevelEntry {
        table: 0x1234_5000,
        flag_bits: 0x67,
    };
    entries[511] = TopLevelEntry {
        table: 0x2_0000_0000,
        flag_bits: 1 << 63 | 1 << 52 | 1,
    };
    let area = LayoutArea {
        span: span(0x5555_5555_4000, 0x5555_5555_6000),
        permissions: Permissions {
            read: true,
            execute: true,
            ..Permissions::default()
        },
        offset: 0x1000,
        name: NameRange {
            start: 0,
            len: name.len(),
        },
    };
    then(&Layout {
        pid: 4711,
        comm: &Comm::new(comm).expect("a possible name"),
        areas: &[area],
        names: name,
        segments: Segments {
            code: span(0x5555_5555_4000, 0x5555_5555_5001),
            heap: span(0x5555_5557_0000, 0x5555_5557_0000),
            stack: span(0x7fff_ffff_0000, 0x7fff_ffff_f000),
            ..Segments::default()
        },
        usage: Usage {
            anonymous_pages: 1,
            file_pages: 20,
            shmem_pages: 300,
            swap_pages: 4,
            page_table_bytes: 8192,
            total_vm_pages: 500,
        },
        top_level: TopLevel::new(&entries, 39),
    })
}

#[test]
fn the_text() {
    let text = with_layout(b"a\\b", b"/bin/true", |layout| printed(&TextReport(layout)));
    let expected = "\
process 4711 (a\\134b)
areas: 1
0000555555554000 0000555555556000 8192 r-xp 00001000 /bin/true
code: 0000555555554000 0000555555555001 4097
data: 0000000000000000 0000000000000000 0
stack: 00007fffffff0000 00007ffffffff000 61440
heap: 0000555555570000 0000555555570000 0
arguments: 0000000000000000 0000000000000000 0
environment: 0000000000000000 0000000000000000 0
rss: 321 pages (anonymous 1, file 20, shared memory 300)
swap: 4 pages
page tables: 8192 bytes
total_vm: 500 pages
top-level page table: 4 levels, 2 of 512 entries used
entries 0-169: 0000000000000000-000054ffffffffff empty
entry 170: 0000550000000000-0000557fffffffff -> 0000000012345000 PRESENT|RW|USER|ACCESSED|DIRTY
entries 171-510: 0000558000000000-ffffff7fffffffff empty
entry 511: ffffff8000000000-ffffffffffffffff -> 0000000200000000 PRESENT|BIT52|NX
";
    assert_eq!(text, expected);
}

#[test]
fn five_levels() {
    let entries = [TopLevelEntry::default(); ENTRIES];
    let table = TopLevel::new(&entries, 48);
    assert_eq!(table.levels(), 5);
    for (index, first, last) in [
        (0, 0, 0xffff_ffff_ffff),
        (255, 0x00ff_0000_0000_0000, 0x00ff_ffff_ffff_ffff),
        (256, 0xff00_0000_0000_0000, 0xff00_ffff_ffff_ffff),
        (511, 0xffff_0000_0000_0000, usize::MAX),
    ] {
        let covers = (table.first_address(index), table.last_address(index));
        assert_eq!(covers, (first, last), "entry {index}");
    }
}

#[test]
fn names_of_areas() {
    let line = |name: &[u8]| {
        let text = with_layout(b"x", name, |layout| printed(&TextReport(layout)));
        let line = text.lines().nth(2).expect("the line of the area");
        line.split_once("00001000")
            .expect("the offset")
            .1
            .to_owned()
    };
    assert_eq!(line(b""), "");
    assert_eq!(line(b"/a b"), " /a b");
    assert_eq!(
        line(b"/a\nb\n\\c\x1b\xff"),
        " /a\\012b\\012\\134c\\033\\377"
    );
}

#[test]
fn json_of_names() {
    let name = |name: &[u8]| {
        let json = with_layout(b"x", name, |layout| printed(&JsonReport(layout)));
        let json: Value = serde_json::from_str(&json).expect("JSON");
        json["areas"][0]["name"]
            .as_str()
            .expect("a string")
            .to_owned()
    };
    assert_eq!(name(b"/a \"b\"\\"), "/a \"b\"\\134");
    assert_eq!(name(b"\"\"/a\nb\tc\x01"), "\"\"/a\\012b\\011c\\001");
    assert_eq!(name("/\u{e4}\u{1f600}".as_bytes()), "/\u{e4}\u{1f600}");
    assert_eq!(name(b"/\xffx\xe4\xbd"), "/\\377x\\344\\275");
}

#[test]
fn the_json() {
    let json = with_layout(b"name", b"/bin/true", |layout| printed(&JsonReport(layout)));
    assert_eq!(json.find('\n'), Some(json.len() - 1));
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let expected: Value = serde_json::from_str(
        r#"{
            "pid": 4711, "name": "name",
            "areas": [{
                "start": "0x555555554000", "end": "0x555555556000", "size": 8192,
                "permissions": "r-xp", "offset": "0x1000", "name": "/bin/true"
            }],
            "code": {"start": "0x555555554000", "end": "0x555555555001", "size": 4097},
            "data": {"start": "0x0", "end": "0x0", "size": 0},
            "stack": {"start": "0x7fffffff0000", "end": "0x7ffffffff000", "size": 61440},
            "heap": {"start": "0x555555570000", "end": "0x555555570000", "size": 0},
            "arguments": {"start": "0x0", "end": "0x0", "size": 0},
            "environment": {"start": "0x0", "end": "0x0", "size": 0},
            "rss": {"pages": 321, "anonymous": 1, "file": 20, "shared_memory": 300},
            "swap_pages": 4, "page_table_bytes": 8192, "total_vm_pages": 500,
            "top_level": {"levels": 4, "entries": 512, "used": [
                {
                    "index": 170, "first": "0x550000000000", "last": "0x557fffffffff",
                    "table": "0x12345000", "flags": ["PRESENT", "RW", "USER", "ACCESSED", "DIRTY"]
                },
                {
                    "index": 511, "first": "0xffffff8000000000", "last": "0xffffffffffffffff",
                    "table": "0x200000000", "flags": ["PRESENT", "BIT52", "NX"]
                }
            ]}
        }"#,
    )
    .expect("JSON");
    assert_eq!(json, expected);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_name_makes_lines_and_json(name in prop::collection::vec(1..=255_u8, 0..40)) {
        let (text, json) = with_layout(b"x", &name, |layout| {
            (printed(&TextReport(layout)), printed(&JsonReport(layout)))
        });
        prop_assert_eq!(text.matches('\n').count(), 18);
        prop_assert!(serde_json::from_str::<Value>(&json).is_ok(), "{}", json);
    }

    #[test]
    fn every_entry_is_in_one_run(used in prop::collection::btree_set(0..ENTRIES, 0..40)) {
        let mut entries = [TopLevelEntry::default(); ENTRIES];
        for index in &used {
            entries[*index].flag_bits = 1;
        }
        let table = TopLevel::new(&entries, 39);
        prop_assert_eq!(table.used(), used.len());
        let mut next = 0;
        let mut last_was_empty = false;
        for run in table.runs() {
            prop_assert_eq!(run.first(), next);
            prop_assert!(run.last() >= run.first());
            let is_used = used.contains(&run.first());
            for index in run.first()..=run.last() {
                prop_assert_eq!(used.contains(&index), is_used);
            }
            prop_assert!(is_used || !last_was_empty);
            last_was_empty = !is_used;
            next = run.last() + 1;
        }
        prop_assert_eq!(next, ENTRIES);
    }
}
