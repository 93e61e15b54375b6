// SPDX-License-Identifier: GPL-2.0-only

//! Constants that the build script makes of the specification `src/moddb/moddb.yaml`.

include!(concat!(env!("OUT_DIR"), "/moddb.rs"));
