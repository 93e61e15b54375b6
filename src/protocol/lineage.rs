// SPDX-License-Identifier: GPL-2.0-only

//! Processes and their ancestors, by which a reader of answers is related to a writer.

use kernel::alloc::{AllocError, Flags, KVVec};

/// A process, identified by its id and its start time, since ids are reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    /// Thread group id in the initial pid namespace.
    pub tgid: i32,
    /// Start time of the thread group's leader, in ns since boot.
    pub start: u64,
}

impl Process {
    /// A value that no process has.
    pub(crate) const NOBODY: Self = Self { tgid: 0, start: 0 };

    /// Returns true for the init process. As the ancestor of all processes it does not make two of them relatives.
    fn is_init(&self) -> bool {
        self.tgid == 1
    }
}

/// A process that can be asked for its ancestors.
pub trait Ancestry {
    /// Calls `visit` with the process itself and then with its ancestors, nearest first, until it returns false or there
    /// is none left. Does not sleep, and `visit` must not.
    fn walk(&self, visit: impl FnMut(Process) -> bool);
}

/// The number of a writer's ancestors that are kept, the nearest ones.
pub const KEPT_ANCESTORS: usize = 256;

/// A writer and its ancestors, as they were when it wrote: it may exit before its answer is read, and so may they.
pub(crate) struct Writer {
    process: Process,
    ancestors: KVVec<Process>,
}

impl Writer {
    /// Returns the place of a writer, without room for ancestors.
    pub(crate) const fn nobody() -> Self {
        Self {
            process: Process::NOBODY,
            ancestors: KVVec::new(),
        }
    }

    /// Makes room for the ancestors of a writer. May sleep if `flags` allow it.
    ///
    /// # Errors
    ///
    /// Returns [`AllocError`] if memory is exhausted; the room is as it was.
    pub(crate) fn reserve(
        &mut self,
        writer: &impl Ancestry,
        flags: Flags,
    ) -> Result<(), AllocError> {
        let mut ancestors = 0;
        writer.walk(|_| {
            ancestors += 1;
            ancestors < KEPT_ANCESTORS
        });
        self.ancestors.clear();
        self.ancestors.reserve(ancestors, flags)
    }

    /// Takes a writer and as many of its ancestors as there is room for. Does not allocate.
    pub(crate) fn set(&mut self, writer: &impl Ancestry) {
        self.process = Process::NOBODY;
        self.ancestors.clear();
        writer.walk(|process| {
            if self.process == Process::NOBODY {
                self.process = process;
                return true;
            }
            self.ancestors.len() < KEPT_ANCESTORS
                && self.ancestors.push_within_capacity(process).is_ok()
        });
    }

    /// Returns the process that wrote.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// Returns the position of the first of these processes that makes its descendants relatives of the writer.
    fn relative_of(&self, processes: &[Process]) -> Option<usize> {
        let shares = |process: &Process| !process.is_init() && self.ancestors.contains(process);
        processes.iter().position(shares)
    }
}

/// How a reader is related to a writer. The nearest relation is the least one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Relation {
    /// The writer is the reader itself, or its ancestor this many generations up.
    OwnLine(usize),
    /// The writer descends from the reader, or from its ancestor this many generations up.
    Relative(usize),
}

/// Processes that are compared with a writer at the same time: more than most readers have ancestors.
const PART: usize = 16;

/// A part of a reader's own line: itself and its ancestors.
pub(crate) struct PartOfLine {
    processes: [Process; PART],
    len: usize,
    /// The generation of the first one: 0 is the reader itself.
    first: usize,
}

impl PartOfLine {
    pub(crate) const fn new() -> Self {
        Self {
            processes: [Process::NOBODY; PART],
            len: 0,
            first: 0,
        }
    }

    /// Adds the next ancestor, unless the part is full.
    pub(crate) fn push(&mut self, process: Process) {
        if let Some(slot) = self.processes.get_mut(self.len) {
            *slot = process;
            self.len += 1;
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == PART
    }

    /// Continues with the ancestors after this part.
    pub(crate) fn advance(&mut self) {
        self.first += self.len;
        self.len = 0;
    }

    /// Returns how the reader is related to a writer, as far as this part tells.
    pub(crate) fn relation_to(&self, writer: &Writer) -> Option<Relation> {
        let processes = self.processes.get(..self.len)?;
        if let Some(at) = processes.iter().position(|own| *own == writer.process) {
            return Some(Relation::OwnLine(self.first + at));
        }
        if self.first >= KEPT_ANCESTORS {
            return None;
        }
        let at = writer.relative_of(processes)?;
        Some(Relation::Relative(self.first + at))
    }
}
