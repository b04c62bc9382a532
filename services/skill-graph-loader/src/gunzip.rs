//! A gzipped body (RFC 1952), unpacked up to a limit: a few kilobytes can unpack to gigabytes.

use contracts::ErrorCode;
use flate2::bufread::GzDecoder;
use platform::edge::{ApiError, ApiResult};
use std::io::Read;

/// Unpacks a body of exactly one gzip member and checks its CRC.
///
/// # Errors
/// `Malformed` for bytes that are not gzip, are damaged, or go on after the member; `TooLarge` for
/// more than `limit` bytes.
pub fn gunzip(packed: &[u8], limit: usize) -> ApiResult<Vec<u8>> {
    let malformed = || ApiError::new(ErrorCode::Malformed, "The body is not valid gzip.");
    let mut decoder = GzDecoder::new(packed);
    let mut unpacked = Vec::new();
    // One byte more than allowed tells a body that is too large from one that just fits.
    let read = decoder.by_ref().take(limit as u64 + 1).read_to_end(&mut unpacked);
    if unpacked.len() > limit {
        let detail = format!("The unpacked body is larger than {limit} bytes.");
        return Err(ApiError::new(ErrorCode::TooLarge, detail));
    }
    read.map_err(|_| malformed())?;
    if decoder.into_inner().is_empty() { Ok(unpacked) } else { Err(malformed()) }
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

    #[test]
    fn gunzip_refuses_a_wrong_crc_and_a_wrong_length() {
        let whole = packed(GzBuilder::new(), "graph ".repeat(1000).as_bytes());
        // The trailer: four bytes of CRC, four of length.
        for back in 1..=8 {
            let mut damaged = whole.clone();
            let at = damaged.len() - back;
            damaged[at] ^= 1;
            let refused = gunzip(&damaged, 10_000).unwrap_err();
            assert_eq!(refused.0.code, ErrorCode::Malformed, "{back} bytes from the end");
        }
    }

    #[test]
    fn gunzip_stops_a_bomb_at_the_limit() {
        let bomb = packed(GzBuilder::new(), &vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
        assert_eq!(gunzip(&bomb, 1 << 20).unwrap_err().0.code, ErrorCode::TooLarge);
    }
}
