// SPDX-License-Identifier: GPL-2.0-only

//! Read-only pages of which it is known by construction how many have the same content.

use crate::image;
use crate::mapping::{Area, HUGE, PAGE, RO};
use anyhow::{bail, Result};
use fastrand::Rng;
use std::str::FromStr;

/// Seed of the first content that exactly two pages have.
const FIRST_PAIR: u64 = 2;

/// Numbers of pages; all other memory of the process is writable.
#[derive(Clone, Copy)]
pub struct Classes {
    /// Pages of two contents, half of them of each. A page belongs to one of these classes.
    pub twins: u64,
    /// Contents that exactly two pages have.
    pub pairs: u64,
    /// Pages with contents that no other page has.
    pub unique: u64,
    /// Seed of the first of the unique contents.
    pub first_unique: u64,
}

impl Classes {
    /// Returns the number of pages.
    pub fn pages(&self) -> u64 {
        self.twins + 2 * self.pairs + self.unique
    }

    /// Returns the number of pages of one process that have the content of another one.
    pub fn may_be_shared(&self) -> u64 {
        self.twins + 2 * self.pairs
    }

    /// Returns the number of contents that several pages have.
    pub fn nb_group(&self) -> u64 {
        2 + self.pairs
    }

    /// Returns the number of seeds, from 0 on, of the contents that several pages have.
    pub fn shared_seeds(&self) -> u64 {
        FIRST_PAIR + self.pairs
    }

    /// Returns the four numbers as text that can be parsed.
    pub fn to_text(&self) -> String {
        let Self {
            twins,
            pairs,
            unique,
            first_unique,
        } = self;
        format!("{twins} {pairs} {unique} {first_unique}")
    }

    /// Maps and fills the pages, in an order that looks random, and makes everything but them writable.
    pub fn map(&self) -> Result<Area> {
        image::make_writable()?;
        let twins = (0..self.twins).map(|index| index % FIRST_PAIR);
        let pairs = (0..2 * self.pairs).map(|index| FIRST_PAIR + index / 2);
        let unique = (0..self.unique).map(|index| self.first_unique + index);
        let mut seeds: Vec<u64> = twins.chain(pairs).chain(unique).collect();
        Rng::with_seed(1).shuffle(&mut seeds);
        let around = Area::huge_aligned((seeds.len() * PAGE).div_ceil(HUGE))?;
        around.advise_no_huge_pages()?;
        let area = around.part(0..seeds.len());
        area.fill_all(|index| seeds[index]);
        area.protect(RO)?;
        Ok(area)
    }
}

impl FromStr for Classes {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers: Vec<u64> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [twins, pairs, unique, first_unique] = numbers[..] else {
            bail!("classes are described by four numbers, not by '{text}'");
        };
        Ok(Self {
            twins,
            pairs,
            unique,
            first_unique,
        })
    }
}
