// SPDX-License-Identifier: GPL-2.0-only

//! Which Debian kernel to use: a release whose image, headers and source are all offered in one version.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, Result};

use crate::progress::Step;
use crate::root::Root;

/// The kernel that is used when none is asked for.
const DEFAULT_SERIES: &str = "7.2";
const DEFAULT_FLAVOUR: &str = "cloud-amd64";

/// A kernel that can be had: its release as `uname -r` says it, and its packages' version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Such as `7.2.12+deb13-cloud-amd64`.
    pub name: String,
    /// Such as `7.2.12-1~bpo13+1`.
    pub version: String,
}

impl Release {
    /// The package of the kernel's source.
    pub fn source_package(&self) -> String {
        format!("linux-source-{}", series(&self.name))
    }
}

/// The release `wanted`, else the newest of the default series, as the root's package lists offer it.
pub fn choose(step: &Step, root: &Root, wanted: Option<&str>) -> Result<Release> {
    let chroot = root.chroot();
    let series_wanted = wanted.map_or(DEFAULT_SERIES.to_owned(), series);
    let headers = format!("linux-headers-{series_wanted}.");
    let names = step.output(chroot.command("apt-cache").args(["pkgnames", &headers]))?;
    let mut packages = BTreeSet::new();
    for headers in names.lines() {
        let name = headers.trim_start_matches("linux-headers-");
        packages.insert(headers.to_owned());
        packages.insert(format!("linux-image-{name}"));
        packages.insert(format!("linux-source-{}", series(name)));
    }
    let offered = if packages.is_empty() {
        String::new()
    } else {
        step.output(chroot.command("apt-cache").arg("madison").args(&packages))?
    };
    pick(&offered, wanted)
}

/// Picks from what `apt-cache madison` printed.
fn pick(offered: &str, wanted: Option<&str>) -> Result<Release> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in offered.lines() {
        let mut fields = line.split('|').map(str::trim);
        if let (Some(package), Some(version)) = (fields.next(), fields.next()) {
            versions.entry(package).or_default().insert(version);
        }
    }
    let whole = |name: &str, version: &str| {
        [
            format!("linux-image-{name}"),
            format!("linux-source-{}", series(name)),
        ]
        .iter()
        .all(|package| {
            versions
                .get(package.as_str())
                .is_some_and(|offered| offered.contains(version))
        })
    };
    let fits = |name: &str| match wanted {
        Some(wanted) => name == wanted,
        None => series(name) == DEFAULT_SERIES && flavour(name) == DEFAULT_FLAVOUR,
    };
    let mut whole: Vec<_> = versions
        .iter()
        .filter_map(|(package, offered)| Some((package.strip_prefix("linux-headers-")?, offered)))
        .flat_map(|(name, offered)| offered.iter().map(move |version| (name, *version)))
        .filter(|(name, version)| whole(name, version))
        .collect();
    whole.sort_by_key(|(name, version)| (numbers(name), numbers(version)));
    if let Some((name, version)) = whole.iter().rev().find(|(name, _)| fits(name)) {
        return Ok(Release {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
        });
    }
    let name = wanted.map_or(
        format!("{DEFAULT_SERIES}.*-{DEFAULT_FLAVOUR}"),
        str::to_owned,
    );
    let offered: Vec<_> = whole.iter().map(|(name, _)| *name).collect();
    bail!(
        "no kernel found: looked in Debian's main archive and backports for linux-image-{name}, \
         linux-headers-{name} and linux-source-{}, all in one version; offered of that series: {}. \
         Name one that is offered with --kernel",
        series(&name),
        if offered.is_empty() {
            "none".to_owned()
        } else {
            offered.join(", ")
        }
    )
}

/// `7.2` of `7.2.12+deb13-cloud-amd64`.
fn series(name: &str) -> String {
    let mut parts = name.split(['.', '+', '-']);
    let major = parts.next().unwrap_or_default();
    let minor = parts.next().unwrap_or_default();
    format!("{major}.{minor}")
}

/// `cloud-amd64` of `7.2.12+deb13-cloud-amd64`.
fn flavour(name: &str) -> &str {
    name.split_once('-').map_or("", |(_, flavour)| flavour)
}

/// The numbers in `text`, which order releases of one series and their revisions.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::pick;

    const OFFERED: &str = "\
linux-headers-7.2.9+deb13-cloud-amd64 | 7.2.9-1~bpo13+1 | http://mirror.invalid trixie-backports/main
linux-headers-7.2.12+deb13-cloud-amd64 | 7.2.12-1~bpo13+1 | http://mirror.invalid trixie-backports/main
linux-headers-7.2.12+deb13-amd64 | 7.2.12-1~bpo13+1 | http://mirror.invalid trixie-backports/main
linux-headers-7.2.12+deb13-common | 7.2.12-1~bpo13+1 | http://mirror.invalid trixie-backports/main
linux-headers-7.2.14+deb13-cloud-amd64 | 7.2.14-1~bpo13+1 | http://mirror.invalid trixie-backports/main
linux-image-7.2.9+deb13-cloud-amd64 | 7.2.9-1~bpo13+1 | http://mirror.invalid trixie-backports/main
linux-image-7.2.12+deb13-cloud-amd64 | 7.2.12-1~bpo13+1 | http://mirror.invalid trixie-backports/main
linux-source-7.2 | 7.2.12-1~bpo13+1 | http://mirror.invalid trixie-backports/main
linux-source-7.2 | 7.2.9-1~bpo13+1 | http://mirror.invalid trixie-backports/main
";

    #[test]
    fn the_newest_that_is_whole_is_picked() {
        let release = pick(OFFERED, None).unwrap();
        assert_eq!(release.name, "7.2.12+deb13-cloud-amd64");
        assert_eq!(release.version, "7.2.12-1~bpo13+1");
        assert_eq!(release.source_package(), "linux-source-7.2");
    }

    #[test]
    fn a_release_that_is_asked_for_is_picked() {
        let wanted = "7.2.9+deb13-cloud-amd64";
        assert_eq!(pick(OFFERED, Some(wanted)).unwrap().name, wanted);
    }

    #[test]
    fn a_failure_says_what_was_looked_for() {
        let error = pick(OFFERED, Some("7.2.14+deb13-cloud-amd64")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("linux-image-7.2.14+deb13-cloud-amd64"),
            "{text}"
        );
        assert!(text.contains("linux-source-7.2"), "{text}");
        assert!(pick("", None).unwrap_err().to_string().contains("none"));
    }
}
