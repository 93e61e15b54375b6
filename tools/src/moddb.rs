// SPDX-License-Identifier: GPL-2.0-only

//! moddb's protocol as a client speaks it; `src/moddb/moddb.yaml` describes it.

mod attribute;
mod change;
mod client;
mod dump_file;
mod entry;
mod failure;
mod link;
mod message;

/// The specification's numbers.
pub mod protocol {
    include!(concat!(env!("OUT_DIR"), "/moddb.rs"));
}

pub use change::{Action, Change};
pub use client::{Client, Watch};
pub use dump_file::{read as read_dump, DumpWriter};
pub use entry::Entry;
pub use failure::Failure;

#[cfg(test)]
mod tests {
    use super::protocol::NUMBERS;
    use logic_moddb::entry::field;
    use logic_moddb::numbers::{change, command, message, Action};
    use logic_moddb::numbers::{BATCH_MAX, KEY_MAX, PART_MAX, REPLY_MAX, VALUE_MAX};
    use std::collections::BTreeMap;

    #[test]
    fn the_module_has_the_specifications_numbers() {
        let lengths = [
            ("KEY_MAX", KEY_MAX),
            ("VALUE_MAX", VALUE_MAX),
            ("PART_MAX", PART_MAX),
            ("BATCH_MAX", BATCH_MAX),
            ("REPLY_MAX", REPLY_MAX),
        ];
        let attributes = [
            ("A_MESSAGE_ENTRY", message::ENTRY),
            ("A_MESSAGE_KEYS_ONLY", message::KEYS_ONLY),
            ("A_MESSAGE_CHANGE", message::CHANGE),
            ("A_ENTRY_KEY", field::KEY),
            ("A_ENTRY_VALUE", field::VALUE),
            ("A_ENTRY_IF_VALUE", field::IF_VALUE),
            ("A_ENTRY_IF_ABSENT", field::IF_ABSENT),
            ("A_ENTRY_OPTIONAL", field::OPTIONAL),
            ("A_CHANGE_KEY", change::KEY),
            ("A_CHANGE_ACTION", change::ACTION),
            ("A_CHANGE_VALUE_LEN", change::VALUE_LEN),
        ];
        let operations = [
            ("CMD_NOOP", command::NOOP),
            ("CMD_GET", command::GET),
            ("CMD_SET", command::SET),
            ("CMD_DEL", command::DEL),
            ("CMD_LIST", command::LIST),
            ("CMD_FLUSH", command::FLUSH),
            ("CMD_CHANGED", command::CHANGED),
        ];
        let actions = [
            ("ACTION_SET", Action::Set as u32),
            ("ACTION_DEL", Action::Del as u32),
            ("ACTION_FLUSH", Action::Flush as u32),
        ];
        let modules: BTreeMap<&str, u32> = lengths
            .map(|(name, number)| (name, number as u32))
            .into_iter()
            .chain(attributes.map(|(name, number)| (name, number.into())))
            .chain(operations.map(|(name, number)| (name, number.into())))
            .chain(actions)
            .collect();
        assert_eq!(modules, BTreeMap::from_iter(NUMBERS.iter().copied()));
    }
}
