// SPDX-License-Identifier: GPL-2.0-only

//! What is written to `/proc/vm_layout`: which process is reported, and in which form.

use crate::survey::Survey;
use command_file::handler::{CommandHandler, Reply};
use command_file::text::TextBudget;
use kernel::prelude::*;
use logic::command_line::CommandFailure;
use logic_vm_layout::failure::ReportFailure;
use logic_vm_layout::json_report::JsonReport;
use logic_vm_layout::request::{Format, ReportRequest};
use logic_vm_layout::text_report::TextReport;

/// The one command of the file: a request for a report.
pub(crate) struct ReportCommand;

fn report(written: &[u8], texts: &TextBudget) -> Result<Reply, ReportFailure> {
    let request = ReportRequest::parse(written)?;
    let survey = Survey::of(request.pid)?;
    let layout = survey.layout();
    Ok(Reply::Text(match request.format {
        Format::Text => texts.print(&TextReport(&layout))?,
        Format::Json => texts.print(&JsonReport(&layout))?,
    }))
}

impl CommandHandler for ReportCommand {
    type Failure = ReportFailure;
    const IS_PRIVATE: bool = true;

    fn execute(&self, written: &[u8], texts: &TextBudget) -> Result<Reply, ReportFailure> {
        report(written, texts)
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
