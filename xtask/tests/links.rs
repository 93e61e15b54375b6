// SPDX-License-Identifier: GPL-2.0-only

//! Links in the repository's Markdown files lead somewhere, to files and to headings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

/// Folders that hold build products, in any checkout.
const SKIPPED: &[&str] = &["target"];

/// Lines that the README may have, so that a newcomer reads all of it.
const README_LINES: usize = 150;

/// Returns the repository's root: the folder above this package.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
        .to_owned()
}

/// Returns all Markdown files below `dir`, hidden folders and build products left out.
fn markdown_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder of the repository can be listed") {
        let path = entry.expect("an entry of a folder can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_ref()) {
                files.extend(markdown_files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Returns the lines of `text` that are not part of a fenced block of code, with their numbers from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    })
}

/// Returns the targets of the links and images in `text`, with the numbers of their lines. Code is left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let code = Regex::new("`[^`]*`").expect("a constant");
    let link = Regex::new(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\s{0,3}\[[^\]]+\]:\s+(\S+)")
        .expect("a constant");
    prose(text)
        .flat_map(|(number, line)| {
            let line = code.replace_all(line, "code");
            let targets = link.captures_iter(&line);
            let target = targets.filter_map(|found| found.get(1).or(found.get(2)));
            target
                .map(|target| (number, target.as_str().to_owned()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Returns the anchors of the headings in `text`, as forges make them: lower case, without punctuation, with hyphens
/// for spaces, and a number for a heading that occurs again.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let headings = prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| title.strip_prefix(' '))?
    });
    headings
        .map(|title| {
            let anchor: String = title
                .trim()
                .to_lowercase()
                .chars()
                .filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'))
                .map(|char| if char == ' ' { '-' } else { char })
                .collect();
            let times = seen.entry(anchor.clone()).or_insert(0);
            *times += 1;
            match *times {
                1 => anchor,
                times => format!("{anchor}-{}", times - 1),
            }
        })
        .collect()
}

/// Returns why a link of `file` to `target` is broken, if it is. Links to other machines are not followed.
fn broken(root: &Path, file: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let to = match path {
        "" => file.to_owned(),
        _ => file.parent()?.join(path),
    };
    if !is_within(root, &to) {
        return Some("leads out of the repository".to_owned());
    }
    if !to.exists() {
        return Some("there is no such file".to_owned());
    }
    if anchor.is_empty() {
        return None;
    }
    if to.extension().is_none_or(|extension| extension != "md") {
        return Some("an anchor in a file that is not Markdown".to_owned());
    }
    let text = fs::read_to_string(&to).ok()?;
    let known = anchors(&text);
    (!known.contains(anchor)).then(|| format!("no such heading; there are: {known:?}"))
}

/// Returns whether `path`, which may contain `..`, is below `root`.
fn is_within(root: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(root) else {
        return false;
    };
    let mut depth = 0;
    below.components().all(|component| {
        depth += match component {
            Component::ParentDir => -1,
            Component::CurDir => 0,
            _ => 1,
        };
        depth >= 0
    })
}

/// Returns a line for each broken link below `root`.
fn broken_links(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in markdown_files(root) {
        let text = fs::read_to_string(&file).expect("a Markdown file is UTF-8");
        let name = file.strip_prefix(root).unwrap_or(&file).display();
        for (line, target) in links(&text) {
            if let Some(why) = broken(root, &file, &target) {
                found.push(format!("{name}:{line}: ({target}): {why}"));
            }
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let root = repository();
    assert!(
        root.join("README.md").exists(),
        "{} has no README.md",
        root.display()
    );
    let found = broken_links(&root);
    assert!(found.is_empty(), "broken links:\n{}", found.join("\n"));
}

#[test]
fn broken_links_are_found() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let docs = root.path().join("docs");
    fs::create_dir(&docs).expect("a new folder");
    let page = "\
# Title: with `code`, twice
## Twice
## Twice
[file](../README.md) [same page](#twice-1) [title](#title-with-code-twice) [web](https://example.org/#x)
```
[not a link](nowhere.md)
```
`[code](nowhere.md)` ![image](missing.svg) [no file](gone.md#twice)
[no heading](#thrice) [outside](../../etc/passwd)
[reference]: gone.md
";
    fs::write(docs.join("page.md"), page).expect("a new file");
    fs::write(
        root.path().join("README.md"),
        "[page](docs/page.md#twice) [bad](docs/page.md#nothing)\n",
    )
    .expect("a new file");
    let found = broken_links(root.path());
    let places: Vec<&str> = found
        .iter()
        .filter_map(|line| line.split_once("): "))
        .map(|(place, _)| place)
        .collect();
    assert_eq!(
        places,
        [
            "README.md:1: (docs/page.md#nothing",
            "docs/page.md:8: (missing.svg",
            "docs/page.md:8: (gone.md#twice",
            "docs/page.md:9: (#thrice",
            "docs/page.md:9: (../../etc/passwd",
            "docs/page.md:10: (gone.md",
        ]
    );
}

#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(repository().join("README.md")).expect("a README");
    let lines = text.lines().count();
    assert!(
        lines <= README_LINES,
        "README.md has {lines} lines, at most {README_LINES} are allowed: move details to docs/"
    );
}
