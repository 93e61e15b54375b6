// SPDX-License-Identifier: GPL-2.0-only

//! The file of commands in `/proc`, and its open descriptors.

use crate::answer::{Answer, FixedAnswers};
use crate::handler::{Callers, CommandHandler, Reply};
use crate::lineage::Caller;
use crate::text::TextBudget;
use abstractions::errno::error_of;
use abstractions_log::rate_limit::RateLimit;
use abstractions_procfs::{FileMode, FileText, ProcEntry, ProcFile};
use abstractions_task::current::{euid, in_init_pid_ns, is_administrator};
use kernel::alloc::{AllocError, Flags};
use kernel::iov::IovIterSource;
use kernel::prelude::*;
use kernel::sync::{new_mutex, Arc, Mutex};
use logic::command_line::{CommandFailure, Malformed, MAX_LEN};
use protocol::answers::{Answers, Prepared, Visible};

/// Processes whose latest answer is kept.
const ANSWER_SLOTS: usize = 1024;
/// Bytes of answers that are kept, the latest one apart.
const KEPT_BYTES: u64 = 64 << 20;

/// A file of commands that exists in `/proc` until this value is dropped.
pub struct CommandEntry<H: CommandHandler>(ProcEntry<CommandFile<H>>);

impl<H: CommandHandler> CommandEntry<H> {
    /// Creates `/proc/<name>`. May sleep.
    ///
    /// # Errors
    ///
    /// Returns ENOMEM if memory is exhausted or the name is taken.
    pub fn create(name: &CStr, mode: FileMode, handler: H, flags: Flags) -> Result<Self> {
        let file = CommandFile {
            handler,
            answers: Answers::new(ANSWER_SLOTS, KEPT_BYTES, flags)?,
            fixed: FixedAnswers::new()?,
            texts: TextBudget::new(flags)?,
            logged: RateLimit::new(flags)?,
        };
        Ok(Self(ProcEntry::create(name, mode, file, flags)?))
    }
}

impl<H: CommandHandler> Drop for CommandEntry<H> {
    fn drop(&mut self) {
        // Removing the file, which comes next, waits for commands that are being executed.
        let file = self.0.file();
        file.handler.close();
        file.log_left_out();
    }
}

struct CommandFile<H: CommandHandler> {
    handler: H,
    answers: Answers<Answer>,
    fixed: FixedAnswers<H::Failure>,
    texts: TextBudget,
    /// Failures of callers without CAP_SYS_ADMIN that are logged.
    logged: RateLimit,
}

/// One open file description.
#[pin_data]
struct OpenCommandFile<R> {
    /// The rights of the task that opened it.
    opener: R,
    #[pin]
    state: Mutex<OpenState>,
}

struct OpenState {
    /// The answer that is read through this file: that of the last command written through it, else the
    /// one that its first reader was entitled to.
    answer: Option<Arc<Answer>>,
    /// The number of commands that were written through this file.
    commands: u64,
    /// Reserved for the answer to the next command, so that even a lack of memory is answered.
    reserved_slot: Option<Prepared<Answer>>,
}

impl<R> OpenCommandFile<R> {
    /// Makes `answer` the text of the file.
    fn replace_answer(&self, answer: Arc<Answer>) {
        let mut state = self.state.lock();
        let previous = state.answer.replace(answer);
        state.commands += 1;
        // An answer may be large: it is freed without the lock.
        drop(state);
        drop(previous);
    }
}

/// What an open file shows: an answer, or nothing before the first command.
struct ShownAnswer(Option<Arc<Answer>>);

impl AsRef<[u8]> for ShownAnswer {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |answer| answer.as_bytes())
    }
}

impl<H: CommandHandler> CommandFile<H> {
    /// Returns which answers the calling process may get.
    fn visible(&self) -> Visible {
        match H::IS_PRIVATE {
            false => Visible::All,
            true => Visible::OfRelatives { user: euid() },
        }
    }

    /// Logs a failure of the caller's command. Callers without CAP_SYS_ADMIN, who could fill the log, share a limit.
    fn log(&self, failure: H::Failure) {
        if is_administrator() {
            self.handler.log(failure);
        } else if self.logged.admits() {
            self.log_left_out();
            self.handler.log(failure);
        }
    }

    fn log_left_out(&self) {
        match self.logged.take_left_out() {
            0 => {}
            failures => self.handler.log_left_out(failures),
        }
    }

    fn reserve_slot(&self) -> Result<Prepared<Answer>, AllocError> {
        Prepared::new(&Caller, self.fixed.success(), GFP_KERNEL_ACCOUNT)
    }

    fn execute(
        &self,
        opener: H::Rights,
        from: Result<&mut IovIterSource<'_>>,
    ) -> Result<Arc<Answer>, H::Failure> {
        let writer = self.handler.rights_of_caller()?;
        let from = from.map_err(|error| match error {
            ENOMEM => H::Failure::from(AllocError),
            _ => H::Failure::BAD_ADDRESS,
        })?;
        let mut buffer = [0; MAX_LEN];
        let written = buffer.get_mut(..from.len());
        let written = written.ok_or_else(|| H::Failure::from(Malformed))?;
        if from.copy_from_iter(written) != written.len() {
            return Err(H::Failure::BAD_ADDRESS);
        }
        let callers = Callers { opener, writer };
        Ok(match self.handler.execute(written, callers, &self.texts)? {
            Reply::Success => self.fixed.success(),
            Reply::Text(text) => {
                Arc::new(Answer::Text(text), GFP_KERNEL_ACCOUNT).map_err(H::Failure::from)?
            }
        })
    }
}

impl<H: CommandHandler> ProcFile for CommandFile<H> {
    type Open = OpenCommandFile<H::Rights>;
    type Text = ShownAnswer;

    fn open(&self) -> Result<Pin<KBox<Self::Open>>> {
        // Answers hold ids of the initial pid namespace, which processes in other ones must not see.
        if !in_init_pid_ns() {
            return Err(EPERM);
        }
        let rights = self.handler.rights_of_caller();
        let opener = rights.map_err(|failure| error_of(failure.errno()))?;
        let state = OpenState {
            answer: None,
            commands: 0,
            reserved_slot: Some(self.reserve_slot()?),
        };
        KBox::pin_init(
            pin_init!(OpenCommandFile {
                opener,
                state <- new_mutex!(state),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    fn text(&self, open: &Self::Open) -> Result<FileText<ShownAnswer>> {
        let mut state = open.state.lock();
        if state.answer.is_none() {
            state.answer = self.answers.find(&Caller, self.visible());
        }
        Ok(FileText {
            text: ShownAnswer(state.answer.clone()),
            version: state.commands,
        })
    }

    fn write(&self, open: &Self::Open, from: Result<&mut IovIterSource<'_>>) -> Result {
        let reserved = open.state.lock().reserved_slot.take();
        let slot = match reserved {
            Some(mut slot) => {
                slot.prepare_for(&Caller, GFP_KERNEL_ACCOUNT);
                Ok(slot)
            }
            None => self.reserve_slot(),
        };
        let outcome = match &slot {
            Ok(_) => self.execute(open.opener, from),
            Err(AllocError) => Err(H::Failure::from(AllocError)),
        };
        let (answer, failure) = match outcome {
            Ok(answer) => (answer, None),
            Err(failure) => {
                self.log(failure);
                (self.fixed.failure(failure), Some(failure))
            }
        };
        open.replace_answer(answer.clone());
        if let Ok(slot) = slot {
            self.answers.publish(slot, &Caller, euid(), answer);
            // If memory is exhausted now, the next command tries again.
            let next = self.reserve_slot().ok();
            open.state.lock().reserved_slot = next;
        }
        match failure {
            Some(failure) if self.handler.fails_write(failure) => Err(error_of(failure.errno())),
            _ => Ok(()),
        }
    }
}
