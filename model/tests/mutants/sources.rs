// SPDX-License-Identifier: GPL-2.0-only

//! The sources that mutants change.

use crate::list::Mutant;
use crate::marker;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The text of each Rust file below `src/protocol`, by its path from the workspace's root.
pub struct Sources(BTreeMap<PathBuf, String>);

impl Sources {
    /// Reads all files.
    ///
    /// # Panics
    ///
    /// If one of them cannot be read.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the model is a member of a workspace");
        let mut sources = BTreeMap::new();
        read_folder(root, &root.join(FOLDER), &mut sources);
        Self(sources)
    }

    /// Returns the unchanged text of a file.
    ///
    /// # Panics
    ///
    /// If the file was not read.
    pub fn text(&self, file: &Path) -> &str {
        &self.0[file]
    }

    /// Returns the markers of all files.
    pub fn markers(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(|text| marker::markers(text))
    }

    /// Returns the changed text of each file that a mutant changes.
    ///
    /// # Panics
    ///
    /// If a marker is missing, is ambiguous, or marks a statement that cannot be changed so.
    pub fn mutated(&self, mutant: &Mutant) -> BTreeMap<PathBuf, String> {
        let mut mutated = BTreeMap::new();
        for (marker, edit) in mutant.edits {
            let mut files = self
                .0
                .iter()
                .filter(|(_, text)| marker::markers(text).any(|other| other == *marker));
            let (Some((file, text)), None) = (files.next(), files.next()) else {
                panic!(
                    "mutant \"{}\": the marker `{marker}` must occur in exactly one file below {FOLDER}",
                    mutant.name
                );
            };
            let before = mutated.get(file).unwrap_or(text);
            let after = marker::apply(before, marker, edit).unwrap_or_else(|why| {
                panic!("mutant \"{}\", {}: {why}", mutant.name, file.display())
            });
            mutated.insert(file.clone(), after);
        }
        mutated
    }
}

const FOLDER: &str = "src/protocol";

fn read_folder(root: &Path, folder: &Path, sources: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources can be read") {
        let path = entry.expect("a directory entry can be read").path();
        if path.is_dir() {
            read_folder(root, &path, sources);
        } else if path.extension() == Some(OsStr::new("rs")) {
            let text = fs::read_to_string(&path).expect("a source file can be read");
            let path = path.strip_prefix(root).expect("it is below the root");
            sources.insert(path.to_owned(), text);
        }
    }
}
