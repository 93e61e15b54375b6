// SPDX-License-Identifier: GPL-2.0-only

//! Kernels that the project builds itself, from the stock kernel's source with another configuration. They are
//! for tests only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

use crate::host::cache;
use crate::host::chroot::Chroot;
use crate::host::progress::{step, Step};
use crate::host::workspace::Workspace;
use crate::kernels::source;
use crate::kernels::stock::StockKernel;
use crate::kernels::supported::numbers;

/// Version of the steps that make an entry; raising it makes new entries.
const RECIPE: &str = "2";
/// Path of an entry inside the root. It is constant because build trees hold absolute paths.
const INSIDE: &str = "/mnt/built";

/// How one of the kernels is made and run.
pub struct Recipe {
    /// The name of the kernel on the command line.
    pub name: &'static str,
    /// True for User-mode Linux, which runs as a program of the host instead of in QEMU.
    pub user_mode: bool,
    /// The memory of a guest with this kernel, as QEMU spells it.
    pub memory: &'static str,
    /// The factor by which time limits are longer than on the stock kernel.
    pub slowdown: u32,
    configuration: &'static [&'static str],
    make_arguments: &'static [&'static str],
    target: &'static str,
    image: &'static str,
    rust_flags: &'static str,
}

/// The names of the recipes.
pub const DEBUG: &str = "debug";
pub const KCSAN: &str = "kcsan";
pub const NATIVE: &str = "native";
pub const NATIVE_KASAN: &str = "native-kasan";

const DEBUG_CONFIG: &str = include_str!("../../kernels/debug.config");
const NATIVE_CONFIG: &str = include_str!("../../kernels/native.config");
// Modules are loaded too far from the kernel's code for rustc's default code model.
const NATIVE_RUST_FLAGS: &str = "-Crelocation-model=static -Ccode-model=large";

// The kernel's KCSAN flags are for C only. rustc has no thread sanitizer for the kernel's target, but LLVM's pass works
// on any target.
const KCSAN_RUST_FLAGS: &str = "-Cpasses=tsan -Cllvm-args=-force-attribute=sanitize_thread \
    -Cllvm-args=-tsan-distinguish-volatile=1 -Cllvm-args=-tsan-compound-read-before-write=1";

/// The recipes of all kernels that the project builds.
pub const RECIPES: &[Recipe] = &[
    // All run-time checkers of the kernel except KCSAN, and fault injection.
    Recipe {
        name: DEBUG,
        user_mode: false,
        memory: "3G",
        slowdown: 6,
        configuration: &[DEBUG_CONFIG],
        // KASAN in Rust needs the compilers to share their LLVM.
        make_arguments: &["LLVM=1"],
        target: "bzImage",
        image: "arch/x86/boot/bzImage",
        rust_flags: "",
    },
    // Data races.
    Recipe {
        name: KCSAN,
        user_mode: false,
        memory: "2G",
        slowdown: 6,
        configuration: &[DEBUG_CONFIG, include_str!("../../kernels/kcsan.config")],
        // The instrumentation in Rust is that of clang's LLVM.
        make_arguments: &["LLVM=1"],
        target: "bzImage",
        image: "arch/x86/boot/bzImage",
        rust_flags: KCSAN_RUST_FLAGS,
    },
    // Real races: two processors at native speed.
    Recipe {
        name: NATIVE,
        user_mode: true,
        memory: "2G",
        slowdown: 1,
        configuration: &[NATIVE_CONFIG],
        make_arguments: &["ARCH=um"],
        target: "vmlinux",
        image: "vmlinux",
        rust_flags: NATIVE_RUST_FLAGS,
    },
    Recipe {
        name: NATIVE_KASAN,
        user_mode: true,
        memory: "2G",
        slowdown: 2,
        configuration: &[NATIVE_CONFIG, include_str!("../../kernels/kasan.config")],
        make_arguments: &["ARCH=um", "LLVM=1"],
        target: "vmlinux",
        image: "vmlinux",
        rust_flags: NATIVE_RUST_FLAGS,
    },
];

/// Returns the recipe with the name `name`.
pub fn recipe(name: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.name == name)
}

/// A kernel of the project's own in the cache.
pub struct OwnKernel {
    /// The recipe that the kernel was made with.
    pub recipe: &'static Recipe,
    dir: PathBuf,
}

impl OwnKernel {
    /// Returns the kernel that `recipe` makes of `stock`'s source, made first if it is not in the cache.
    pub fn get(
        workspace: &Workspace,
        stock: &StockKernel,
        recipe: &'static Recipe,
    ) -> Result<Self> {
        let cache = &workspace.cache;
        let root = workspace.root()?;
        let configuration = for_series(&recipe.configuration.concat(), &stock.release.series());
        let made_from = [
            root.key(),
            &stock.release.version,
            &configuration,
            &recipe.make_arguments.join(" "),
            RECIPE,
        ];
        let name = format!("kernel-{}-{}", recipe.name, cache::key(&made_from));
        let dir = cache.entry(&name, |dir| {
            let chroot = stock.chroot(root).bind(dir, "built");
            let make = Make {
                chroot: &chroot,
                recipe,
                build: &dir.join("build"),
            };
            step(
                &format!("kernel {}: configuration", recipe.name),
                cache.log(&format!("kernel-{}-configuration", recipe.name)),
                |step| make.configure(step, &dir.join("fragment"), &configuration),
            )?;
            step(
                &format!("kernel {}: build", recipe.name),
                cache.log(&format!("kernel-{}-build", recipe.name)),
                |step| make.build(step),
            )
        })?;
        Ok(Self { recipe, dir })
    }

    /// Returns `chroot` with this kernel bound into it.
    pub fn bind(&self, chroot: Chroot) -> Chroot {
        chroot.bind_read_only(&self.dir, "built")
    }

    /// Returns a key that differs between build trees that were made from different inputs.
    pub fn key(&self) -> String {
        self.dir
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Returns the path of the build tree inside the root.
    pub fn build_tree(&self) -> String {
        format!("{INSIDE}/build")
    }

    /// Returns the path of the bootable image inside the root.
    pub fn image(&self) -> String {
        format!("{INSIDE}/build/{}", self.recipe.image)
    }

    /// Returns the arguments with which make builds modules for this kernel.
    pub fn make_arguments(&self) -> &'static [&'static str] {
        self.recipe.make_arguments
    }

    /// Returns the flags that rustc needs for this kernel's modules.
    pub fn rust_flags(&self) -> &'static str {
        self.recipe.rust_flags
    }
}

/// A running build of a kernel.
struct Make<'a> {
    chroot: &'a Chroot,
    recipe: &'static Recipe,
    build: &'a Path,
}

impl Make<'_> {
    fn run(&self, step: &Step, arguments: &[&str]) -> Result<()> {
        let mut command = self.chroot.command("make");
        command
            .args(["-C", source::INSIDE, &format!("O={INSIDE}/build")])
            .args(self.recipe.make_arguments)
            .args(arguments);
        step.run(&mut command)
    }

    /// Enables only the options that `fragment` sets, and fails if one of them is missing in the result.
    fn configure(&self, step: &Step, file: &Path, fragment: &str) -> Result<()> {
        fs::create_dir(self.build)?;
        fs::write(file, fragment)?;
        let fragment_inside = format!("KCONFIG_ALLCONFIG={INSIDE}/fragment");
        self.run(step, &[&fragment_inside, "allnoconfig"])?;
        let configuration = fs::read_to_string(self.build.join(".config"))
            .context("allnoconfig wrote no .config")?;
        let missing = missing_options(fragment, &configuration);
        ensure!(
            missing.is_empty(),
            "the kernel {}'s configuration lacks {}: add the options that they depend on to the fragment in xtask/kernels, or remove those that this kernel or compiler does not have",
            self.recipe.name,
            missing.join(", ")
        );
        Ok(())
    }

    fn build(&self, step: &Step) -> Result<()> {
        let jobs = format!("-j{}", std::thread::available_parallelism()?);
        self.run(step, &[&jobs, self.recipe.target, "modules"])?;
        ensure!(
            self.build.join(self.recipe.image).exists(),
            "make succeeded but made no {}",
            self.recipe.image
        );
        Ok(())
    }
}

/// Returns `fragment` without the lines that end with `# before <series>`, for a series that `series` is not before.
fn for_series(fragment: &str, series: &str) -> String {
    let lines = fragment
        .lines()
        .filter_map(|line| match line.split_once(" # before ") {
            Some((option, limit)) => (numbers(series) < numbers(limit)).then_some(option),
            None => Some(line),
        });
    lines.map(|line| format!("{line}\n")).collect()
}

/// Returns the options that `fragment` sets and `configuration` lacks. The last line that sets an option counts.
fn missing_options<'a>(fragment: &'a str, configuration: &str) -> Vec<&'a str> {
    let mut requested: Vec<(&str, &str)> = Vec::new();
    for line in fragment.lines() {
        if let Some((option, value)) = line.split_once('=') {
            requested.retain(|(earlier, _)| *earlier != option);
            requested.push((option, value));
        }
    }
    let has = |option: &str, value: &str| {
        configuration
            .lines()
            .filter_map(|line| line.split_once('='))
            .any(|(name, set)| name == option && (value == "n" || set == value))
    };
    requested
        .into_iter()
        .filter(|(option, value)| has(option, value) == (*value == "n"))
        .map(|(option, _)| option)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{for_series, missing_options};

    #[test]
    fn options_of_older_series_are_left_out() {
        let fragment = "CONFIG_A=y # before 9.10\n# before all\nCONFIG_B=y\n";
        assert_eq!(
            for_series(fragment, "9.9"),
            "CONFIG_A=y\n# before all\nCONFIG_B=y\n"
        );
        assert_eq!(for_series(fragment, "9.10"), "# before all\nCONFIG_B=y\n");
    }

    #[test]
    fn options_that_were_dropped_are_found() {
        let fragment = "# a comment\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=8\nCONFIG_D=y\nCONFIG_D=n\n";
        let all = "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=8\n# CONFIG_D is not set\n";
        assert_eq!(missing_options(fragment, all), Vec::<&str>::new());
        let some = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=9\nCONFIG_D=y\n";
        assert_eq!(
            missing_options(fragment, some),
            ["CONFIG_B", "CONFIG_C", "CONFIG_D"]
        );
    }
}
