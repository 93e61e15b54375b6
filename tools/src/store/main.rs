// SPDX-License-Identifier: GPL-2.0-only

//! `moddb`: the store of keys and values in the kernel, from the command line. Under the name `test` it is the same
//! program.

mod arguments;
mod commands;
mod dump;
mod text;

use arguments::Command;
use clap::Parser;
use std::process::ExitCode;
use tools::moddb::Failure;

#[derive(Parser)]
#[command(
    name = "moddb",
    about = "The store of keys and values in the kernel",
    version,
    after_help = "\
Keys have 1 to 255 bytes, values up to 65,535. Where the output is more than one value, bytes that are not
printable ASCII, and backslashes, are shown as \\xhh; -e understands that.
With --json, what is UTF-8 is a string \"key\" or \"value\"; anything else is \"key_base64\" or \"value_base64\".

Exit status: 0 done; 1 no such key; 2 wrong usage; 3 --if-value or --if-absent did not hold; 4 not allowed;
5 no room: over the store's limit, or no memory; 6 the module is not loaded; 7 anything else."
)]
struct Options {
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    /// In keys and values of the command line, \xhh is a byte and \\ a backslash
    #[arg(short = 'e', long = "escapes", global = true)]
    escapes: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match commands::run(options.command, options.json, options.escapes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("moddb: {error:#}");
            ExitCode::from(status(&error))
        }
    }
}

/// The exit status that says what kind of error it is; see the help.
fn status(error: &anyhow::Error) -> u8 {
    if error.is::<arguments::Wrong>() {
        return 2;
    }
    match error.downcast_ref::<Failure>() {
        Some(Failure::NotLoaded) => 6,
        Some(failure) => match failure.errno() {
            Some(libc::ENOENT) => 1,
            Some(libc::EEXIST | libc::ECANCELED) => 3,
            Some(libc::EPERM) => 4,
            Some(libc::ENOSPC | libc::ENOMEM) => 5,
            _ => 7,
        },
        None => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::{status, Failure, Options};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
        for line in [
            "test set key value",
            "test get key",
            "moddb del -f a b",
            "moddb get --json a",
            "moddb set key -",
            "moddb set --if-absent a b --json",
            "moddb set -- -a -b",
        ] {
            assert!(Options::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "moddb",
            "moddb set key",
            "moddb get",
            "moddb del -f --if-value c a",
        ] {
            assert!(Options::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn errors_have_their_status() {
        let refused = |errno| {
            status(&anyhow::Error::from(Failure::Refused {
                errno,
                sentence: None,
                offset: None,
            }))
        };
        assert_eq!(refused(libc::ENOENT), 1);
        assert_eq!(refused(libc::EEXIST), 3);
        assert_eq!(refused(libc::ECANCELED), 3);
        assert_eq!(refused(libc::EPERM), 4);
        assert_eq!(refused(libc::ENOSPC), 5);
        assert_eq!(refused(libc::EINVAL), 7);
        assert_eq!(status(&Failure::NotLoaded.into()), 6);
        assert_eq!(status(&super::arguments::Wrong::new("no").into()), 2);
    }
}
