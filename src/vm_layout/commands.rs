// SPDX-License-Identifier: GPL-2.0-only

//! What is written to `/proc/vm_layout`: which process is reported, and in which form.

use crate::survey::{Frames, Survey};
use abstractions_task::current::{may_see_frames, may_trace_all};
use command_file::handler::{Callers, CommandHandler, Reply};
use command_file::text::TextBudget;
use kernel::prelude::*;
use logic::command_line::CommandFailure;
use logic_vm_layout::failure::ReportFailure;
use logic_vm_layout::json_report::JsonReport;
use logic_vm_layout::request::{Format, ReportRequest};
use logic_vm_layout::text_report::TextReport;

/// The one command of the file: a request for a report.
pub(crate) struct ReportCommand;

fn report(written: &[u8], frames: Frames, texts: &TextBudget) -> Result<Reply, ReportFailure> {
    let request = ReportRequest::parse(written)?;
    let survey = Survey::of(request.pid, frames)?;
    let layout = survey.layout();
    Ok(Reply::Text(match request.format {
        Format::Text => texts.print(&TextReport(&layout))?,
        Format::Json => texts.print(&JsonReport(&layout))?,
    }))
}

impl CommandHandler for ReportCommand {
    type Failure = ReportFailure;
    const IS_PRIVATE: bool = true;
    /// Of those who may see layouts at all, who may see frames.
    type Rights = Frames;

    /// Whatever the permission bits of the file are, CAP_SYS_PTRACE is needed.
    fn rights_of_caller(&self) -> Result<Frames, ReportFailure> {
        match (may_trace_all(), may_see_frames()) {
            (false, _) => Err(ReportFailure::NotPermitted),
            (true, false) => Ok(Frames::Hidden),
            (true, true) => Ok(Frames::Shown),
        }
    }

    fn execute(
        &self,
        written: &[u8],
        callers: Callers<Frames>,
        texts: &TextBudget,
    ) -> Result<Reply, ReportFailure> {
        let frames = match (callers.opener, callers.writer) {
            (Frames::Shown, Frames::Shown) => Frames::Shown,
            _ => Frames::Hidden,
        };
        report(written, frames, texts)
    }

    fn log(&self, failure: ReportFailure) {
        pr_err!("{}", failure.line());
    }

    fn log_left_out(&self, failures: u32) {
        pr_err!("{failures} errors of callers without CAP_SYS_ADMIN were left out\n");
    }

    fn fails_write(&self, _failure: ReportFailure) -> bool {
        true
    }

    /// Does nothing: a command only waits for the process that it asks about.
    fn close(&self) {}
}
