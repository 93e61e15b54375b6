// SPDX-License-Identifier: GPL-2.0-only

//! One shell of a run on memory_info: it changes its own processes, gives commands, and checks every answer.

use crate::expectation::{Expectation, Verdict, SUCCESS};
use crate::failure_reports::ReportSender;
use crate::owned_processes::OwnedProcesses;
use crate::shared_state::{module_stayed_loaded, Counters, SharedState};
use crate::shells::native::{Native, Roles};
use crate::shells::script::{Program, Script};
use crate::shells::{Reply, Shell};
use anyhow::Result;
use fastrand::Rng;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Number of answers that the module keeps: one for each of the latest writers.
const KEPT_ANSWERS: u64 = 1024;
/// Number of failures that a shell reports: one mistake may lead to many.
const MAX_REPORTS: u64 = 2;
/// One shell in this many is a real one; the others are native.
const SHELLS_PER_SCRIPT: usize = 4;
/// Endings that make names hard to handle, for shells that can give any bytes.
const ENDINGS: [&[u8]; 7] = [b"", b" x", b"|x", b"\\x", b"\tx", b"\xffx", b", pi"];
/// Endings for shells that quote the command.
const PLAIN_ENDINGS: [&[u8]; 3] = [b"", b" x", b"|x"];
/// Bytes that are not a command.
const MALFORMED: [&[u8]; 8] = [
    b"reset",
    b"FILTER",
    b"DEL|",
    b"ALL|",
    b" ALL",
    b"RESET\nALL",
    b"FILTER|0123456789012345678901234567890123456789012345678901234567",
    b"A\0LL",
];

/// Parameters of a shell.
#[derive(Clone)]
pub struct Plan {
    /// State that all processes of the run share.
    pub state: SharedState,
    /// Index of the shell.
    pub slot: usize,
    /// Number of shells in the run.
    pub shells: usize,
    /// Prefix of all its names; no other process has a name that begins so.
    pub prefix: String,
    /// Real shells that this machine has.
    pub programs: Vec<Program>,
    /// Seed of the shell's random choices.
    pub seed: u64,
}

enum Command {
    Reset,
    All,
    Filter(usize),
    Del(usize),
    FilterUnknown,
    DelUnknown,
    Malformed(&'static [u8]),
}

struct Worker<'a> {
    plan: &'a Plan,
    counters: &'static Counters,
    reports: &'a ReportSender,
    rng: Rng,
    shell: Box<dyn Shell>,
    names: Vec<Vec<u8>>,
    processes: OwnedProcesses,
    expected: Expectation,
    /// Epoch in which the shell opened its files; in a later one, the module was loaded again.
    epoch: u64,
}

/// Runs a shell until the run stops; returns the exit status.
pub fn run(plan: &Plan, reports: &ReportSender) -> i32 {
    let mut worker = Worker::new(plan, reports);
    match worker.work() {
        Ok(()) => 0,
        Err(error) => {
            let shell = worker.shell.describe();
            reports.send(&format!("shell {} ({shell}) failed: {error:#}", plan.slot));
            1
        }
    }
}

impl<'a> Worker<'a> {
    fn new(plan: &'a Plan, reports: &'a ReportSender) -> Self {
        let mut rng = Rng::with_seed(plan.seed);
        let is_script = matches!(plan.slot % SHELLS_PER_SCRIPT, 0) && !plan.programs.is_empty();
        let shell: Box<dyn Shell> = if is_script {
            let program = plan.programs[rng.usize(..plan.programs.len())];
            Box::new(Script::new(program, rng.fork()))
        } else {
            // Every fourth shell is a fast one, which gives most of the commands.
            let choices = if matches!(plan.slot % 4, 1) {
                &Roles::ALL[..2]
            } else {
                &Roles::ALL
            };
            let roles = choices[rng.usize(..choices.len())];
            Box::new(Native::new(roles, rng.usize(1..10_000)))
        };
        let endings: &[&[u8]] = if is_script { &PLAIN_ENDINGS } else { &ENDINGS };
        let name = |letter: &str, rng: &mut Rng| {
            let ending = endings[rng.usize(..endings.len())];
            [plan.prefix.as_bytes(), letter.as_bytes(), ending].concat()
        };
        let names = vec![name("a", &mut rng), name("b", &mut rng)];
        // Many shells must do with little memory each.
        let processes = if plan.shells > 64 { 2 } else { 3 };
        plan.state.add_writers(1);
        Self {
            plan,
            counters: plan.state.counters(plan.slot),
            reports,
            rng,
            shell,
            processes: OwnedProcesses::new(names.clone(), processes),
            expected: Expectation::new(&names),
            names,
            epoch: plan.state.epoch(),
        }
    }

    fn work(&mut self) -> Result<()> {
        // Commands that need a scan or a process are rare in fast shells, so that they do not slow them down.
        let costly = if self.shell.is_cheap() { 1 } else { 10 };
        self.change_processes()?;
        self.give(&Command::Reset);
        while !self.plan.state.is_stopping() {
            match self.rng.u16(..1000) {
                at if at < 5 * costly && self.expected.is_certain() => {
                    self.change_processes()?;
                }
                999 => self.be_killed()?,
                _ => {
                    let command = self.choose(costly);
                    self.give(&command);
                }
            }
        }
        Ok(())
    }

    fn change_processes(&mut self) -> Result<()> {
        self.processes.change(&mut self.rng)?;
        self.expected.change(self.processes.pids());
        Ok(())
    }

    /// Returns a random command: mostly FILTER, and rarely one that logs an error.
    fn choose(&mut self, costly: u16) -> Command {
        let name = self.choose_name();
        // The answer to ALL grows with the number of shells.
        let all = if self.plan.shells > 64 { 1 } else { 3 };
        match self.rng.u16(..1000) {
            at if at < 4 * costly => Command::Reset,
            // Rare, so that RESETs of other shells get the chance to make the change visible.
            at if at < 120 && !self.expected.is_certain() => Command::Reset,
            at if at < (4 + all) * costly => Command::All,
            at if at < (5 + all) * costly => Command::Del(name),
            900 => Command::FilterUnknown,
            901 => Command::DelUnknown,
            902..905 => {
                let command = MALFORMED[self.rng.usize(..MALFORMED.len())];
                if self.shell.can_say(command) {
                    Command::Malformed(command)
                } else {
                    Command::Malformed(MALFORMED[0])
                }
            }
            _ => Command::Filter(name),
        }
    }

    /// Returns the index of a random name, mostly of one that a process has.
    fn choose_name(&mut self) -> usize {
        let any = self.rng.usize(..self.names.len());
        let in_use = self
            .processes
            .pids()
            .iter()
            .position(|pids| !pids.is_empty());
        match in_use {
            Some(name) if self.processes.pids()[any].is_empty() && self.rng.u8(..10) > 0 => name,
            _ => any,
        }
    }

    fn text_of(&self, command: &Command) -> Vec<u8> {
        let unknown = || self.plan.prefix.as_bytes();
        match command {
            Command::Reset => b"RESET".to_vec(),
            Command::All => b"ALL".to_vec(),
            Command::Filter(name) => [b"FILTER|", self.names[*name].as_slice()].concat(),
            Command::Del(name) => [b"DEL|", self.names[*name].as_slice()].concat(),
            Command::FilterUnknown => [b"FILTER|", unknown()].concat(),
            Command::DelUnknown => [b"DEL|", unknown()].concat(),
            Command::Malformed(text) => text.to_vec(),
        }
    }

    /// Gives a command, and checks the answer if it can be known.
    fn give(&mut self, command: &Command) {
        let state = &self.plan.state;
        let before = state.epoch();
        if before != self.epoch {
            self.shell.reopen();
            self.epoch = before;
        }
        let text = self.text_of(command);
        let writers_before = state.new_writers();
        state.add_writers(self.shell.new_writers());
        let reply = self.shell.ask(&text);
        let writers = state.new_writers() - writers_before;
        self.counters.commands.fetch_add(1, SeqCst);

        if !module_stayed_loaded(before, state.epoch()) {
            self.counters.unloaded.fetch_add(1, SeqCst);
            if let Command::Del(name) = command {
                self.expected.may_be_deleted(*name);
            }
            self.shell.reopen();
            // Further commands without the module would only delay its loading.
            state.wait_for_module(Duration::from_millis(50));
            return;
        }
        self.counters.checked.fetch_add(1, SeqCst);
        let Err(wanted) = self.check(command, &reply) else {
            return;
        };
        if writers + 2 * self.plan.shells as u64 > KEPT_ANSWERS {
            self.counters.evicted.fetch_add(1, SeqCst);
            return;
        }
        if self.counters.mismatches.fetch_add(1, SeqCst) >= MAX_REPORTS {
            return;
        }
        self.reports.send(&format!(
            "shell {} ({}), command {:?}:\n  expected: {wanted}\n  actual:   {}",
            self.plan.slot,
            self.shell.describe(),
            text.escape_ascii().to_string(),
            show(&reply)
        ));
    }

    fn check(&mut self, command: &Command, reply: &io::Result<Reply>) -> Verdict {
        let reply = reply.as_ref().map_err(|_| "an answer".to_owned())?;
        let text = reply.text.as_slice();
        match command {
            Command::Reset => self.expected.reset(text),
            Command::All => self.expected.all(text),
            Command::Filter(name) => self.expected.filter(*name, text),
            Command::Del(name) => self.expected.del(*name, text),
            Command::FilterUnknown | Command::DelUnknown => self.expected.unknown(text),
            Command::Malformed(_) => self.expected.malformed(text),
        }?;
        match (command, reply.write) {
            (Command::Malformed(_), Err(None | Some(libc::EINVAL))) => Ok(()),
            (Command::Malformed(_), _) => Err("a write that fails with EINVAL".into()),
            (_, Ok(())) => Ok(()),
            // The module may be loaded with strict=1.
            (_, Err(None | Some(libc::ESRCH))) if text != SUCCESS => Ok(()),
            (_, Err(_)) => Err("a write that succeeds".into()),
        }
    }

    /// Kills the shell while it gives a command.
    fn be_killed(&mut self) -> Result<()> {
        let name = self.rng.usize(..self.names.len());
        let command = match self.rng.u8(..4) {
            0 => Command::All,
            1 => Command::Filter(name),
            // A DEL of a process that outlives the shell could be executed at any later time.
            2 if !self.shell.leaves_writers() => Command::Del(name),
            _ => Command::Reset,
        };
        if let Command::Del(name) = command {
            self.expected.may_be_deleted(name);
        }
        let text = self.text_of(&command);
        self.plan.state.add_writers(2);
        self.counters.commands.fetch_add(1, SeqCst);
        let after = Duration::from_micros(self.rng.u64(..5000));
        Ok(self.shell.ask_and_be_killed(&text, after)?)
    }
}

fn show(reply: &io::Result<Reply>) -> String {
    const MOST: usize = 1000;
    match reply {
        Ok(reply) => {
            let cut = &reply.text[..reply.text.len().min(MOST)];
            let text = format!("\"{}\"", cut.escape_ascii());
            let more = reply.text.len() - cut.len();
            let write = match reply.write {
                Ok(()) => String::new(),
                Err(None) => ", and the write failed".into(),
                Err(Some(errno)) => {
                    format!(
                        ", and the write failed: {}",
                        io::Error::from_raw_os_error(errno)
                    )
                }
            };
            if more > 0 {
                format!("{text} and {more} bytes more{write}")
            } else {
                text + &write
            }
        }
        Err(error) => error.to_string(),
    }
}
