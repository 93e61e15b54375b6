// SPDX-License-Identifier: GPL-2.0-only

//! Which Debian kernel to use: a release whose image, headers and source are all offered in one version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{bail, Result};

use crate::host::progress::Step;
use crate::host::root::Root;
use crate::kernels::supported::{numbers, Row, Standing, Supported};

/// A kernel that the archive offers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The name of the release as `uname -r` prints it.
    pub name: String,
    /// The version of its packages.
    pub version: String,
}

/// The Debian kernel that the user requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelRequest {
    /// No particular kernel: the newest supported series that the archive offers, in the default flavour.
    Default,
    /// A row of the table: the newest release of a series in one flavour.
    Row(Row),
    /// The name of a release.
    Release(String),
}

/// The error that the archive does not offer the requested kernel.
#[derive(Debug)]
pub struct NotOffered(String);

impl Release {
    /// Returns the name of the package of the kernel's source.
    pub fn source_package(&self) -> String {
        format!("linux-source-{}", self.series())
    }

    /// Returns the series: the first two numbers of the name.
    pub fn series(&self) -> String {
        series(&self.name)
    }
}

impl KernelRequest {
    /// Parses the value of `--kernel`: none, a series, a series and a flavour, or a release.
    pub fn parse(requested: Option<&str>, supported: &Supported) -> Self {
        let Some(requested) = requested else {
            return Self::Default;
        };
        let (series, flavour) = requested
            .split_once('-')
            .unwrap_or((requested, &supported.default_flavour));
        let is_number = |part: &str| part.parse::<u32>().is_ok();
        match series.split_once('.') {
            Some((major, minor)) if is_number(major) && is_number(minor) => Self::Row(Row {
                series: series.to_owned(),
                flavour: flavour.to_owned(),
            }),
            _ => Self::Release(requested.to_owned()),
        }
    }

    /// Returns a name that is unique to this request, for a file name.
    pub fn key(&self) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::Row(row) => row.name(),
            Self::Release(name) => name.clone(),
        }
    }
}

/// Returns the releases that the root's package lists offer completely, in ascending order.
pub fn offered(step: &Step, root: &Root) -> Result<Vec<Release>> {
    let chroot = root.chroot();
    let names = step.output(
        chroot
            .command("apt-cache")
            .args(["pkgnames", "linux-headers-"]),
    )?;
    let mut packages = BTreeSet::new();
    for headers in names.lines() {
        let name = headers.trim_start_matches("linux-headers-");
        if numbers(name).len() >= 3 {
            packages.insert(headers.to_owned());
            packages.insert(format!("linux-image-{name}"));
            packages.insert(format!("linux-source-{}", series(name)));
        }
    }
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let offered = step.output(chroot.command("apt-cache").arg("madison").args(&packages))?;
    Ok(complete(&offered))
}

/// Returns a note or warning for the user about the choice of `release` for `requested`, if there is one.
pub fn remark(
    release: &Release,
    supported: &Supported,
    requested: &KernelRequest,
) -> Option<String> {
    let series = release.series();
    let newest = supported.series.first()?;
    match (requested, supported.standing(&series)) {
        (KernelRequest::Default, _) if series != newest.name => Some(format!(
            "note: Debian's archive offers no {} kernel with headers and source in one version: taking {}, \
             the newest supported one that it offers",
            newest.name, release.name
        )),
        (_, Standing::Untested) => Some(format!(
            "warning: {} is of a series that the project was not tested with (tested: {}): \
             its modules may fail to build or work incorrectly",
            release.name,
            supported.names()
        )),
        _ => None,
    }
}

/// Returns the releases that `apt-cache madison` printed image, headers and source of in one version, in
/// ascending order.
fn complete(offered: &str) -> Vec<Release> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in offered.lines() {
        let mut fields = line.split('|').map(str::trim);
        if let (Some(package), Some(version)) = (fields.next(), fields.next()) {
            versions.entry(package).or_default().insert(version);
        }
    }
    let is_offered = |package: &str, version: &str| {
        versions
            .get(package)
            .is_some_and(|offered| offered.contains(version))
    };
    let mut complete: Vec<_> = versions
        .iter()
        .filter_map(|(package, offered)| Some((package.strip_prefix("linux-headers-")?, offered)))
        .flat_map(|(name, offered)| offered.iter().map(move |version| (name, *version)))
        .filter(|(name, version)| {
            is_offered(&format!("linux-image-{name}"), version)
                && is_offered(&format!("linux-source-{}", series(name)), version)
        })
        .map(|(name, version)| Release {
            name: name.to_owned(),
            version: version.to_owned(),
        })
        .collect();
    complete.sort_by_key(|release| (numbers(&release.name), numbers(&release.version)));
    complete
}

/// Picks the release for `requested` among those offered, which are in ascending order.
///
/// # Errors
///
/// Returns [`NotOffered`] if there is none, and an error if the release is older than all supported ones.
pub fn pick(
    offered: &[Release],
    supported: &Supported,
    requested: &KernelRequest,
) -> Result<Release> {
    let newest = |fits: &dyn Fn(&Release) -> bool| offered.iter().rev().find(|one| fits(one));
    let of_row =
        |row: &Row| newest(&|one| one.series() == row.series && flavour(&one.name) == row.flavour);
    let found = match requested {
        KernelRequest::Default => supported.defaults().iter().find_map(of_row),
        KernelRequest::Row(row) => of_row(row),
        KernelRequest::Release(name) => newest(&|one| one.name == *name),
    };
    let Some(release) = found else {
        return Err(NotOffered(not_offered(offered, supported, requested)).into());
    };
    if supported.standing(&release.series()) == Standing::TooOld {
        bail!(
            "{} is older than the kernels that the project supports: it lacks parts of the kernel's Rust \
             interface. Name one of the series {} with --kernel",
            release.name,
            supported.names()
        );
    }
    Ok(release.clone())
}

fn not_offered(offered: &[Release], supported: &Supported, requested: &KernelRequest) -> String {
    let looked_for: Vec<String> = match requested {
        KernelRequest::Default => supported.defaults().iter().map(pattern).collect(),
        KernelRequest::Row(row) => vec![pattern(row)],
        KernelRequest::Release(name) => vec![name.clone()],
    };
    let there: Vec<_> = offered
        .iter()
        .filter(|one| supported.standing(&one.series()) != Standing::TooOld)
        .map(|one| one.name.as_str())
        .collect();
    format!(
        "no kernel found: looked in Debian's main archive and backports for {}, its image, headers and \
         source (linux-image-…, linux-headers-…, linux-source-…) in one version; offered so, of the \
         supported series or newer: {}. Name one that is offered with --kernel, or use a version of this \
         project that supports one of them",
        looked_for.join(" or "),
        if there.is_empty() {
            "none".to_owned()
        } else {
            there.join(", ")
        }
    )
}

fn pattern(row: &Row) -> String {
    format!("{}.*-{}", row.series, row.flavour)
}

/// Returns the first two numbers of a release's name, with a dot between them.
fn series(name: &str) -> String {
    let mut parts = name.split(['.', '+', '-']);
    let major = parts.next().unwrap_or_default();
    let minor = parts.next().unwrap_or_default();
    format!("{major}.{minor}")
}

/// Returns what follows the version in a release's name.
fn flavour(name: &str) -> &str {
    name.split_once('-').map_or("", |(_, flavour)| flavour)
}

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotOffered {}

#[cfg(test)]
mod tests {
    use super::{complete, pick, remark, KernelRequest, NotOffered, Release};
    use crate::kernels::supported::Supported;

    const TABLE: &str = r#"
        default-flavour = "cloud-amd64"
        [[series]]
        name = "9.3"
        flavours = { cloud-amd64 = "boots", rt-amd64 = "boots" }
        [[series]]
        name = "9.2"
        flavours = { cloud-amd64 = "boots" }
    "#;

    /// Prints lines as `apt-cache madison` does, for packages of one version each.
    fn madison(packages: &[(&str, &str)]) -> String {
        packages
            .iter()
            .map(|(package, version)| {
                format!("{package} | {version}-1 | http://mirror.invalid trixie-backports/main\n")
            })
            .collect()
    }

    fn offered(names: &[&str]) -> Vec<Release> {
        let mut packages = Vec::new();
        for name in names {
            let version = name.split('+').next().unwrap();
            packages.push((format!("linux-headers-{name}"), version));
            packages.push((format!("linux-image-{name}"), version));
            packages.push((format!("linux-source-{}", super::series(name)), version));
        }
        let packages: Vec<_> = packages
            .iter()
            .map(|(name, v)| (name.as_str(), *v))
            .collect();
        complete(&madison(&packages))
    }

    fn choose(names: &[&str], requested: Option<&str>) -> anyhow::Result<String> {
        let supported = Supported::parse(TABLE).unwrap();
        let requested = KernelRequest::parse(requested, &supported);
        pick(&offered(names), &supported, &requested).map(|release| release.name)
    }

    fn remark_on(names: &[&str], requested: Option<&str>) -> Option<String> {
        let supported = Supported::parse(TABLE).unwrap();
        let requested = KernelRequest::parse(requested, &supported);
        let release = pick(&offered(names), &supported, &requested).unwrap();
        remark(&release, &supported, &requested)
    }

    const BOTH: &[&str] = &[
        "9.2.12+deb1-cloud-amd64",
        "9.3.4+deb1-cloud-amd64",
        "9.3.11+deb1-cloud-amd64",
        "9.3.11+deb1-rt-amd64",
    ];

    #[test]
    fn the_default_is_the_newest_release_of_the_newest_supported_series() {
        assert_eq!(choose(BOTH, None).unwrap(), "9.3.11+deb1-cloud-amd64");
        assert_eq!(remark_on(BOTH, None), None);
    }

    #[test]
    fn an_unsupported_series_is_not_the_default() {
        let names = [BOTH, &["9.4.1+deb1-cloud-amd64"]].concat();
        assert_eq!(choose(&names, None).unwrap(), "9.3.11+deb1-cloud-amd64");
    }

    #[test]
    fn where_the_newest_series_is_gone_the_next_is_taken_and_said() {
        assert_eq!(choose(&BOTH[..1], None).unwrap(), BOTH[0]);
        let remark = remark_on(&BOTH[..1], None).unwrap();
        assert!(
            remark.contains("9.3") && remark.contains(BOTH[0]),
            "{remark}"
        );
    }

    #[test]
    fn a_series_and_a_flavour_can_be_asked_for() {
        assert_eq!(choose(BOTH, Some("9.2")).unwrap(), BOTH[0]);
        assert_eq!(choose(BOTH, Some("9.3-rt-amd64")).unwrap(), BOTH[3]);
        assert_eq!(choose(BOTH, Some(BOTH[1])).unwrap(), BOTH[1]);
        assert_eq!(remark_on(BOTH, Some("9.2")), None);
    }

    #[test]
    fn a_newer_series_is_tried_with_a_warning() {
        let names = ["9.4.1+deb1-cloud-amd64"];
        assert_eq!(choose(&names, Some(names[0])).unwrap(), names[0]);
        let remark = remark_on(&names, Some(names[0])).unwrap();
        assert!(
            remark.starts_with("warning") && remark.contains("9.3, 9.2"),
            "{remark}"
        );
    }

    #[test]
    fn an_older_series_is_refused() {
        let names = ["9.1.8+deb1-cloud-amd64"];
        let error = choose(&names, Some(names[0])).unwrap_err().to_string();
        assert!(
            error.contains("older") && error.contains("9.3, 9.2"),
            "{error}"
        );
    }

    #[test]
    fn a_release_without_its_source_is_not_offered() {
        let text = madison(&[
            ("linux-headers-9.3.5+deb1-cloud-amd64", "9.3.5"),
            ("linux-image-9.3.5+deb1-cloud-amd64", "9.3.5"),
            ("linux-source-9.3", "9.3.4"),
        ]);
        assert_eq!(complete(&text), []);
    }

    #[test]
    fn a_failure_says_what_was_looked_for_and_what_is_there() {
        let error = choose(&["9.4.1+deb1-cloud-amd64"], None).unwrap_err();
        let text = error.to_string();
        for expected in [
            "9.3.*-cloud-amd64",
            "9.2.*-cloud-amd64",
            "9.4.1+deb1",
            "--kernel",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert!(error.is::<NotOffered>());
        assert!(choose(&[], None).unwrap_err().to_string().contains("none"));
    }
}
