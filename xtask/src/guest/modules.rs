// SPDX-License-Identifier: GPL-2.0-only

//! Building the kernel modules, or checking them with clippy, by the kernel's build system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{anyhow, ensure, Context, Error, Result};
use nix::fcntl::Flock;

use crate::host::cache::{self, Cache};
use crate::host::progress::{step, StepError};
use crate::host::workspace::Workspace;
use crate::kernels::kernel::Kernel;

/// The task of the kernel's build system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Compile and link the modules.
    Build,
    /// Compile and link the modules and the bench's yardstick modules.
    BuildForBench,
    /// Run clippy on the modules and the bench's yardstick modules.
    Clippy,
}

/// The file by which the kernel's build system knows that modules were built in a directory.
const IN_PLACE: &str = "modules.order";

/// Built modules; no other run rebuilds them while this value lives.
pub struct Modules {
    /// The paths of the `.ko` files.
    pub files: Vec<PathBuf>,
    _lock: Flock<File>,
}

impl Job {
    fn name(self) -> &'static str {
        match self {
            Job::Build => "modules",
            Job::BuildForBench => "bench",
            Job::Clippy => "clippy",
        }
    }

    fn title(self, release: &str) -> String {
        match self {
            Job::Build => format!("modules for {release}"),
            Job::BuildForBench => format!("modules and yardsticks for {release}"),
            Job::Clippy => format!("clippy of the modules for {release}"),
        }
    }
}

/// Runs `job` for a kernel of the cache, inside the root. Warnings are errors.
pub fn make(workspace: &Workspace, kernel: &Kernel, job: Job) -> Result<Modules> {
    let project = &workspace.project;
    check_clean(&project.dir)?;
    let out = project.output(job.name(), kernel.name());
    let mut chroot = kernel.chroot(workspace.root()?);
    let mut variables = vec!["M=/mnt/project".to_owned(), "MO=/mnt/out".to_owned()];
    chroot = chroot
        .bind_read_only(&project.dir, "project")
        .bind(&out, "out");
    if let Some(xxhash) = project.xxhash() {
        chroot = chroot.bind_read_only(xxhash, "xxhash-rust");
        variables.push("XXHASH_RUST=/mnt/xxhash-rust".to_owned());
    }
    let mut command = chroot.command("make");
    command
        .args(["-C", &kernel.build_tree()])
        .args(kernel.make_arguments())
        .args(variables)
        .arg(rust_flags(kernel.rust_flags()));
    let made_from = format!("{} {}", kernel.key(), project.dir.display());
    let made = run(
        &workspace.cache,
        &out,
        kernel.name(),
        &made_from,
        job,
        command,
    );
    match made {
        Err(error) if !kernel.is_tested() => Err(untested(error, kernel.name())),
        made => made,
    }
}

/// Explains a failed build for a kernel that the project was not tested with: the first compiler error usually names
/// the kernel API that has changed.
fn untested(error: Error, release: &str) -> Error {
    let step = error.downcast_ref::<StepError>();
    match step.and_then(StepError::first_compiler_error) {
        Some(first) => anyhow!(
            "the modules do not build for {release}, a kernel that the project was not tested with. The first \
             error says which kernel API differs:\n{first}\n  log: {}\n  What differs between kernels belongs \
             in src/compat; docs/kernels.md says how a series is added",
            step.map(|step| step.log().display().to_string()).unwrap_or_default()
        ),
        None => error,
    }
}

/// Builds the modules for the kernel build tree `tree` of this machine, with this machine's tools.
pub fn make_for_tree(workspace: &Workspace, tree: &Path) -> Result<Modules> {
    let release = fs::read_to_string(tree.join("include/config/kernel.release")).with_context(|| {
        format!(
            "{} is not a prepared kernel build tree: it has no include/config/kernel.release (run make modules_prepare there)",
            tree.display()
        )
    })?;
    let release = release.trim();
    let project = &workspace.project;
    check_clean(&project.dir)?;
    let out = project.output("tree", release);
    let mut command = Command::new("make");
    command
        .arg("-C")
        .arg(tree)
        .arg(assignment("M", &project.dir))
        .arg(assignment("MO", &out));
    if let Some(xxhash) = project.xxhash() {
        command.arg(assignment("XXHASH_RUST", xxhash));
    }
    command.arg(rust_flags(""));
    let made_from = format!("{} {}", tree.display(), project.dir.display());
    run(
        &workspace.cache,
        &out,
        release,
        &made_from,
        Job::Build,
        command,
    )
}

/// Returns the make variable with the flags `more` for rustc and those that make warnings errors.
fn rust_flags(more: &str) -> String {
    format!("KRUSTFLAGS=-Dwarnings {more}")
}

fn assignment(name: &str, path: &Path) -> std::ffi::OsString {
    let mut word = std::ffi::OsString::from(format!("{name}="));
    word.push(path);
    word
}

/// Fails if modules were built in the checkout itself, which the kernel's build system refuses to build elsewhere.
fn check_clean(checkout: &Path) -> Result<()> {
    ensure!(
        !checkout.join(IN_PLACE).exists(),
        "the checkout holds the products of a build in place ({IN_PLACE}): remove them with \
         `make -C <build tree> M={} clean`, with the build tree that they were built for",
        checkout.display()
    );
    Ok(())
}

/// Runs the kernel's build system. Removes the products of another kernel or checkout (`made_from`) first, because make
/// compares only the times of files.
fn run(
    cache: &Cache,
    out: &Path,
    release: &str,
    made_from: &str,
    job: Job,
    mut command: Command,
) -> Result<Modules> {
    cache::create_dir(out)?;
    let title = job.title(release);
    let mut lock = out.as_os_str().to_owned();
    lock.push(".lock");
    let lock = cache::lock_file(Path::new(&lock), &title)?;
    let stamp = out.join("made-from");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(made_from) {
        fs::remove_dir_all(out).with_context(|| format!("cannot remove {}", out.display()))?;
        cache::create_dir(out)?;
        fs::write(&stamp, made_from)?;
    }
    let jobs = std::thread::available_parallelism()?;
    // clang finds null-pointer arithmetic in the headers of User-mode Linux; gcc knows no such warning.
    command
        .arg(format!("-j{jobs}"))
        .arg("KCFLAGS=-Werror -Wno-null-pointer-arithmetic");
    if job != Job::Build {
        command.arg("BENCH=1");
    }
    if job == Job::Clippy {
        command.arg("CLIPPY=1");
    }
    command.arg("modules");
    step(&title, cache.log(job.name()), |step| step.run(&mut command))?;
    let files = built(out)?;
    ensure!(
        job == Job::Clippy || !files.is_empty(),
        "the build for {release} succeeded but made no .ko file in {}: does Kbuild name a module in obj-m?",
        out.display()
    );
    Ok(Modules { files, _lock: lock })
}

fn built(out: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(out)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "ko"))
        .collect();
    files.sort();
    Ok(files)
}
