//! A gzipped body (RFC 1952), unpacked up to a limit: a few kilobytes can unpack to gigabytes.
//!
//! The length at its end is compared, its CRC is not: what was altered on the way has no valid
//! signature of the connection, and the table for the CRC would be 16 KB in the bundle that do not
//! compress.

use contracts::ErrorCode;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
use platform::edge::{ApiError, ApiResult};

/// Identification, method, flags, time, extra flags, system.
const HEADER_BYTES: usize = 10;
/// CRC and length.
const TRAILER_BYTES: usize = 8;
const HAS_CRC: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;

/// Unpacks one member, which is all that a body may be.
pub fn gunzip(packed: &[u8], limit: usize) -> ApiResult<Vec<u8>> {
    let malformed = || ApiError::new(ErrorCode::Malformed, "The body is not valid gzip.");
    let (stream, length) = member(packed).ok_or_else(malformed)?;
    let unpacked =
        decompress_to_vec_with_limit(stream, limit).map_err(|error| match error.status {
            TINFLStatus::HasMoreOutput => ApiError::new(
                ErrorCode::TooLarge,
                format!("The unpacked body is larger than {limit} bytes."),
            ),
            _ => malformed(),
        })?;
    if unpacked.len() as u32 == length { Ok(unpacked) } else { Err(malformed()) }
}

/// The compressed stream and the stated length, modulo 2^32.
fn member(packed: &[u8]) -> Option<(&[u8], u32)> {
    let (header, rest) = packed.split_at_checked(HEADER_BYTES)?;
    let [0x1f, 0x8b, 8, flags, ..] = *header else { return None };
    let mut rest = rest;
    if flags & HAS_EXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for _ in 0..(flags & (HAS_NAME | HAS_COMMENT)).count_ones() {
        rest = rest.get(rest.iter().position(|byte| *byte == 0)? + 1..)?;
    }
    if flags & HAS_CRC != 0 {
        rest = rest.get(2..)?;
    }
    let (stream, trailer) = rest.split_at_checked(rest.len().checked_sub(TRAILER_BYTES)?)?;
    Some((stream, u32::from_le_bytes(*trailer.last_chunk::<4>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder};
    use std::io::Write;

    fn packed(builder: GzBuilder, text: &[u8]) -> Vec<u8> {
        let mut writer = builder.write(Vec::new(), Compression::default());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn whatever_stands_in_the_header_the_content_comes_out() {
        let text = "graph ".repeat(1000);
        for builder in [
            GzBuilder::new(),
            GzBuilder::new().filename("a.json").comment("b").extra([1, 2, 3]).mtime(7),
        ] {
            assert_eq!(gunzip(&packed(builder, text.as_bytes()), 10_000).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn what_is_cut_off_altered_or_too_large_is_refused() {
        let whole = packed(GzBuilder::new(), "graph ".repeat(1000).as_bytes());
        for cut in 0..whole.len() {
            assert_eq!(
                gunzip(&whole[..cut], 10_000).unwrap_err().0.code,
                ErrorCode::Malformed,
                "{cut}"
            );
        }
        assert_eq!(gunzip(&whole, 5_999).unwrap_err().0.code, ErrorCode::TooLarge);
        assert_eq!(gunzip(&whole, 6_000).unwrap().len(), 6_000);
        let longer = [whole.as_slice(), &[0; 9]].concat();
        assert_eq!(gunzip(&longer, 10_000).unwrap_err().0.code, ErrorCode::Malformed);
    }
}
