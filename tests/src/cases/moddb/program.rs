// SPDX-License-Identifier: GPL-2.0-only

//! The program `moddb` as it is used in a shell.

use crate::case::{cases, check_eq, check_text};
use crate::moddb::{Client, Pairs};
use crate::module::MODDB;
use anyhow::{ensure, Context, Result};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

cases! {
    sets_and_gets,
    works_under_the_name_test,
    exit_statuses,
    any_bytes,
    dumps_and_restores,
    watches,
}

/// Runs `moddb` with the arguments `words` and the standard input `input`.
fn run(words: &[&str], input: &[u8]) -> Result<Output> {
    let mut child = Command::new("moddb")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run moddb")?;
    child
        .stdin
        .take()
        .context("moddb has no standard input")?
        .write_all(input)?;
    child.wait_with_output().context("cannot wait for moddb")
}

/// Runs `moddb`, which must succeed, and returns what it prints.
fn printed(words: &[&str]) -> Result<Vec<u8>> {
    let output = run(words, b"")?;
    ensure!(
        output.status.success(),
        "moddb {words:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

fn sets_and_gets() -> Result<()> {
    let _module = MODDB.load()?;
    check_text("noop", printed(&["noop"])?, "")?;
    check_text("set", printed(&["set", "key", "value"])?, "")?;
    check_text("get", printed(&["get", "key"])?, "value\n")?;
    check_text("raw", printed(&["get", "--raw", "key"])?, "value")?;
    printed(&["set", "a", "1", "b", "two words"])?;
    check_text(
        "several",
        printed(&["get", "b", "a"])?,
        "b\ttwo words\na\t1\n",
    )?;
    check_text(
        "JSON",
        printed(&["get", "a", "--json"])?,
        "{\"key\":\"a\",\"value\":\"1\"}\n",
    )?;
    check_text("some", printed(&["get", "-f", "x", "a"])?, "a\t1\n")?;
    printed(&["set", "--if-value", "1", "a", "2"])?;
    printed(&["set", "--if-absent", "c", "3"])?;
    printed(&["del", "-f", "key", "nobody"])?;
    printed(&["del", "--if-value", "3", "c"])?;
    let mut lines: Vec<_> = String::from_utf8(printed(&["list"])?)?
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    check_eq(
        "list",
        lines,
        vec!["a\t2".to_owned(), "b\ttwo words".to_owned()],
    )?;
    check_eq("keys", printed(&["list", "--keys"])?.len(), 4)?;
    printed(&["flush"])?;
    check_text("list of nothing", printed(&["list"])?, "")
}

/// The module's task calls the program `test` (docs/tasks.md).
fn works_under_the_name_test() -> Result<()> {
    let _module = MODDB.load()?;
    let script = "cd /root && ./test set key value && ./test get key";
    check_text("the output of test", crate::shell::bash(script)?, "value\n")
}

fn exit_statuses() -> Result<()> {
    let status = |words: &[&str]| -> Result<(Option<i32>, String)> {
        let output = run(words, b"")?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    };
    let (code, said) = status(&["get", "k"])?;
    check_eq("without the module", code, Some(6))?;
    ensure!(said.contains("insmod"), "{said}");
    let module = MODDB.load_with("max_entries=1")?;
    printed(&["set", "k", "v"])?;
    let long = "x".repeat(256);
    for (words, code, word) in [
        (&["get", "nobody"][..], 1, "key"),
        (&["del", "nobody"], 1, "key"),
        (&["set", "k"], 2, "Usage"),
        (&["set", "k", "v", "l"], 2, "no value"),
        (&["get", ""], 2, "1 to 255"),
        (&["get", &long], 2, "1 to 255"),
        (&["nonsense"], 2, "Usage"),
        (&["set", "--if-absent", "k", "v"], 3, "if-absent"),
        (&["set", "--if-value", "x", "k", "v"], 3, "if-value"),
        (&["set", "l", "v"], 5, "entries"),
        (&["restore", "/nowhere"], 7, "/nowhere"),
        (&["dump", "/nowhere/x"], 7, "/nowhere/x"),
    ] {
        let (status, said) = status(words)?;
        check_eq(
            &format!("the exit status of moddb {words:?}, which prints {said}"),
            status,
            Some(code),
        )?;
        ensure!(
            said.contains(word),
            "the output of moddb {words:?} lacks \"{word}\": {said}"
        );
    }
    let mut as_nobody = Command::new("moddb");
    as_nobody.args(["set", "k", "v"]).uid(65534).gid(65534);
    let status = as_nobody.stderr(Stdio::null()).status()?;
    check_eq("without privileges", status.code(), Some(4))?;
    for words in [
        &["--help"][..],
        &["set", "--help"],
        &["get", "--help"],
        &["watch", "--help"],
    ] {
        ensure!(!printed(words)?.is_empty(), "{words:?} prints nothing");
    }
    module.unload()
}

fn any_bytes() -> Result<()> {
    let _module = MODDB.load()?;
    let all: Vec<u8> = (0..=255).collect();
    let huge: Vec<u8> = all.iter().copied().cycle().take(65_535).collect();
    for value in [&[][..], &all, &huge] {
        let set = run(&["set", "-e", r"\x00\xff", "-"], value)?;
        ensure!(
            set.status.success(),
            "{}",
            String::from_utf8_lossy(&set.stderr)
        );
        check_eq(
            "the value has the expected contents",
            printed(&["get", "--raw", "-e", r"\x00\xff"])? == value,
            true,
        )?;
        check_eq(
            "the store has the expected value",
            Client::open()?.get(&[0, 0xff])? == value,
            true,
        )?;
    }
    let too_long = run(&["set", "k", "-"], &[0; 65_536])?;
    check_eq("a value that is too long", too_long.status.code(), Some(2))?;
    Client::open()?.set(&[0, 0xff], b"\x01\\\n")?;
    check_text(
        "listed",
        printed(&["list"])?,
        "\\x00\\xff\t\\x01\\\\\\x0a\n",
    )?;
    let json = printed(&["list", "--json"])?;
    check_text(
        "as JSON",
        json,
        "{\"key_base64\":\"AP8=\",\"value\":\"\\u0001\\\\\\n\"}\n",
    )
}

fn dumps_and_restores() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let mut model = Pairs::new();
    for index in 0..1500_u32 {
        let value = vec![index as u8; (index * 37 % 2000) as usize];
        store.set(&index.to_be_bytes(), &value)?;
        model.insert(index.to_be_bytes().to_vec(), value);
    }
    store.set(&[0xff; 255], &[7; 65_535])?;
    model.insert(vec![0xff; 255], vec![7; 65_535]);
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("dump");
    let name = file.to_str().context("the path is not valid UTF-8")?;
    printed(&["dump", name])?;
    store.flush()?;
    printed(&["restore", name])?;
    check_eq(
        "the restored store is the dumped one",
        store.list()? == model,
        true,
    )?;
    store.set(b"another", b"")?;
    printed(&["restore", "--flush", name])?;
    check_eq(
        "the store restored after a flush is the dumped one",
        store.list()? == model,
        true,
    )?;
    let piped =
        crate::shell::bash("moddb dump - | moddb restore --flush - && moddb list --keys | wc -l")?;
    check_eq("entries through a pipe", piped.trim(), "1501")?;
    // A truncated file changes nothing.
    let mut bytes = std::fs::read(&file)?;
    bytes.truncate(bytes.len() - 1);
    std::fs::write(&file, bytes)?;
    store.flush()?;
    check_eq(
        "the exit status for a truncated file",
        run(&["restore", name], b"")?.status.code(),
        Some(7),
    )?;
    check_eq("entries", store.list()?.len(), 0)?;
    let left = std::fs::read_dir(dir.path())?.count();
    check_eq("files in the directory of the dump", left, 1)
}

fn watches() -> Result<()> {
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let mut child = Command::new("moddb")
        .args(["watch", "--count", "3"])
        .stdout(Stdio::piped())
        .spawn()?;
    // Nothing shows when the program has joined the group, so changes are made until it has received three.
    let mut printed = child
        .stdout
        .take()
        .context("moddb has no standard output")?;
    let text = std::thread::scope(|scope| -> Result<String> {
        let reader = scope.spawn(move || {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut printed, &mut text).map(|_| text)
        });
        while !reader.is_finished() {
            store.set(b"k", b"value")?;
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        reader
            .join()
            .map_err(|_| anyhow::anyhow!("the reader panicked"))?
            .context("cannot read")
    })?;
    check_text("the output", text, "set\tk\t5\n".repeat(3))?;
    check_eq("the program succeeds", child.wait()?.success(), true)
}
