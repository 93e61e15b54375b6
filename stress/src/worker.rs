// SPDX-License-Identifier: GPL-2.0-only

//! One shell of the run: it changes its own processes, gives commands, and checks every answer.

use crate::board::{is_whole, Board, Counters};
use crate::complaints::Complaints;
use crate::expectation::{Expectation, Verdict, SUCCESS};
use crate::family::Family;
use crate::shells::native::{Native, Way};
use crate::shells::script::{Program, Script};
use crate::shells::{Reply, Shell};
use anyhow::Result;
use fastrand::Rng;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Answers that the module keeps: one for each of the latest writers.
const KEPT_ANSWERS: u64 = 1024;
/// Complaints that a shell sends: one mistake may lead to many.
const MOST_COMPLAINTS: u64 = 2;
/// One shell in so many is a real one.
const SHELLS_PER_SCRIPT: usize = 4;
/// What makes names hard to handle, for shells that can say anything.
const ENDINGS: [&[u8]; 7] = [b"", b" x", b"|x", b"\\x", b"\tx", b"\xffx", b", pi"];
/// The same for shells that quote.
const PLAIN_ENDINGS: [&[u8]; 3] = [b"", b" x", b"|x"];
/// What is no command.
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

/// What a shell is made from.
#[derive(Clone)]
pub struct Plan {
    pub board: Board,
    /// Its place among the shells.
    pub place: usize,
    /// How many shells there are.
    pub shells: usize,
    /// First part of all its names: nobody else's begin so.
    pub prefix: String,
    /// The real shells that this machine has.
    pub programs: Vec<Program>,
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
    complaints: &'a Complaints,
    rng: Rng,
    shell: Box<dyn Shell>,
    names: Vec<Vec<u8>>,
    family: Family,
    expected: Expectation,
    /// The module may have been loaded anew since the shell opened its files.
    epoch: u64,
}

/// Is a shell until the board says stop; the status to end with.
pub fn run(plan: &Plan, complaints: &Complaints) -> i32 {
    let mut worker = Worker::new(plan, complaints);
    match worker.work() {
        Ok(()) => 0,
        Err(error) => {
            let shell = worker.shell.describe();
            complaints.send(&format!("shell {} ({shell}) failed: {error:#}", plan.place));
            1
        }
    }
}

impl<'a> Worker<'a> {
    fn new(plan: &'a Plan, complaints: &'a Complaints) -> Self {
        let mut rng = Rng::with_seed(plan.seed);
        let is_script = matches!(plan.place % SHELLS_PER_SCRIPT, 0) && !plan.programs.is_empty();
        let shell: Box<dyn Shell> = if is_script {
            let program = plan.programs[rng.usize(..plan.programs.len())];
            Box::new(Script::new(program, rng.fork()))
        } else {
            // Every fourth is a fast one, for numbers.
            let ways = if matches!(plan.place % 4, 1) {
                &Way::ALL[..2]
            } else {
                &Way::ALL
            };
            let way = ways[rng.usize(..ways.len())];
            Box::new(Native::new(way, rng.usize(1..10_000)))
        };
        let endings: &[&[u8]] = if is_script { &PLAIN_ENDINGS } else { &ENDINGS };
        let name = |letter: &str, rng: &mut Rng| {
            let ending = endings[rng.usize(..endings.len())];
            [plan.prefix.as_bytes(), letter.as_bytes(), ending].concat()
        };
        let names = vec![name("a", &mut rng), name("b", &mut rng)];
        // Little memory each, if there are many.
        let processes = if plan.shells > 64 { 2 } else { 3 };
        plan.board.add_writers(1);
        Self {
            plan,
            counters: plan.board.counters(plan.place),
            complaints,
            rng,
            shell,
            family: Family::new(names.clone(), processes),
            expected: Expectation::new(&names),
            names,
            epoch: plan.board.epoch(),
        }
    }

    fn work(&mut self) -> Result<()> {
        // What takes a scan or a process must not keep a shell from asking that could ask much more.
        let costly = if self.shell.is_cheap() { 1 } else { 10 };
        self.change_family()?;
        self.give(&Command::Reset);
        while !self.plan.board.is_stopping() {
            match self.rng.u16(..1000) {
                at if at < 5 * costly && self.expected.is_certain() => {
                    self.change_family()?;
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

    fn change_family(&mut self) -> Result<()> {
        self.family.change(&mut self.rng)?;
        self.expected.change(self.family.pids());
        Ok(())
    }

    /// A command for now: mostly FILTER, and seldom one that ends in the kernel's log as an error.
    fn choose(&mut self, costly: u16) -> Command {
        let name = self.choose_name();
        // The answer to ALL grows with the number of shells.
        let all = if self.plan.shells > 64 { 1 } else { 3 };
        match self.rng.u16(..1000) {
            at if at < 4 * costly => Command::Reset,
            // Not at once: others may make the change visible first.
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

    /// Mostly one that is borne by a process.
    fn choose_name(&mut self) -> usize {
        let any = self.rng.usize(..self.names.len());
        let borne = self.family.pids().iter().position(|pids| !pids.is_empty());
        match borne {
            Some(name) if self.family.pids()[any].is_empty() && self.rng.u8(..10) > 0 => name,
            _ => any,
        }
    }

    fn text_of(&self, command: &Command) -> Vec<u8> {
        let nobody = || self.plan.prefix.as_bytes();
        match command {
            Command::Reset => b"RESET".to_vec(),
            Command::All => b"ALL".to_vec(),
            Command::Filter(name) => [b"FILTER|", self.names[*name].as_slice()].concat(),
            Command::Del(name) => [b"DEL|", self.names[*name].as_slice()].concat(),
            Command::FilterUnknown => [b"FILTER|", nobody()].concat(),
            Command::DelUnknown => [b"DEL|", nobody()].concat(),
            Command::Malformed(text) => text.to_vec(),
        }
    }

    /// Gives a command and checks the answer, if it can be known.
    fn give(&mut self, command: &Command) {
        let board = &self.plan.board;
        let before = board.epoch();
        if before != self.epoch {
            self.shell.reopen();
            self.epoch = before;
        }
        let text = self.text_of(command);
        let writers_before = board.new_writers();
        board.add_writers(self.shell.new_writers());
        let reply = self.shell.ask(&text);
        let writers = board.new_writers() - writers_before;
        self.counters.commands.fetch_add(1, SeqCst);

        if !is_whole(before, board.epoch()) {
            self.counters.unloaded.fetch_add(1, SeqCst);
            if let Command::Del(name) = command {
                self.expected.may_be_deleted(*name);
            }
            self.shell.reopen();
            self.wait_for_module();
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
        if self.counters.mismatches.fetch_add(1, SeqCst) >= MOST_COMPLAINTS {
            return;
        }
        self.complaints.send(&format!(
            "shell {} ({}), command {:?}:\n  expected: {wanted}\n  came:     {}",
            self.plan.place,
            self.shell.describe(),
            text.escape_ascii().to_string(),
            show(&reply)
        ));
    }

    /// One command in each time without the module is enough: more would only hold up the load.
    fn wait_for_module(&self) {
        let board = &self.plan.board;
        while board.is_absent() && !board.is_stopping() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn check(&mut self, command: &Command, reply: &io::Result<Reply>) -> Verdict {
        let reply = reply.as_ref().map_err(|_| "an answer".to_string())?;
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
            (_, Err(_)) => Err("a write that goes well".into()),
        }
    }

    /// Has the shell killed while it gives a command.
    fn be_killed(&mut self) -> Result<()> {
        let name = self.rng.usize(..self.names.len());
        let command = match self.rng.u8(..4) {
            0 => Command::All,
            1 => Command::Filter(name),
            // Nobody could say when a late one is done.
            2 if !self.shell.leaves_writers() => Command::Del(name),
            _ => Command::Reset,
        };
        if let Command::Del(name) = command {
            self.expected.may_be_deleted(name);
        }
        let text = self.text_of(&command);
        self.plan.board.add_writers(2);
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
