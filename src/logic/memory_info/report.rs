// SPDX-License-Identifier: GPL-2.0-only

//! The lines that ALL and FILTER show (statement, Listing 1; design: "Output").

use crate::counts::Counts;
use logic::comm::Comm;
use logic::text::{put_comm, put_decimal, BufferFull, Print, Sink};

/// One set of processes, which prints as one line, newline included.
#[derive(Clone, Copy)]
pub struct SetLine<'a> {
    /// The name that the processes share.
    pub comm: &'a Comm,
    /// The set's pages.
    pub counts: &'a Counts,
    /// The processes' ids, ascending.
    pub pids: &'a [u32],
}

impl Print for SetLine<'_> {
    fn print(&self, out: &mut impl Sink) -> Result<(), BufferFull> {
        put_comm(out, self.comm)?;
        let counts = self.counts;
        let fields: [(&[u8], u64); 6] = [
            (b", total: ", counts.total),
            (b", valid: ", counts.valid),
            (b", invalid: ", counts.invalid()),
            (b", may_be_shared: ", counts.may_be_shared),
            (b", nb_group: ", counts.nb_group),
            (b", pid(", self.pids.len() as u64),
        ];
        for (label, number) in fields {
            out.put(label)?;
            put_decimal(out, number)?;
        }
        let mut separator: &[u8] = b"): ";
        for pid in self.pids {
            out.put(separator)?;
            put_decimal(out, u64::from(*pid))?;
            separator = b"; ";
        }
        out.put(b"\n")
    }
}
