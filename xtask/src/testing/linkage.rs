// SPDX-License-Identifier: GPL-2.0-only

//! Whether each module links only the layers that it uses, judged by the kernel symbols that it needs.

use anyhow::{bail, Context, Result};

use crate::guest::modules::Modules;
use crate::host::progress::step;
use crate::host::workspace::Workspace;

/// Modules, and the beginnings of the kernel's symbols that belong to layers which they do not use.
const FOREIGN: &[(&str, &[&str])] = &[
    ("memory_info", &["genl", "nla_", "netlink_"]),
    (
        "moddb",
        &["proc_", "seq_", "find_vma", "get_task_mm", "down_read"],
    ),
    (
        "vm_layout",
        &["genl", "nla_", "netlink_", "rhashtable_", "queue_work"],
    ),
];

/// Fails if a module of `modules` needs a symbol of a layer that it does not use.
pub fn check(workspace: &Workspace, modules: &Modules) -> Result<()> {
    let dir = modules
        .files
        .first()
        .and_then(|file| file.parent())
        .context("there are no modules to check")?;
    let chroot = workspace.root()?.chroot().bind_read_only(dir, "modules");
    step(
        "linkage of the modules",
        workspace.cache.log("linkage"),
        |step| {
            for (module, foreign) in FOREIGN {
                let file = format!("/mnt/modules/{module}.ko");
                let symbols =
                    step.output(chroot.command("nm").args(["--undefined-only", &file]))?;
                let found = foreign_symbols(&symbols, foreign);
                if !found.is_empty() {
                    bail!(
                    "{module}.ko needs {}, of layers that it should not link: see its line in Kbuild",
                    found.join(", ")
                );
                }
            }
            Ok(())
        },
    )
}

/// Returns the symbols that `nm` printed and that begin with one of `foreign`.
fn foreign_symbols<'a>(symbols: &'a str, foreign: &[&str]) -> Vec<&'a str> {
    symbols
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|symbol| {
            foreign
                .iter()
                .any(|beginning| symbol.starts_with(beginning))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::foreign_symbols;

    #[test]
    fn symbols_of_other_layers_are_found() {
        let symbols = "                 U genl_register_family\n                 U mmput\n";
        assert_eq!(
            foreign_symbols(symbols, &["genl", "seq_"]),
            ["genl_register_family"]
        );
        assert!(foreign_symbols(symbols, &["rhashtable_"]).is_empty());
    }
}
