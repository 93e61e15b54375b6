// SPDX-License-Identifier: GPL-2.0-only

//! `moddb`: command-line client of the key-value store in the kernel. The module's task asks for the name `test`, under
//! which the guest has this program too.

mod arguments;
mod commands;
mod dump;
mod output;

use arguments::Command;
use clap::Parser;
use std::process::ExitCode;
use tools::moddb::Failure;

#[derive(Parser)]
#[command(
    name = "moddb",
    about = "Client of the key-value store in the kernel (module moddb)",
    version,
    after_help = "\
Keys have 1 to 255 bytes, values up to 65,535 bytes. If more than a single value is printed, backslashes and bytes
that are not printable ASCII are printed as \\xhh, which -e accepts in arguments.
With --json, a key or value that is valid UTF-8 is printed as \"key\" or \"value\", any other in base64 as
\"key_base64\" or \"value_base64\".

Exit status: 0 success; 1 a key does not exist; 2 wrong usage; 3 the condition of --if-value or --if-absent does
not hold; 4 permission denied; 5 the limit of the store is reached or memory is exhausted; 6 the module is not
loaded; 7 any other error."
)]
struct Options {
    /// Print JSON, one object per line
    #[arg(long, global = true)]
    json: bool,
    /// In keys and values of the command line, take \xhh for a byte and \\ for a backslash
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

/// Returns the exit status for an error, as `--help` documents it.
fn status(error: &anyhow::Error) -> u8 {
    if error.is::<arguments::UsageError>() {
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
    fn command_lines_are_parsed() {
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
    fn errors_have_the_documented_status() {
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
        assert_eq!(status(&super::arguments::UsageError::new("no").into()), 2);
    }
}
