// SPDX-License-Identifier: GPL-2.0-only

//! The list of test suites, and the kernel that each runs on.

use std::time::Instant;

use anyhow::{bail, Result};

use crate::guest::accelerator::Accelerator;
use crate::host::workspace::Workspace;
use crate::kernels::kernel::STOCK;
use crate::kernels::own::{DEBUG, KCSAN, NATIVE, NATIVE_KASAN};
use crate::testing::session::Session;
use crate::testing::stress::{
    Load,
    Subject::{MemoryInfo, Moddb},
};
use crate::testing::suite::Suite;
use crate::testing::summary::{Outcome, Summary};
use crate::testing::vm_suite::VmSuite;

const SUITES: &[Suite] = suites! {
    "fmt" => fmt,
    "clippy-host" => clippy_host,
    "host" => host,
    "oldest-compiler" => oldest_compiler,
    "loom" => loom,
    "miri" => miri,
    "clippy-kernel" => clippy_kernel,
    "specification" => specification,
    "build" => build,
    "build-others" => build_others,
    "bench::quick" => bench,
};

/// All guest tests, on the requested kernel.
pub const VM: VmSuite = VmSuite {
    prefix: "vm::",
    group: "",
    kernel: None,
    accelerator: None,
    memory: None,
};
/// Guest tests that need fault injection, which the stock kernel lacks.
const FAULTS: VmSuite = VmSuite {
    prefix: "debug::",
    group: "::faults::",
    kernel: Some(DEBUG),
    accelerator: None,
    memory: None,
};
/// Guest tests that walk page tables, on a processor with five levels of page tables.
const FIVE_LEVELS: VmSuite = VmSuite {
    prefix: "five-levels::",
    group: "vm_layout::agreement::",
    kernel: None,
    accelerator: Some(Accelerator::TcgFiveLevels),
    memory: None,
};
/// Guest tests of a machine with little memory.
const SMALL_MACHINE: VmSuite = VmSuite {
    prefix: "small-machine::",
    group: "::small_machine::",
    kernel: None,
    accelerator: None,
    memory: Some("640M"),
};

/// Prefix of the names of stress runs.
const STRESS_PREFIX: &str = "stress::";

/// A stress run that is reported as one test.
struct StressRun {
    kernel: &'static str,
    load: Load,
    /// True if it runs when no kernel is requested.
    always: bool,
}

/// Stress runs of one to two minutes; longer ones are for `cargo xtask stress`.
const STRESS: &[StressRun] = &[
    StressRun {
        kernel: STOCK,
        load: Load::of(MemoryInfo, 16, 60, 3),
        always: true,
    },
    StressRun {
        kernel: DEBUG,
        load: Load::of(MemoryInfo, 8, 60, 2),
        always: true,
    },
    StressRun {
        kernel: NATIVE,
        load: Load::of(MemoryInfo, 32, 90, 20),
        always: true,
    },
    StressRun {
        kernel: NATIVE_KASAN,
        load: Load::of(MemoryInfo, 16, 90, 10),
        always: false,
    },
    StressRun {
        kernel: KCSAN,
        load: Load::of(MemoryInfo, 8, 60, 2),
        always: false,
    },
    StressRun {
        kernel: STOCK,
        load: Load::of(Moddb, 64, 40, 2),
        always: true,
    },
    StressRun {
        kernel: DEBUG,
        load: Load::of(Moddb, 32, 40, 2),
        always: true,
    },
    StressRun {
        kernel: NATIVE,
        load: Load::of(Moddb, 64, 50, 20),
        always: true,
    },
    StressRun {
        kernel: NATIVE_KASAN,
        load: Load::of(Moddb, 32, 60, 10),
        always: false,
    },
    StressRun {
        kernel: KCSAN,
        load: Load::of(Moddb, 16, 60, 2),
        always: false,
    },
];

/// Runs (or, with `list`, prints) the tests whose names contain `filter`; returns true if none failed.
///
/// They run on `kernel`. If it is `None`, they run on the stock kernel, and those that need one of the project's own
/// kernels run on that.
pub fn run(filter: Option<&str>, list: bool, kernel: Option<&str>) -> Result<bool> {
    let is_selected = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    let workspace = Workspace::open()?;
    let mut session = Session::new(&workspace, kernel);
    let suites: Vec<_> = SUITES
        .iter()
        .filter(|suite| is_selected(suite.name))
        .collect();
    let vm_suites: &[&VmSuite] = match kernel {
        None => &[&VM, &FIVE_LEVELS, &SMALL_MACHINE, &FAULTS],
        Some(_) => &[&VM],
    };
    let vm_tests = session.vm_tests().map(|in_guest| {
        let names_of = |vm_suite: &&'static VmSuite| {
            let names = vm_suite.names(&in_guest).into_iter();
            (
                *vm_suite,
                names.filter(|name| is_selected(name)).collect::<Vec<_>>(),
            )
        };
        let with_names = vm_suites.iter().map(names_of);
        with_names
            .filter(|(_, names)| !names.is_empty())
            .collect::<Vec<_>>()
    });
    let stress: Vec<_> = stress_runs(kernel)
        .into_iter()
        .filter(|(name, _)| is_selected(name))
        .collect();
    if list {
        for suite in suites {
            println!("{}", suite.name);
        }
        for (_, names) in vm_tests? {
            names.iter().for_each(|name| println!("{name}"));
        }
        for (name, _) in stress {
            println!("{name}");
        }
        return Ok(true);
    }
    let nothing = suites.is_empty() && stress.is_empty();
    if let (true, Ok([]), Some(filter)) = (nothing, vm_tests.as_deref(), filter) {
        bail!("no test's name contains \"{filter}\": `cargo xtask test --list` prints the names");
    }
    let mut summary = Summary::default();
    for suite in suites {
        suite.run(&mut session, &mut summary);
    }
    match vm_tests {
        Ok(vm_suites) => {
            for (vm_suite, names) in vm_suites {
                run_vm_suite(&mut session, vm_suite, &names, filter, &mut summary);
            }
        }
        Err(error) => summary.add(VM.prefix, error.into()),
    }
    for (name, run) in stress {
        let begun = Instant::now();
        let outcome = session.stress(kernel.or(Some(run.kernel)), run.load);
        summary.add(&name, outcome.unwrap_or_else(Outcome::from));
        summary.took(&name, begun.elapsed());
    }
    Ok(summary.print())
}

/// Runs the guest tests `names` of `vm_suite`.
pub fn run_vm_suite(
    session: &mut Session,
    vm_suite: &VmSuite,
    names: &[String],
    filter: Option<&str>,
    summary: &mut Summary,
) {
    let begun = Instant::now();
    if let Err(error) = session.vm(vm_suite, names, filter, summary) {
        summary.add(vm_suite.prefix, error.into());
    }
    summary.took(
        &format!(
            "{}{}",
            vm_suite.prefix,
            vm_suite.group.trim_start_matches("::")
        ),
        begun.elapsed(),
    );
}

/// Returns the stress runs for `kernel`, or those that run if no kernel is requested, with their names.
fn stress_runs(kernel: Option<&str>) -> Vec<(String, &'static StressRun)> {
    let name = |run: &StressRun, kernel: &str| match run.load.module {
        MemoryInfo => format!("{STRESS_PREFIX}{kernel}"),
        Moddb => format!("{STRESS_PREFIX}moddb-{kernel}"),
    };
    let Some(kernel) = kernel else {
        let always = STRESS.iter().filter(|run| run.always);
        return always.map(|run| (name(run, run.kernel), run)).collect();
    };
    // A Debian release has the runs of the stock kernel.
    let own = STRESS.iter().any(|run| run.kernel == kernel);
    let like = if own { kernel } else { STOCK };
    let runs = STRESS.iter().filter(|run| run.kernel == like);
    runs.map(|run| (name(run, kernel), run)).collect()
}
