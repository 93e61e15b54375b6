// SPDX-License-Identifier: GPL-2.0-only

//! Values that contain their origin and a checksum: checksum, writer, sequence, filler.

use fastrand::Rng;

/// Origin of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Number of the program that wrote it.
    pub writer: u64,
    /// Number of the value among those of this writer, in the order of writing.
    pub sequence: u64,
}

/// Bytes before the filler.
const HEAD: usize = 24;

/// Makes a value for `key`. Most values are short, and a few have tens of thousands of bytes.
pub fn make(rng: &mut Rng, key: &[u8], origin: Origin) -> Vec<u8> {
    let filler = match rng.u8(..100) {
        0 => rng.usize(..65_000),
        1..20 => rng.usize(..4_000),
        _ => rng.usize(..100),
    };
    let mut value = vec![0; HEAD];
    value.resize(HEAD + filler, origin.sequence as u8);
    value[8..16].copy_from_slice(&origin.writer.to_le_bytes());
    value[16..24].copy_from_slice(&origin.sequence.to_le_bytes());
    let sum = checksum(key, &value[8..]);
    value[..8].copy_from_slice(&sum.to_le_bytes());
    value
}

/// Returns the origin of a value of `key`. The error says what is wrong with the value.
pub fn read(key: &[u8], value: &[u8]) -> Result<Origin, String> {
    let number = |at: usize| {
        let bytes = value
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(u64::from_le_bytes)
            .ok_or_else(|| format!("the value has only {} bytes", value.len()))
    };
    let (sum, writer, sequence) = (number(0)?, number(8)?, number(16)?);
    if sum != checksum(key, &value[8..]) {
        return Err(format!(
            "the value of {} bytes is damaged or belongs to another key (writer {writer:x}, sequence {sequence})",
            value.len()
        ));
    }
    Ok(Origin { writer, sequence })
}

/// Returns the FNV-1a hash of key and value, taken over words of eight bytes.
fn checksum(key: &[u8], value: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |number: u64| sum = (sum ^ number).wrapping_mul(0x0100_0000_01b3);
    for bytes in [key, value] {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            add(u64::from_le_bytes(word));
        }
        add(bytes.len() as u64);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::{make, read, Origin};
    use fastrand::Rng;

    #[test]
    fn damage_is_detected() {
        let mut rng = Rng::with_seed(1);
        let origin = Origin {
            writer: 0x1_0000_0002,
            sequence: 77,
        };
        for _ in 0..200 {
            let value = make(&mut rng, b"key", origin);
            assert_eq!(read(b"key", &value), Ok(origin));
            assert!(read(b"kex", &value).is_err());
            assert!(read(b"key", &value[..value.len() - 1]).is_err());
            let mut other = value.clone();
            let place = rng.usize(..other.len());
            other[place] ^= 1;
            assert!(read(b"key", &other).is_err());
        }
        assert!(read(b"key", b"").is_err());
    }
}
