// SPDX-License-Identifier: GPL-2.0-only

//! The lines that ALL and FILTER show.

use crate::counts::Counts;
use logic::comm::Comm;
use logic::text::{put_comm, put_decimal, BufferFull, Print, Sink};

/// One set of processes. It prints as one line, its newline included.
///
/// # Examples
///
/// ```
/// use kernel::alloc::{flags::GFP_KERNEL, KVVec};
/// use logic::comm::Comm;
/// use logic::text::Print;
/// use logic_memory_info::counts::Counts;
/// use logic_memory_info::report::SetLine;
///
/// let counts = Counts { total: 8, valid: 5, may_be_shared: 3, nb_group: 1 };
/// let comm = Comm::new(b"sshd").unwrap();
/// let line = SetLine { comm: &comm, counts: &counts, pids: &[116, 118] };
/// let mut text = KVVec::with_capacity(line.printed_len(), GFP_KERNEL).unwrap();
/// line.append_to(&mut text).unwrap();
/// assert_eq!(
///     &text[..],
///     b"sshd, total: 8, valid: 5, invalid: 3, may_be_shared: 3, nb_group: 1, pid(2): 116; 118\n",
/// );
/// ```
#[derive(Clone, Copy)]
pub struct SetLine<'a> {
    /// The name of all processes of the set.
    pub comm: &'a Comm,
    /// The numbers of the set's pages.
    pub counts: &'a Counts,
    /// The ids of the processes, ascending.
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
