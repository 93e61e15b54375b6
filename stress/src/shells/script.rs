// SPDX-License-Identifier: GPL-2.0-only

//! Real shells: programs that are driven line by line.

use super::{Reply, Shell};
use fastrand::Rng;
use guest::memory_info::PATH;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A program that is a shell, with its arguments.
pub type Program = &'static [&'static str];

const PROGRAMS: &[Program] = &[&["bash", "--norc"], &["dash"], &["busybox", "sh"], &["sh"]];

/// Returns the shells that this machine has.
pub fn programs() -> Vec<Program> {
    let works = |program: &Program| {
        Command::new(program[0])
            .args(&program[1..])
            .args(["-c", "exit 0"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    PROGRAMS.iter().copied().filter(works).collect()
}

/// A form in which a shell gives a command: a name, and a script that leaves the status of the write in `$w`. `$f` is
/// the file and `$c` the command.
struct Form(&'static str, &'static str);

/// Forms in which the shell itself writes, or a child writes and has a child of its own read.
const SHELL_WRITES: &[Form] = &[
    Form("echo > file; cat file", "echo \"$c\" > $f; w=$?; cat $f"),
    Form(
        "exec 3<> file; echo >&3; cat <&3",
        "echo \"$c\" >&3; w=$?; cat <&3",
    ),
    SUBSHELL,
    BACKGROUND,
    SH_C,
];

/// Forms in which only children of the shell write.
const CHILDREN_WRITE: &[Form] = &[
    Form(
        "/bin/echo > file; cat file",
        "env echo \"$c\" > $f; w=$?; cat $f",
    ),
    Form(
        "echo | tee file; cat file",
        "echo \"$c\" | tee $f > /dev/null; w=$?; cat $f",
    ),
    Form(
        "sh -c 'echo > file'; sh -c 'cat file'",
        "sh -c 'echo \"$1\" > $2; exit $?' - \"$c\" $f; w=$?; sh -c 'cat $1; exit $?' - $f",
    ),
    SUBSHELL,
    BACKGROUND,
    SH_C,
];

const SUBSHELL: Form = Form(
    "(echo > file; cat file)",
    "( echo \"$c\" > $f; w=$?; cat $f; exit $w ); w=$?",
);
const BACKGROUND: Form = Form(
    "(echo > file; cat file) & wait",
    "( echo \"$c\" > $f; w=$?; cat $f; exit $w ) & wait $!; w=$?",
);
const SH_C: Form = Form(
    "sh -c 'echo > file; cat file'",
    "sh -c 'echo \"$1\" > $2; w=$?; cat $2; exit $w' - \"$c\" $f; w=$?",
);

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// A real shell.
pub struct Script {
    program: Program,
    forms: &'static [Form],
    rng: Rng,
    process: Option<Process>,
    number: u64,
    form: usize,
}

impl Script {
    /// Makes a shell that gives each command in a random form.
    pub fn new(program: Program, mut rng: Rng) -> Self {
        let forms = if rng.bool() {
            SHELL_WRITES
        } else {
            CHILDREN_WRITE
        };
        Self {
            program,
            forms,
            rng,
            process: None,
            number: 0,
            form: 0,
        }
    }

    fn start(&self) -> io::Result<Process> {
        let mut child = Command::new(self.program[0])
            .args(&self.program[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The status says whether a write failed.
            .stderr(Stdio::null())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (mut input, output) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "f={PATH}; test -e $f && exec 3<> $f")?;
        Ok(Process {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Types one command. The answer ends with a line that begins with the returned text.
    fn type_command(&mut self, command: &[u8]) -> io::Result<(Process, String)> {
        let mut process = match self.process.take() {
            Some(process) => process,
            None => self.start()?,
        };
        self.number += 1;
        self.form = self.rng.usize(..self.forms.len());
        let end = format!("--end of {} of {}, ", self.number, process.child.id());
        let Form(_, script) = self.forms[self.form];
        let mut typed = b"c='".to_vec();
        typed.extend(command);
        typed.extend(format!("'; {script}; echo \"{end}$w\"\n").bytes());
        process.input.write_all(&typed)?;
        Ok((process, end))
    }
}

impl Shell for Script {
    fn describe(&self) -> String {
        format!("{}: {}", self.program.join(" "), self.forms[self.form].0)
    }

    fn new_writers(&self) -> u64 {
        // In some forms the shell itself writes, but the next form is random.
        1
    }

    fn is_cheap(&self) -> bool {
        false
    }

    fn can_say(&self, command: &[u8]) -> bool {
        let plain = |byte: &u8| matches!(byte, b' ' | b'|' | b'.') || byte.is_ascii_alphanumeric();
        command.iter().all(plain)
    }

    fn ask(&mut self, command: &[u8]) -> io::Result<Reply> {
        let (mut process, end) = self.type_command(command)?;
        let mut text = Vec::new();
        loop {
            let start = text.len();
            if process.output.read_until(b'\n', &mut text)? == 0 {
                let status = process.child.wait()?;
                let why = format!("{} ended with {status} during a command", self.describe());
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
            }
            let line = &text[start..];
            if let Some(at) = line
                .windows(end.len())
                .position(|part| part == end.as_bytes())
            {
                let went_well = line[at + end.len()..] == *b"0\n";
                let write = if went_well { Ok(()) } else { Err(None) };
                text.truncate(start + at);
                self.process = Some(process);
                return Ok(Reply { write, text });
            }
        }
    }

    fn leaves_writers(&self) -> bool {
        true
    }

    fn ask_and_be_killed(&mut self, command: &[u8], after: Duration) -> io::Result<()> {
        let (mut process, _) = self.type_command(command)?;
        std::thread::sleep(after);
        process.child.kill()?;
        process.child.wait()?;
        Ok(())
    }

    fn reopen(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The shell is idle. Closing its input would not end it: later children may have the pipe open.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
