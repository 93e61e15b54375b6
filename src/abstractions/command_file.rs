// SPDX-License-Identifier: GPL-2.0-only

//! Files in `/proc` that take commands and give answers: one `write(2)` is one command, the next read
//! gives its answer, to whom [`protocol::answers`] says.

use crate::procfs::{read_text, ProcEntry, ProcFile};
use crate::task::{current_lineage, in_init_pid_ns, may_exceed_limits};
use kernel::alloc::{AllocError, Flags};
use kernel::iov::IovIterDest;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::uaccess::UserSliceReader;
use logic::answer::{Failure, SUCCESS};
use logic::command::MAX_LEN;
use logic::text::Print;
use protocol::answers::{Answers, Payload, Prepared};
use protocol::budget::{Budget, Charge};

/// Writers whose latest answer is kept.
const ANSWER_SLOTS: usize = 1024;
/// Bytes of answers that are kept, the latest one apart.
const ANSWER_BYTES: u64 = 64 << 20;
/// Bytes of answers that there may be in all, those included that open files hold.
const TEXT_BYTES: u64 = 256 << 20;

/// What a file's commands do.
pub trait Commands: Send + Sync + 'static {
    /// Carries out what was written, at most [`MAX_LEN`] bytes, with room for text from `texts`. The
    /// inner error is the answer, the outer one means that there is none. May sleep.
    ///
    /// # Errors
    ///
    /// As said.
    fn execute(&self, written: &[u8], texts: &Texts) -> Result<Result<Reply, Failure>, Restart>;

    /// Tells the kernel log of a failure.
    fn log(&self, failure: Failure);

    /// Whether the write that was answered by this failure fails.
    fn fails_write(&self, failure: Failure) -> bool;

    /// Makes commands that are under way end soon: the file is about to go. Does not sleep.
    fn close(&self);
}

/// How a command went well.
pub enum Reply {
    /// It did what it should.
    Success,
    /// It found this text.
    Text(Text),
}

/// Why a command has no answer yet: the caller should start it again.
pub struct Restart;

/// A text under way, or whole.
pub struct Text {
    bytes: KVVec<u8>,
    charge: Charge,
}

impl AsMut<KVVec<u8>> for Text {
    fn as_mut(&mut self) -> &mut KVVec<u8> {
        &mut self.bytes
    }
}

/// Where the texts of one file's answers come from: there may not be too many bytes of them in all.
pub struct Texts(Budget);

impl Texts {
    /// An empty text with room for `len` bytes. May sleep.
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn with_room(&self, len: usize) -> Result<Text, Failure> {
        // What kmalloc() takes for large pieces.
        let bytes = len.next_power_of_two();
        let charge = self.0.charge(bytes, may_exceed_limits);
        Ok(Text {
            charge: charge.ok_or(Failure::NoMemory)?,
            // Charged to the writer: answers may be large, and many.
            bytes: KVVec::with_capacity(len, GFP_KERNEL_ACCOUNT).map_err(|_| Failure::NoMemory)?,
        })
    }

    /// The text of something that does not grow meanwhile, as a reply. May sleep.
    ///
    /// # Errors
    ///
    /// No memory.
    pub fn reply(&self, printed: &impl Print) -> Result<Reply, Failure> {
        self.reply_within(printed.printed_len(), printed)
    }

    /// As [`Self::reply`], for a text of which it is known that it has `len` bytes at most.
    ///
    /// # Errors
    ///
    /// As [`Self::reply`].
    pub fn reply_within(&self, len: usize, printed: &impl Print) -> Result<Reply, Failure> {
        let mut text = self.with_room(len)?;
        printed
            .append_to(text.as_mut())
            .map_err(|_| Failure::NoMemory)?;
        Ok(Reply::Text(text))
    }
}

/// The error number of a failure.
pub fn errno(failure: Failure) -> Error {
    match failure {
        Failure::BadAddress => EFAULT,
        Failure::NoSuchProcess | Failure::Exited => ESRCH,
        Failure::InvalidArgument | Failure::KernelThread => EINVAL,
        Failure::NoMemory => ENOMEM,
        Failure::Interrupted => EINTR,
        Failure::Closing => ENODEV,
    }
}

/// The text that a command answers.
enum Answer {
    Fixed(&'static str),
    Text(Text),
}

impl Answer {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Fixed(text) => text.as_bytes(),
            Self::Text(text) => &text.bytes,
        }
    }
}

impl Payload for Answer {
    fn size(&self) -> usize {
        match self {
            Self::Fixed(_) => 0,
            Self::Text(text) => text.charge.bytes(),
        }
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

/// A file of commands, in `/proc` for as long as this lives.
pub struct CommandEntry<C: Commands>(ProcEntry<CommandFile<C>>);

impl<C: Commands> CommandEntry<C> {
    /// Creates `/proc/<name>` with these permission bits. May sleep.
    ///
    /// # Errors
    ///
    /// ENOMEM, also for a name that is taken.
    pub fn create(name: &CStr, mode: u16, commands: C, flags: Flags) -> Result<Self> {
        let file = CommandFile {
            commands,
            answers: Answers::new(ANSWER_SLOTS, ANSWER_BYTES, flags)?,
            fixed: FixedAnswers::new()?,
            texts: Texts(Budget::new(TEXT_BYTES, flags)?),
        };
        Ok(Self(ProcEntry::create(name, mode, file, flags)?))
    }
}

impl<C: Commands> Drop for CommandEntry<C> {
    fn drop(&mut self) {
        // Removing the file waits for commands under way.
        self.0.file().commands.close();
    }
}

/// Waits, when dropped, for the RCU callbacks of a module whose code is about to go: its last field.
pub struct WaitForCallbacks;

impl Drop for WaitForCallbacks {
    fn drop(&mut self) {
        protocol::rcu::barrier();
    }
}

struct CommandFile<C> {
    commands: C,
    answers: Answers<Answer>,
    fixed: FixedAnswers,
    texts: Texts,
}

/// One open file.
#[pin_data]
struct OpenFile {
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

impl<C: Commands> CommandFile<C> {
    fn answer(&self, open: &OpenFile) -> Option<Arc<Answer>> {
        let mut state = open.state.lock();
        if state.answer.is_none() {
            state.answer = self.answers.find(&current_lineage());
        }
        state.answer.clone()
    }

    fn new_place(&self) -> Result<Prepared<Answer>, AllocError> {
        Prepared::new(self.fixed.success.clone(), GFP_KERNEL_ACCOUNT)
    }

    fn carry_out(
        &self,
        from: &mut UserSliceReader,
    ) -> Result<Result<Arc<Answer>, Failure>, Restart> {
        let mut buffer = [0; MAX_LEN];
        let Some(written) = buffer.get_mut(..from.len()) else {
            return Ok(Err(Failure::InvalidArgument));
        };
        if from.read_slice(written).is_err() {
            return Ok(Err(Failure::BadAddress));
        }
        Ok(match self.commands.execute(written, &self.texts)? {
            Ok(Reply::Success) => Ok(self.fixed.success.clone()),
            Ok(Reply::Text(text)) => {
                Arc::new(Answer::Text(text), GFP_KERNEL_ACCOUNT).map_err(|_| Failure::NoMemory)
            }
            Err(failure) => Err(failure),
        })
    }
}

impl<C: Commands> ProcFile for CommandFile<C> {
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
        let kept_place = open.state.lock().place.take();
        let place = match kept_place {
            Some(place) => Ok(place),
            None => self.new_place(),
        };
        let outcome = match &place {
            Ok(_) => match self.carry_out(&mut from) {
                Ok(outcome) => outcome,
                Err(Restart) => {
                    open.state.lock().place = place.ok();
                    return Err(ERESTARTSYS);
                }
            },
            Err(_) => Err(Failure::NoMemory),
        };
        let answer = match &outcome {
            Ok(answer) => answer.clone(),
            Err(failure) => {
                self.commands.log(*failure);
                self.fixed.failure(*failure)
            }
        };
        let previous = open.state.lock().answer.replace(answer.clone());
        drop(previous);
        if let Ok(place) = place {
            self.answers.publish(place, current_lineage(), answer);
            // Without memory now, the next command tries again.
            let next = self.new_place().ok();
            open.state.lock().place = next;
        }
        match outcome {
            Err(failure) if self.commands.fails_write(failure) => Err(errno(failure)),
            _ => Ok(()),
        }
    }

    fn len(&self, open: &OpenFile) -> usize {
        self.answer(open)
            .map_or(0, |answer| answer.as_bytes().len())
    }
}
