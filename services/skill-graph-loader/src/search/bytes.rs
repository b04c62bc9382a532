//! The byte format of an index: a mark, a version, variable-length integers, a checksum. Reading
//! validates everything.

use fnv::FnvHasher;
use std::hash::Hasher;

/// The first bytes: a mark, then the format version.
const MARK: &[u8; 4] = b"QIDX";
const VERSION: u32 = 1;

/// The reason that bytes are not a valid index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIndex {
    #[error("the bytes are not a search index")]
    NoIndex,
    #[error("the index has version {0}, but this build reads {VERSION}")]
    Version(u32),
    #[error("the index is damaged: {0}")]
    Corrupt(&'static str),
}

/// FNV-1a: against truncation and bit rot, not against people.
fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

/// Puts mark, version and checksum around the bytes of an index. Does not check them: tests forge
/// an index with this.
pub fn seal(inner: &[u8]) -> Vec<u8> {
    let mut sealed = [MARK.as_slice(), &VERSION.to_le_bytes(), inner].concat();
    let sum = checksum(&sealed);
    sealed.extend_from_slice(&sum.to_le_bytes());
    sealed
}

/// Writes the format.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Writes seven bits per byte, the lowest first.
    pub fn u32(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
    pub fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub fn text(&mut self, text: &str) {
        self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(text.as_bytes());
    }
    /// Seals the written bytes.
    pub fn finish(self) -> Vec<u8> {
        seal(&self.0)
    }
}

/// Reads the format.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks mark, version and checksum.
    pub fn open(bytes: &'a [u8]) -> Result<Self, BadIndex> {
        let rest = bytes.strip_prefix(MARK).ok_or(BadIndex::NoIndex)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(BadIndex::NoIndex)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(BadIndex::Version(version));
        }
        let (inner, sum) = rest.split_last_chunk::<8>().ok_or(BadIndex::NoIndex)?;
        let summed = bytes.get(..bytes.len() - 8).unwrap_or_default();
        if checksum(summed) != u64::from_le_bytes(*sum) {
            return Err(BadIndex::Corrupt("the checksum differs"));
        }
        Ok(Self(inner))
    }
    fn take(&mut self, length: usize) -> Result<&'a [u8], BadIndex> {
        let (head, tail) =
            self.0.split_at_checked(length).ok_or(BadIndex::Corrupt("it ends too early"))?;
        self.0 = tail;
        Ok(head)
    }
    pub fn u32(&mut self) -> Result<u32, BadIndex> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take(1)?.first().copied().unwrap_or(0);
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value)
                    .map_err(|_| BadIndex::Corrupt("a number is too large"));
            }
        }
        Err(BadIndex::Corrupt("a number is too long"))
    }
    pub fn u16(&mut self) -> Result<u16, BadIndex> {
        let bytes = self.take(2)?.first_chunk::<2>().copied().unwrap_or_default();
        Ok(u16::from_le_bytes(bytes))
    }
    pub fn text(&mut self) -> Result<&'a str, BadIndex> {
        let length =
            usize::try_from(self.u32()?).map_err(|_| BadIndex::Corrupt("a text is too long"))?;
        std::str::from_utf8(self.take(length)?)
            .map_err(|_| BadIndex::Corrupt("a text is not UTF-8"))
    }
    /// Checks that everything was read.
    pub fn close(self) -> Result<(), BadIndex> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(BadIndex::Corrupt("there are bytes after the end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored indexes carry this value: it may not change.
    #[test]
    fn checksum_is_fnv_1a() {
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
