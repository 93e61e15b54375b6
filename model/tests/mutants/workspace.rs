// SPDX-License-Identifier: GPL-2.0-only

//! A copy of the sources that the model needs, to be changed and built.

use nix::fcntl::{Flock, FlockArg};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const MEMBERS: [&str; 5] = [
    "model",
    "model/kernel",
    "src/compat",
    "src/logic",
    "src/protocol",
];

/// The copy. One process at a time has it.
pub struct Workspace {
    root: PathBuf,
    _lock: Flock<File>,
}

impl Workspace {
    /// Copies the sources, over those of an earlier run: what was built from them is used again.
    pub fn copy() -> Self {
        let original = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("a workspace");
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
        fs::create_dir_all(&root).expect("a directory for the copy");
        let lock = File::create(root.join("lock")).expect("a lock file");
        let lock = Flock::lock(lock, FlockArg::LockExclusive).expect("the lock on the copy");
        for member in ["model", "src/compat", "src/logic", "src/protocol"] {
            let to = root.join(member);
            if to.exists() {
                fs::remove_dir_all(&to).expect("an earlier copy goes");
            }
            copy_tree(&original.join(member), &to);
        }
        let manifest = fs::read_to_string(original.join("Cargo.toml")).expect("a manifest");
        let of_copy = manifest.lines().map(|line| match line.split_once(" = ") {
            Some(("members" | "default-members", _)) if line.starts_with("default") => {
                String::new()
            }
            Some(("members", _)) => format!("members = {MEMBERS:?}"),
            _ => line.to_owned(),
        });
        let of_copy: Vec<String> = of_copy.collect();
        fs::write(root.join("Cargo.toml"), of_copy.join("\n")).expect("the copy's manifest");
        fs::copy(original.join("Cargo.lock"), root.join("Cargo.lock")).expect("the lock file");
        Self { root, _lock: lock }
    }

    /// Writes one file of the copy.
    pub fn write(&self, file: &Path, text: &str) {
        fs::write(self.root.join(file), text).expect("a source file can be written");
    }

    fn cargo(&self, target: &str) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .current_dir(&self.root)
            .args([
                "test",
                "--offline",
                "--quiet",
                "--package",
                "model",
                "--test",
                target,
            ])
            .arg("--target-dir")
            .arg(self.root.join("target"));
        cargo
    }

    /// Builds one file of tests.
    ///
    /// # Panics
    ///
    /// If it does not compile.
    pub fn build(&self, target: &str, what: &str) {
        let built = self
            .cargo(target)
            .arg("--no-run")
            .output()
            .expect("cargo runs");
        assert!(
            built.status.success(),
            "\"{what}\" does not compile:\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
    }

    /// Runs one test. If it fails, returns what it said.
    pub fn failure(&self, target: &str, test: &str) -> Option<String> {
        let mut cargo = self.cargo(target);
        let run = cargo
            .args(["--", "--exact", test, "--nocapture"])
            .output()
            .expect("cargo runs");
        let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
        assert!(
            said.contains("running 1 test"),
            "there is no test {test} in {target}:\n{said}"
        );
        (!run.status.success()).then(|| said.into_owned())
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("a directory entry").path();
        let to = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_tree(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a source file");
        }
    }
}
