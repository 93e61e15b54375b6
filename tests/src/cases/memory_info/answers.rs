// SPDX-License-Identifier: GPL-2.0-only

//! Which answer a process reads: its own, in whatever way the command was given.

use crate::case::{cases, check_eq, check_text};
use crate::helper::Helper;
use crate::memory_info;
use crate::module::MEMORY_INFO;
use crate::shell::{bash, Session};
use anyhow::{bail, ensure, Context, Result};
use guest::child;
use guest::listing;
use nix::errno::Errno;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

const ECHO: &str = "echo 'FILTER|set-a' > $f";
const SH_C: &str = "sh -c \"echo 'FILTER|set-a' > $f\"";
const READ: &str = "IFS= read -r line < $f; echo \"$line\"";
const CAT: &str = "cat $f";

cases! {
    builtin_echo_and_cat => || one_shell(ECHO, CAT),
    builtin_echo_and_read => || one_shell(ECHO, READ),
    sh_c => || one_shell(SH_C, CAT),
    sh_c_both => || one_shell(SH_C, "sh -c \"cat $f\""),
    sh_c_and_read => || one_shell(SH_C, READ),
    external_echo => || one_shell("$(type -P echo) 'FILTER|set-a' > $f", CAT),
    tee => || one_shell("echo 'FILTER|set-a' | tee $f > /dev/null", CAT),
    writer_and_reader_with_parents_like_sudo => || {
        one_shell(
            "bash -c 'bash -c \"$1\"; true' - \"echo 'FILTER|set-a' > $f\"",
            "bash -c 'cat $1; true' - $f",
        )
    },
    writer_in_a_subshell => || one_shell("(echo 'FILTER|set-a' > $f)", CAT),
    reader_in_a_subshell => || one_shell(ECHO, "(cat $f)"),
    reader_in_a_pipe => || one_shell(ECHO, "cat $f | cat"),
    one_descriptor => || {
        one_shell(
            "exec 3<> $f; echo 'FILTER|set-a' >&3; echo 'FILTER|set-b' > $f",
            "cat <&3",
        )
    },
    reader_in_twelve_nested_shells => || one_shell(ECHO, &nested(12, "cat $f")),
    reader_in_forty_nested_shells => || one_shell(ECHO, &nested(40, "cat $f")),
    writer_in_twelve_nested_shells => || one_shell(&nested(12, ECHO), CAT),
    both_in_twelve_nested_shells => || one_shell(&nested(12, ECHO), &nested(12, "cat $f")),
    a_process_that_never_wrote_reads_the_last_answer,
    a_newer_answer_of_another_process_is_not_read,
    a_reused_pid_does_not_inherit_answers,
    two_shells_in_turns_read_their_own_answers,
    parallel_subshells_read_their_own_answers (120 s),
    parallel_processes_read_their_own_answers (120 s),
}

/// Returns a line that runs `script`, which has no double quotes, in a shell that is `depth` shells below.
fn nested(depth: u32, script: &str) -> String {
    // A shell replaces itself by its last command, so each has one more.
    format!(
        "export f depth={depth} script=\"{}\"; \
         export nest='depth=$((depth - 1)); if [ $depth = 0 ]; then eval \"$script\"; else sh -c \"$nest\"; fi; true'; \
         sh -c \"$nest\"; true",
        script.replace('$', "\\$")
    )
}

/// Starts two sets of one process each.
fn two_sets() -> Result<[Helper; 2]> {
    Ok([
        Helper::worker("set-a", "plain", None)?,
        Helper::worker("set-b", "plain", None)?,
    ])
}

/// A shell runs `ask` for set-a, then another shell asks for set-b, then the first one runs `read`: it must print the
/// answer about set-a.
fn one_shell(ask: &str, read: &str) -> Result<()> {
    let sets = two_sets()?;
    let _module = MEMORY_INFO.load()?;
    let (mut shell, mut other) = (Session::start()?, Session::start()?);
    shell.run(&format!("f={}; {ask}", memory_info::PATH))?;
    other.run("echo 'FILTER|set-b' > /proc/memory_info")?;
    let printed = shell.run(read)?;
    let others = other.run("cat /proc/memory_info")?;
    shell.end()?;
    other.end()?;
    let lines = listing::parse(printed.as_bytes())?;
    check_eq("number of lines", lines.len(), 1)?;
    check_text("the name in the answer", &lines[0].name, "set-a")?;
    check_eq(
        "the pid in the answer",
        &lines[0].pids,
        &vec![sets[0].pid()],
    )?;
    ensure!(
        others.starts_with("set-b, "),
        "the other shell read \"{others}\""
    );
    Ok(())
}

fn a_process_that_never_wrote_reads_the_last_answer() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    bash("echo RESET > /proc/memory_info")?;
    let printed = bash("cat /proc/memory_info; true")?;
    check_text(
        "the answer that a process reads that never wrote",
        printed,
        memory_info::SUCCESS,
    )?;
    bash("echo 'FILTER|nobody' > /proc/memory_info")?;
    let printed = bash("cat /proc/memory_info; true")?;
    check_text(
        "the answer to a later command",
        printed,
        memory_info::NO_PROCESS,
    )
}

fn a_newer_answer_of_another_process_is_not_read() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    memory_info::reset()?;
    bash("echo 'FILTER|nobody' > /proc/memory_info")?;
    check_text(
        "this process's answer",
        memory_info::read()?,
        memory_info::SUCCESS,
    )
}

fn a_reused_pid_does_not_inherit_answers() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let mut dead = None;
    let mut read_under_its_pid = || -> Result<Option<Vec<u8>>> {
        let mut first = Command::new("bash")
            .args(["-c", "echo nonsense > /proc/memory_info; exit 0"])
            .stderr(Stdio::null())
            .spawn()?;
        let pid = first.id();
        ensure!(first.wait()?.success(), "the shell that writes failed");
        dead = Some(pid);
        bash("echo 'FILTER|nobody' > /proc/memory_info")?;
        let (mut from, mut to) = child::pipe()?;
        let reader = child::start_with_pid(Pid::from_raw(pid as i32), || {
            let read = memory_info::read().map_err(std::io::Error::other);
            read.and_then(|text| to.write_all(&text))
                .map_err(|_| Errno::EIO)
        });
        let reader = match reader {
            // Another process has got the pid.
            Err(Errno::EEXIST) => return Ok(None),
            other => other.context("cannot start a process with a given pid")?,
        };
        drop(to);
        let mut text = Vec::new();
        from.read_to_end(&mut text)?;
        check_eq(
            "the status of the reader",
            waitpid(reader, None)?,
            WaitStatus::Exited(reader, 0),
        )?;
        Ok(Some(text))
    };
    for _ in 0..10 {
        if let Some(text) = read_under_its_pid()? {
            return check_text(
                "the answer that a process with a reused pid reads",
                text,
                memory_info::NO_PROCESS,
            );
        }
    }
    bail!("the pid {dead:?} was never free")
}

/// Two shells give commands and read answers in turns, with all combinations of ways to do that.
fn two_shells_in_turns_read_their_own_answers() -> Result<()> {
    const ASK: [&str; 4] = [
        "echo 'FILTER|NAME' > /proc/memory_info",
        "sh -c \"echo 'FILTER|NAME' > /proc/memory_info\"",
        "$(type -P echo) 'FILTER|NAME' > /proc/memory_info",
        "echo 'FILTER|NAME' | tee /proc/memory_info > /dev/null",
    ];
    let _sets = two_sets()?;
    let _module = MEMORY_INFO.load()?;
    for ask_a in ASK {
        for ask_b in ASK {
            let (mut a, mut b) = (Session::start()?, Session::start()?);
            a.run(&ask_a.replace("NAME", "set-a"))?;
            b.run(&ask_b.replace("NAME", "set-b"))?;
            for read in ["cat /proc/memory_info", "(cat /proc/memory_info)"] {
                let (for_a, for_b) = (a.run(read)?, b.run(read)?);
                ensure!(
                    for_a.starts_with("set-a, ") && for_b.starts_with("set-b, "),
                    "after {ask_a} and {ask_b}, by {read}:\n  shell a read {for_a:?}\n  shell b read {for_b:?}"
                );
            }
            a.end()?;
            b.end()?;
        }
    }
    Ok(())
}

fn parallel_subshells_read_their_own_answers() -> Result<()> {
    let _sets = two_sets()?;
    let _module = MEMORY_INFO.load()?;
    bash(
        r#"
        f=/proc/memory_info
        ask() {  # command, what the answer must begin with
            echo "$1" > $f
            IFS= read -r line < $f
            [[ $line == "$2"* ]] || { echo "shell $BASHPID asked $1 and read: $line"; exit 1; }
        }
        for shell in {1..12}; do
            (
                set=set-$( (( shell % 2 )) && echo a || echo b)
                for round in {1..40}; do
                    ask "FILTER|$set" "$set, total: "
                    ask "FILTER|nobody" "[ERROR]: No such process"
                    (( round % 10 )) || ask RESET "[SUCCESS]"
                done
            ) &
            shells+=($!)
        done
        for shell in "${shells[@]}"; do wait "$shell" || failed=1; done
        [[ -z $failed ]]
        "#,
    )
    .map(drop)
}

fn parallel_processes_read_their_own_answers() -> Result<()> {
    let _module = MEMORY_INFO.load()?;
    let storms = (0..4).map(|index| {
        Helper::start(
            &mut crate::helper::worker_command(
                &format!("storm-{index}"),
                "memory-info-storm",
                Some("6"),
            )?,
            format!("storm {index}"),
        )
    });
    let storms = storms.collect::<Result<Vec<_>>>()?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(90);
    storms
        .into_iter()
        .try_for_each(|storm| storm.finish(deadline))
}
