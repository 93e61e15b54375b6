// SPDX-License-Identifier: GPL-2.0-only

//! Steps of a command: the progress line on the terminal, the log, and the error message of a failed step.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use regex::Regex;

/// The failure of a step: its message quotes the relevant lines of the log and names the log's path.
#[derive(Debug)]
pub struct StepError {
    step: String,
    cause: String,
    log: PathBuf,
}

impl std::fmt::Display for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "step \"{}\" failed: {}", self.step, self.cause)?;
        let log = std::fs::read(&self.log).unwrap_or_default();
        for line in relevant_lines(&String::from_utf8_lossy(&log)) {
            writeln!(f, "  | {line}")?;
        }
        write!(f, "  log: {}", self.log.display())
    }
}

impl std::error::Error for StepError {}

impl StepError {
    /// Returns the path of the step's log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns the first error that a compiler wrote into the log, with the place that it names.
    pub fn first_compiler_error(&self) -> Option<String> {
        let log = std::fs::read(&self.log).unwrap_or_default();
        first_compiler_error(&String::from_utf8_lossy(&log))
    }
}

/// A running step. It runs programs, writes their output to the step's log, and shows the last line on the terminal.
pub struct Step {
    log: PathBuf,
    bar: ProgressBar,
}

/// Runs `work` as the step `title` with the log file `log`.
pub fn step<T>(title: &str, log: PathBuf, work: impl FnOnce(&Step) -> Result<T>) -> Result<T> {
    let started = Instant::now();
    File::create(&log).with_context(|| format!("cannot create the log {}", log.display()))?;
    let terminal = std::io::stderr().is_terminal();
    let bar = if terminal {
        ProgressBar::new_spinner()
    } else {
        eprintln!("{title} ...");
        ProgressBar::hidden()
    };
    bar.set_style(
        ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg:.dim}")
            .context("cannot parse the template of the progress line")?,
    );
    bar.set_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    let step = Step { log, bar };
    let outcome = work(&step);
    step.bar.finish_and_clear();
    match outcome {
        Ok(value) => {
            eprintln!(
                "{title} ... done ({:.1} s)",
                started.elapsed().as_secs_f32()
            );
            Ok(value)
        }
        Err(error) => Err(StepError {
            step: title.to_owned(),
            cause: format!("{error:#}"),
            log: step.log,
        }
        .into()),
    }
}

impl Step {
    /// Returns the path of this step's log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Adds `text` to the step's log.
    pub fn note(&self, text: &str) -> Result<()> {
        writeln!(self.log_file()?, "{text}").context("cannot write the step's log")
    }

    /// Runs `command` to its end; its output goes to the log.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        let name = shown(command);
        let log = self.log_file()?;
        writeln!(&log, "$ {name}")?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut tail = Tail::default();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if let Some(line) = tail.last_line(&self.log) {
                self.bar.set_message(line);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        anyhow::ensure!(status.success(), "{name} ended with {status}");
        Ok(())
    }

    /// Runs `command` to its end and returns what it printed on standard output; the rest goes to the log.
    pub fn output(&self, command: &mut Command) -> Result<String> {
        let name = shown(command);
        let log = self.log_file()?;
        writeln!(&log, "$ {name}")?;
        let output = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .output()
            .with_context(|| format!("cannot start {name}"))?;
        let text = String::from_utf8(output.stdout)
            .with_context(|| format!("{name} printed something that is not UTF-8"))?;
        self.note(&text)?;
        anyhow::ensure!(
            output.status.success(),
            "{name} ended with {}",
            output.status
        );
        Ok(text)
    }

    fn log_file(&self) -> Result<File> {
        OpenOptions::new()
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot open the log {}", self.log.display()))
    }
}

/// Reads the last line of a growing file whenever the file has grown.
#[derive(Default)]
struct Tail {
    offset: u64,
}

impl Tail {
    fn last_line(&mut self, path: &Path) -> Option<String> {
        let mut file = File::open(path).ok()?;
        let end = file.seek(SeekFrom::End(0)).ok()?;
        if end == self.offset {
            return None;
        }
        self.offset = end;
        file.seek(SeekFrom::Start(end.saturating_sub(400))).ok()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        let line = text
            .split(['\n', '\r'])
            .rfind(|line| !line.trim().is_empty())?;
        Some(line.trim().to_owned())
    }
}

/// Returns the lines of a log that explain the failure of its step: the first errors, and the last lines.
fn relevant_lines(log: &str) -> Vec<&str> {
    const LAST: usize = 8;
    const ERRORS: usize = 4;
    let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let (above, last) = lines.split_at(lines.len().saturating_sub(LAST));
    let error =
        Regex::new(r"(?i)\berror\b|^E: |\*\*\*|\bfatal\b|\bpanicked\b").expect("a valid pattern");
    let mut shown = Vec::new();
    for (index, line) in above
        .iter()
        .enumerate()
        .filter(|(_, line)| error.is_match(line))
        .take(ERRORS)
    {
        shown.push(*line);
        // rustc prints the place of the error on the next line.
        shown.extend(above.get(index + 1).filter(|next| next.contains("--> ")));
    }
    if !shown.is_empty() {
        shown.push("...");
    }
    shown.extend(last);
    shown
}

/// Returns the first error of rustc (with the lines that show its place) or of a C compiler in `log`.
fn first_compiler_error(log: &str) -> Option<String> {
    const LONGEST: usize = 12;
    let rust = Regex::new(r"^error(\[E\d+\])?: ").expect("a valid pattern");
    let c = Regex::new(r"^\S+:\d+:\d+: (fatal )?error: ").expect("a valid pattern");
    let mut lines = log
        .lines()
        .skip_while(|line| !(rust.is_match(line) || c.is_match(line)));
    let first = lines.next()?;
    let mut shown = vec![first];
    if rust.is_match(first) {
        shown.extend(
            lines
                .take_while(|line| !line.trim().is_empty())
                .take(LONGEST),
        );
    }
    Some(
        shown
            .iter()
            .map(|line| format!("  | {line}\n"))
            .collect::<String>()
            .trim_end()
            .to_owned(),
    )
}

/// Returns a command as text for messages, without this program's path and its namespace options, and without the end
/// of a very long list of arguments.
fn shown(command: &Command) -> String {
    const LONGEST: usize = 300;
    let arguments: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let separator = arguments.iter().position(|argument| argument == "--");
    let text = match separator {
        Some(end) if arguments.iter().any(|argument| argument == "enter") => {
            arguments[end + 1..].join(" ")
        }
        _ => arguments.join(" "),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{first_compiler_error, relevant_lines};

    #[test]
    fn the_first_compiler_error_is_shown_with_its_place() {
        let log = "  RUSTC foo.o\nerror[E0432]: unresolved import `kernel::a`\n --> src/x.rs:1:2\n  |\n1 | use kernel::a;\n\n\
                   error[E0599]: another\n --> src/y.rs\n";
        let shown = first_compiler_error(log).unwrap();
        assert!(
            shown.contains("unresolved import") && shown.contains("src/x.rs:1:2"),
            "{shown}"
        );
        assert!(!shown.contains("another"), "{shown}");
        let log =
            "  CC foo.o\nsrc/h.c:3:9: error: too many arguments to function 'f'\n    3 | f(1)\n";
        assert_eq!(
            first_compiler_error(log).unwrap(),
            "  | src/h.c:3:9: error: too many arguments to function 'f'"
        );
        assert_eq!(first_compiler_error("make: *** No rule\n"), None);
    }

    #[test]
    fn the_first_error_is_shown_however_long_the_log() {
        let log = format!(
            "$ make\nerror[E0599]: no method\n  --> src/lib.rs:1:2\n{}make: end\n",
            "noise\n\n".repeat(50)
        );
        let shown = relevant_lines(&log);
        assert_eq!(
            shown[..3],
            ["error[E0599]: no method", "  --> src/lib.rs:1:2", "..."]
        );
        assert_eq!(shown.last(), Some(&"make: end"));
        assert_eq!(relevant_lines("one\n"), ["one"]);
    }
}
