// SPDX-License-Identifier: GPL-2.0-only

//! A Redis server, used through a UNIX socket.

use super::interface::{key, value, Store, KEYS, VALUE};
use anyhow::{ensure, Context, Result};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Directory of the server and its libraries in the guest.
const DIRECTORY: &str = "/usr/lib/redis";
const SOCKET: &str = "/tmp/bench-redis";

/// A running server, which is killed when this is dropped.
pub struct Server(Child);

impl Server {
    /// Starts the server without persistence. Returns none if the guest does not have it.
    pub fn start() -> Result<Option<Self>> {
        let program = format!("{DIRECTORY}/redis-server");
        if !Path::new(&program).exists() {
            return Ok(None);
        }
        let child = Command::new(program)
            .args(["--port", "0", "--unixsocket", SOCKET])
            .args(["--save", "", "--appendonly", "no"])
            .env("LD_LIBRARY_PATH", DIRECTORY)
            .current_dir("/tmp")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start redis-server")?;
        let server = Self(child);
        let start = Instant::now();
        while UnixStream::connect(SOCKET).is_err() {
            ensure!(
                start.elapsed() < Duration::from_secs(20),
                "redis-server did not open {SOCKET}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Some(server))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A connection to the server with all commands prepared.
pub struct Redis {
    stream: UnixStream,
    gets: Vec<Vec<u8>>,
    sets: Vec<Vec<u8>>,
    answer: Vec<u8>,
}

impl Redis {
    /// Connects to the server.
    pub fn connect() -> Result<Self> {
        let commands = |words: fn(usize) -> Vec<Vec<u8>>| (0..KEYS).map(words).map(command);
        let gets = commands(|number| vec![b"GET".into(), key(number).into()]);
        let sets = commands(|number| vec![b"SET".into(), key(number).into(), value(number).into()]);
        Ok(Self {
            stream: UnixStream::connect(SOCKET).context("cannot connect to redis-server")?,
            gets: gets.collect(),
            sets: sets.collect(),
            answer: Vec::new(),
        })
    }
}

/// Returns a command in the form in which it is sent: an array of strings.
fn command(words: Vec<Vec<u8>>) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend(word);
        bytes.extend(b"\r\n");
    }
    bytes
}

impl Store for Redis {
    fn get(&mut self, key: usize) -> Result<()> {
        self.stream.write_all(&self.gets[key])?;
        let head = format!("${VALUE}\r\n");
        self.answer.resize(head.len() + VALUE + 2, 0);
        self.stream.read_exact(&mut self.answer)?;
        ensure!(
            self.answer.starts_with(head.as_bytes()),
            "the reply of redis-server is not a value of {VALUE} bytes"
        );
        Ok(())
    }

    fn set(&mut self, key: usize) -> Result<()> {
        const OK: &[u8] = b"+OK\r\n";
        self.stream.write_all(&self.sets[key])?;
        self.answer.resize(OK.len(), 0);
        self.stream.read_exact(&mut self.answer)?;
        ensure!(self.answer == OK, "redis-server did not set a value");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_is_an_array_of_strings() {
        assert_eq!(
            command(vec![b"GET".into(), b"k".into()]),
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
        );
    }
}
