// SPDX-License-Identifier: GPL-2.0-only

//! Random requests, compared with a map in the test.

use super::operations::errno;
use crate::case::{cases, check_eq};
use crate::moddb::{entry, Client, Pairs, DEL, IF_ABSENT, IF_VALUE, KEY, OPTIONAL, SET, VALUE};
use crate::module::MODDB;
use anyhow::{ensure, Context, Result};
use fastrand::Rng;
use nix::errno::Errno;

cases! {
    random_requests_agree_with_a_map (300 s),
}

fn random_requests_agree_with_a_map() -> Result<()> {
    let seed = Rng::new().get_seed();
    agrees(seed).with_context(|| format!("with seed {seed}"))
}

fn agrees(seed: u64) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let _module = MODDB.load()?;
    let mut store = Client::open()?;
    let mut model = Pairs::new();
    for step in 0..4_000 {
        let mut request = Vec::new();
        let mut next = model.clone();
        let mut errors = Vec::new();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let deletes = rng.u8(..4) == 0;
        for _ in 0..rng.usize(1..6) {
            let key = vec![b'a' + rng.u8(..20); rng.usize(1..4)];
            if seen.contains(&key) {
                continue;
            }
            seen.push(key.clone());
            let value = vec![rng.u8(..4); rng.usize(..3)];
            let old = model.get(&key);
            let (parts, outcome): (Vec<(u16, &[u8])>, _) = match rng.u8(..6) {
                0 => (
                    vec![(IF_VALUE, &value[..1.min(value.len())])],
                    match old {
                        None => Err(Errno::ENOENT),
                        Some(old) if *old == value[..1.min(value.len())] => Ok(()),
                        Some(_) => Err(Errno::ECANCELED),
                    },
                ),
                1 if !deletes => (
                    vec![(IF_ABSENT, &[])],
                    old.map_or(Ok(()), |_| Err(Errno::EEXIST)),
                ),
                1 => (vec![(OPTIONAL, &[])], Ok(())),
                _ if deletes => (vec![], old.map(drop).ok_or(Errno::ENOENT)),
                _ => (vec![], Ok(())),
            };
            let mut all: Vec<(u16, &[u8])> = vec![(KEY, &key)];
            if !deletes {
                all.push((VALUE, &value));
            }
            all.extend(parts);
            request.extend(entry(&all));
            errors.extend(outcome.err());
            match deletes {
                true => drop(next.remove(&key)),
                false => drop(next.insert(key, value)),
            }
        }
        let command = if deletes { DEL } else { SET };
        let answer = errno(store.write(command, &request));
        match answer {
            // If several entries are wrong, the module may report any of them.
            Err(errno) => ensure!(
                errors.contains(&errno),
                "step {step}: the error is {errno}, expected one of {errors:?}"
            ),
            Ok(()) => {
                check_eq(
                    &format!("step {step}: errors that were expected"),
                    errors,
                    vec![],
                )?;
                model = next;
            }
        }
        let key = vec![b'a' + rng.u8(..20); rng.usize(1..4)];
        let wanted = model.get(&key).cloned().ok_or(Errno::ENOENT);
        check_eq(
            &format!("step {step}: the value of a key"),
            errno(store.get(&key)),
            wanted,
        )?;
        if step % 100 == 0 {
            check_eq(
                &format!("step {step}: the store"),
                store.list()?,
                model.clone(),
            )?;
        }
    }
    Ok(())
}
