// SPDX-License-Identifier: GPL-2.0

//! The file `/proc/memory_info`: commands in, answers out.

use crate::scan::scan;
use crate::snapshot::Snapshot;
use abstractions::procfs::{read_text, ProcFile};
use abstractions::task::{current_lineage, in_init_pid_ns, may_exceed_limits};
use kernel::alloc::AllocError;
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::uaccess::UserSliceReader;
use logic::answer::{Failure, SUCCESS};
use logic::comm::Comm;
use logic::command::{Command, MAX_LEN};
use protocol::answers::{Answers, Payload, Prepared};
use protocol::budget::{Budget, Charge};
use protocol::combining::{Refused, RunError};
use protocol::database::Database;

/// Writers whose latest answer is kept.
const ANSWER_SLOTS: usize = 1024;
/// Bytes of answers that are kept, the latest one apart.
const ANSWER_BYTES: u64 = 64 << 20;
/// Bytes of answers that there may be in all, those included that open files hold.
const TEXT_BYTES: u64 = 256 << 20;
/// Lines that are written under one RCU read-side lock.
const LINES_PER_SECTION: usize = 64;

/// The text that a command answers.
pub(crate) enum Answer {
    Fixed(&'static str),
    Lines(Text),
}

/// Lines under way, or whole.
pub(crate) struct Text {
    lines: KVVec<u8>,
    charge: Charge,
}

impl Answer {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Fixed(text) => text.as_bytes(),
            Self::Lines(text) => &text.lines,
        }
    }
}

impl Payload for Answer {
    fn size(&self) -> usize {
        match self {
            Self::Fixed(_) => 0,
            Self::Lines(text) => text.charge.bytes(),
        }
    }
}

/// Why a scan failed, for those who share it.
#[derive(Clone, Copy)]
pub(crate) struct ScanFailure(Failure);

impl RunError for ScanFailure {
    fn is_private(self) -> bool {
        self.0 == Failure::Interrupted
    }
}

/// Answers that need no memory when the time comes.
struct FixedAnswers {
    success: Arc<Answer>,
    failures: KVec<(Failure, Arc<Answer>)>,
}

impl FixedAnswers {
    fn new() -> Result<Self> {
        let fixed = |text| Arc::new(Answer::Fixed(text), GFP_KERNEL);
        let mut failures = KVec::with_capacity(Failure::ALL.len(), GFP_KERNEL)?;
        for failure in Failure::ALL {
            failures.push((failure, fixed(failure.line())?), GFP_KERNEL)?;
        }
        Ok(Self {
            success: fixed(SUCCESS)?,
            failures,
        })
    }

    fn failure(&self, wanted: Failure) -> Arc<Answer> {
        let kept = self.failures.iter().find(|(failure, _)| *failure == wanted);
        kept.map_or(&self.success, |(_, answer)| answer).clone()
    }
}

/// Why a command has no answer yet: the caller should start it again.
struct Restart;

/// The data, and the answers to the commands about it.
pub(crate) struct Commands {
    database: Database<Snapshot, ScanFailure>,
    answers: Answers<Answer>,
    fixed: FixedAnswers,
    texts: Budget,
    strict: bool,
}

impl Commands {
    /// No data yet. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(strict: bool) -> Result<Arc<Self>> {
        let commands = Self {
            database: Database::new(GFP_KERNEL)?,
            answers: Answers::new(ANSWER_SLOTS, ANSWER_BYTES, GFP_KERNEL)?,
            fixed: FixedAnswers::new()?,
            texts: Budget::new(TEXT_BYTES, GFP_KERNEL)?,
            strict,
        };
        Ok(Arc::new(commands, GFP_KERNEL)?)
    }

    /// Fills in the data at load. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, EINTR after a fatal signal.
    pub(crate) fn populate(&self) -> Result {
        match self.reset() {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failure)) => {
                pr_err!("{}", failure.line());
                Err(errno(failure))
            }
            Err(Restart) => Err(EINTR),
        }
    }

    /// Ends commands that wait or scan.
    pub(crate) fn close(&self) {
        self.database.close();
    }

    /// Carries out one command. The inner error is its answer, the outer one means that there is
    /// none.
    fn execute(&self, written: &[u8]) -> Result<Result<Arc<Answer>, Failure>, Restart> {
        let Ok(command) = Command::parse(written) else {
            return Ok(Err(Failure::InvalidArgument));
        };
        match command {
            Command::Reset => self.reset(),
            Command::All => Ok(self.all()),
            Command::Filter(name) => Ok(self.filter(name)),
            Command::Del(name) => Ok(self.delete(name)),
        }
    }

    fn reset(&self) -> Result<Result<Arc<Answer>, Failure>, Restart> {
        let stop = || self.database.is_closing();
        match self.database.reset(|| scan(&stop).map_err(ScanFailure)) {
            Ok(()) => Ok(Ok(self.fixed.success.clone())),
            Err(Refused::Signal) => Err(Restart),
            Err(Refused::Closing) => Ok(Err(Failure::Closing)),
            Err(Refused::Failed(ScanFailure(failure))) => Ok(Err(failure)),
        }
    }

    /// Shows each set that is there for the whole of this command, and none that was deleted before
    /// it; all of one snapshot.
    fn all(&self) -> Result<Arc<Answer>, Failure> {
        let Some(snapshot) = self.database.snapshot() else {
            return lines(self.new_text(0)?);
        };
        let mut len = 0;
        for_each_set(&snapshot, |comm, group| {
            len += group.as_set(comm).line_len();
            Ok(())
        })?;
        let mut text = self.new_text(len)?;
        for_each_set(&snapshot, |comm, group| {
            // Sets do not grow, so what was measured is room enough.
            group
                .as_set(comm)
                .write_line(&mut text.lines)
                .map_err(|_| Failure::NoMemory)
        })?;
        lines(text)
    }

    fn filter(&self, name: &[u8]) -> Result<Arc<Answer>, Failure> {
        let comm = Comm::new(name).ok_or(Failure::NoSuchProcess)?;
        let mut text = self.new_text(0)?;
        loop {
            // Nothing is allocated under RCU: measure, allocate, and look again.
            let missing = self.database.read(|snapshot, guard| {
                let group = snapshot.and_then(|snapshot| snapshot.group(&comm, guard));
                let set = group.ok_or(Failure::NoSuchProcess)?.as_set(&comm);
                Ok(match set.write_line(&mut text.lines) {
                    Ok(()) => None,
                    Err(_) => Some(set.line_len()),
                })
            })?;
            match missing {
                None => return lines(text),
                Some(len) => text = self.new_text(len)?,
            }
        }
    }

    fn delete(&self, name: &[u8]) -> Result<Arc<Answer>, Failure> {
        let comm = Comm::new(name).ok_or(Failure::NoSuchProcess)?;
        if self.database.delete(&comm) {
            Ok(self.fixed.success.clone())
        } else {
            Err(Failure::NoSuchProcess)
        }
    }

    /// Room for `len` bytes, of which there may not be too many in all.
    fn new_text(&self, len: usize) -> Result<Text, Failure> {
        // What kmalloc() takes for large pieces.
        let bytes = len.next_power_of_two();
        let charge = self.texts.charge(bytes, may_exceed_limits);
        Ok(Text {
            charge: charge.ok_or(Failure::NoMemory)?,
            // Charged to the writer: answers may be large, and many.
            lines: KVVec::with_capacity(len, GFP_KERNEL_ACCOUNT).map_err(|_| Failure::NoMemory)?,
        })
    }
}

fn for_each_set(
    snapshot: &Snapshot,
    mut show: impl FnMut(&Comm, &crate::snapshot::Group) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for section in snapshot.order().chunks(LINES_PER_SECTION) {
        let guard = kernel::sync::rcu::read_lock();
        for comm in section {
            if let Some(group) = snapshot.group(comm, &guard) {
                show(comm, group)?;
            }
        }
    }
    Ok(())
}

fn lines(text: Text) -> Result<Arc<Answer>, Failure> {
    Arc::new(Answer::Lines(text), GFP_KERNEL_ACCOUNT).map_err(|_| Failure::NoMemory)
}

fn errno(failure: Failure) -> Error {
    match failure {
        Failure::BadAddress => EFAULT,
        Failure::NoSuchProcess => ESRCH,
        Failure::InvalidArgument => EINVAL,
        Failure::NoMemory => ENOMEM,
        Failure::Interrupted => EINTR,
        Failure::Closing => ENODEV,
    }
}

/// The file in `/proc`.
pub(crate) struct MemoryInfoFile(Arc<Commands>);

impl MemoryInfoFile {
    pub(crate) fn new(commands: Arc<Commands>) -> Self {
        Self(commands)
    }
}

/// One open file.
#[pin_data]
pub(crate) struct OpenFile {
    #[pin]
    state: Mutex<OpenState>,
}

struct OpenState {
    /// The answer that is read through this file: that of the last command written through it, else
    /// the one that its first reader was entitled to.
    answer: Option<Arc<Answer>>,
    /// For the answer to the next command, so that whoever asks learns even of a lack of memory.
    place: Option<Prepared<Answer>>,
}

impl MemoryInfoFile {
    fn answer(&self, open: &OpenFile) -> Option<Arc<Answer>> {
        let mut state = open.state.lock();
        if state.answer.is_none() {
            state.answer = self.0.answers.find(&current_lineage());
        }
        state.answer.clone()
    }

    fn new_place(&self) -> Result<Prepared<Answer>, AllocError> {
        Prepared::new(self.0.fixed.success.clone(), GFP_KERNEL_ACCOUNT)
    }
}

impl ProcFile for MemoryInfoFile {
    type Open = OpenFile;

    fn open(&self) -> Result<Pin<KBox<OpenFile>>> {
        // We report ids of the initial namespace, which are not for others to see.
        if !in_init_pid_ns() {
            return Err(EPERM);
        }
        let state = OpenState {
            answer: None,
            place: Some(self.new_place()?),
        };
        KBox::pin_init(
            pin_init!(OpenFile {
                state <- new_mutex!(state),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    fn read(&self, open: &OpenFile, position: &mut i64, to: &mut IovIterDest<'_>) -> Result<usize> {
        match self.answer(open) {
            Some(answer) => read_text(answer.as_bytes(), position, to),
            None => Ok(0),
        }
    }

    fn write(&self, open: &OpenFile, mut from: UserSliceReader) -> Result {
        let commands = &*self.0;
        let mut buffer = [0; MAX_LEN];
        let len = from.len();
        let kept_place = open.state.lock().place.take();
        let place = match kept_place {
            Some(place) => Ok(place),
            None => self.new_place(),
        };
        let outcome = match (buffer.get_mut(..len), &place) {
            (_, Err(_)) => Err(Failure::NoMemory),
            (None, _) => Err(Failure::InvalidArgument),
            (Some(written), _) => match from.read_slice(written) {
                Ok(()) => match commands.execute(written) {
                    Ok(outcome) => outcome,
                    Err(Restart) => {
                        open.state.lock().place = place.ok();
                        return Err(ERESTARTSYS);
                    }
                },
                Err(_) => Err(Failure::BadAddress),
            },
        };
        let answer = match &outcome {
            Ok(answer) => answer.clone(),
            Err(failure) => {
                pr_err!("{}", failure.line());
                commands.fixed.failure(*failure)
            }
        };
        let previous = open.state.lock().answer.replace(answer.clone());
        drop(previous);
        if let Ok(place) = place {
            commands
                .answers
                .publish(place, current_lineage(), answer);
            // Without memory now, the next command tries again.
            let next = self.new_place().ok();
            open.state.lock().place = next;
        }
        match outcome {
            Err(Failure::NoSuchProcess) if !commands.strict => Ok(()),
            Err(failure) => Err(errno(failure)),
            Ok(_) => Ok(()),
        }
    }

    fn len(&self, open: &OpenFile) -> usize {
        self.answer(open)
            .map_or(0, |answer| answer.as_bytes().len())
    }
}
