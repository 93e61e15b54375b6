// SPDX-License-Identifier: GPL-2.0-only

//! The check of moddb's netlink specification: the kernel's generators must accept it, and the generated numbers must
//! equal those of the programs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{ensure, Result};
use tools::moddb::spec::NUMBERS;

use crate::host::cache;
use crate::host::chroot::Chroot;
use crate::host::progress::{step, Step};
use crate::host::workspace::Workspace;
use crate::kernels::kernel::Kernel;

/// Debian packages of the Python modules that the generators import.
const PACKAGES: &[&str] = &[
    "libyaml-0-2",
    "python3-attr",
    "python3-jsonschema",
    "python3-jsonschema-specifications",
    "python3-referencing",
    "python3-rpds-py",
    "python3-typing-extensions",
    "python3-yaml",
];
/// Version of the steps that get the packages; raising it gets them again.
const RECIPE: &str = "1";
const PREFIX: &str = "MODDB_";

/// Fails unless the specification in `src/moddb` is valid by the schema of `kernel`, the kernel's
/// generators make all files from it, and the header agrees with [`NUMBERS`].
pub fn check(workspace: &Workspace, kernel: &Kernel) -> Result<()> {
    let packages = packages(workspace)?;
    let moddb = workspace.project.dir.join("src/moddb");
    let chroot = kernel.chroot(workspace.root()?);
    let header = step(
        "netlink specification",
        workspace.cache.log("specification"),
        |step| {
            let chroot = chroot
                .bind_read_only(&packages, "python")
                .bind_read_only(&moddb, "moddb");
            generate(step, &chroot)
        },
    )?;
    let made = numbers(&header);
    for (name, number) in NUMBERS {
        let found = made.get(*name);
        ensure!(
            found == Some(number),
            "{PREFIX}{name} is {number} in the programs and {found:?} in the generated header: make moddb.yaml and tools agree"
        );
    }
    let expected = NUMBERS.len();
    ensure!(
        made.len() == expected,
        "the generated header has {} numbers, the programs have {expected}: make moddb.yaml and tools agree",
        made.len()
    );
    Ok(())
}

fn packages(workspace: &Workspace) -> Result<PathBuf> {
    let Workspace { cache, .. } = workspace;
    let root = workspace.root()?;
    let key = cache::key(&[root.key(), RECIPE, &PACKAGES.join(",")]);
    cache.entry(&format!("netlink-tools-{key}"), |dir| {
        step("netlink tools", cache.log("netlink-tools"), |step| {
            root.update_lists(step)?;
            let chroot = root.chroot().bind(dir, "python");
            let script = r#"
                cd /mnt/python
                apt-get download "$@"
                for package in *.deb; do dpkg-deb -x "$package" .; done
                rm ./*.deb
            "#;
            step.run(
                chroot
                    .command("sh")
                    .args(["-ec", script, "fetch"])
                    .args(PACKAGES),
            )
        })
    })
}

/// Generates all files and returns the header for programs.
fn generate(step: &Step, chroot: &Chroot) -> Result<String> {
    // The generator looks for its schema beside the folder of the specification, in a tree that it knows by a file.
    let script = r#"
        tree=$(mktemp -d)
        trap 'rm -r "$tree"' EXIT
        source=/mnt/source
        mkdir -p "$tree/Documentation/netlink/specs"
        touch "$tree/MAINTAINERS"
        cp "$source"/Documentation/netlink/*.yaml "$tree/Documentation/netlink"
        specification=$tree/Documentation/netlink/specs/moddb.yaml
        cp /mnt/moddb/moddb.yaml "$specification"
        export PYTHONPATH=/mnt/python/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1
        export LD_LIBRARY_PATH=/mnt/python/usr/lib/x86_64-linux-gnu
        for mode in kernel user uapi; do
            for part in --source --header; do
                python3 "$source/tools/net/ynl/pyynl/ynl_gen_c.py" --spec "$specification" \
                    --mode $mode $part -o "$tree/out"
            done
        done
        cat "$tree/out"
    "#;
    step.output(chroot.command("sh").args(["-ec", script]))
}

/// Returns the numbers that a header defines, without those that the generator adds.
fn numbers(header: &str) -> BTreeMap<&str, u32> {
    let mut found = BTreeMap::new();
    let mut next = 0;
    for line in header.lines().map(str::trim) {
        let mut tokens = line
            .split([' ', '\t', '=', ','])
            .filter(|token| !token.is_empty());
        let (name, value) = match (tokens.next(), tokens.next(), tokens.next()) {
            (Some("#define"), Some(name), Some(value)) => (name, value.parse().ok()),
            (Some("enum"), ..) => {
                next = 0;
                continue;
            }
            (Some(name), Some(value), None) => (name, value.parse().ok()),
            (Some(name), None, None) => (name, Some(next)),
            _ => continue,
        };
        let (Some(name), Some(value)) = (name.strip_prefix(PREFIX), value) else {
            continue;
        };
        next = value + 1;
        if name != "FAMILY_VERSION" {
            found.insert(name, value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn headers_are_read() {
        let header = "#define MODDB_FAMILY_NAME\t\"moddb\"\n#define MODDB_FAMILY_VERSION\t1\n\
                      #define MODDB_KEY_MAX\t255\n/**\n * enum moddb_action - x\n * @MODDB_A: y\n */\n\
                      enum moddb_action {\n\tMODDB_ACTION_SET = 1,\n\tMODDB_ACTION_DEL,\n};\n\
                      enum {\n\tMODDB_CMD_NOOP = 1,\n\tMODDB_CMD_GET,\n\n\t__MODDB_CMD_MAX,\n\
                      \tMODDB_CMD_MAX = (__MODDB_CMD_MAX - 1)\n};\n";
        let found: Vec<_> = numbers(header).into_iter().collect();
        let expected = [
            ("ACTION_DEL", 2),
            ("ACTION_SET", 1),
            ("CMD_GET", 2),
            ("CMD_NOOP", 1),
            ("KEY_MAX", 255),
        ];
        assert_eq!(found, expected);
    }
}
