//! Recordings: their type, and a bound of their length, by which they are paid for.

/// A recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// With the ending of its type, by which servers and programs know it.
    pub name: &'static str,
    pub kind: &'static str,
    pub content: bytes::Bytes,
}

impl Recording {
    /// By the content; none for anything that is no recording.
    pub fn of(content: bytes::Bytes) -> Option<Self> {
        let kind = platform::files::content_type(&content)?;
        let name = match kind {
            "audio/ogg" => "voice.ogg",
            "audio/mpeg" => "voice.mp3",
            "audio/flac" => "voice.flac",
            "audio/wav" => "voice.wav",
            "audio/mp4" | "video/mp4" => "voice.m4a",
            _ => return None,
        };
        Some(Self { name, kind, content })
    }
    /// Seconds that it cannot exceed, whatever a decoder makes of it; none where that cannot be
    /// told. The bytes alone are no bound: some formats write hours of silence in a few of them.
    pub fn seconds_max(&self) -> Option<u64> {
        match self.kind {
            "audio/ogg" => opus_seconds(&self.content),
            // Behind the head of other formats a decoder may find yet another one.
            _ => None,
        }
    }
}

/// Opus in Ogg (RFC 3533 and 7845), one stream: a packet lasts at most 120 ms, and the last
/// position is in samples of 48 kHz.
fn opus_seconds(content: &[u8]) -> Option<u64> {
    let (mut at, mut packets, mut position, mut stream) = (0, 0_u64, 0_u64, None);
    while at < content.len() {
        let page = content.get(at..)?;
        let head = page.get(..27).filter(|head| head.starts_with(b"OggS"))?;
        let granule = u64::from_le_bytes(head.get(6..14)?.try_into().ok()?);
        let serial = head.get(14..18)?;
        if *stream.get_or_insert(serial) != serial {
            return None;
        }
        let sizes = page.get(27..27 + usize::from(*head.get(26)?))?;
        let body = 27 + sizes.len();
        if at == 0 && !page.get(body..)?.starts_with(b"OpusHead") {
            return None;
        }
        packets += sizes.iter().filter(|size| **size < 255).count() as u64;
        // All ones: no packet ends on the page.
        position = position.max(if granule == u64::MAX { 0 } else { granule });
        at += body + sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
    }
    Some((packets * 120).div_ceil(1_000).max(position.div_ceil(48_000)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A page with these packets, each below 255 bytes.
    fn page(serial: u8, granule: u64, packets: &[&[u8]]) -> Vec<u8> {
        let mut page = b"OggS\0\0".to_vec();
        page.extend(granule.to_le_bytes());
        page.extend([serial, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        page.push(packets.len() as u8);
        page.extend(packets.iter().map(|packet| packet.len() as u8));
        page.extend(packets.concat());
        page
    }

    fn seconds(content: Vec<u8>) -> Option<u64> {
        Recording::of(content.into()).unwrap().seconds_max()
    }

    #[test]
    fn length_of_a_recording_is_bounded_by_what_a_decoder_can_make_of_it() {
        let head = page(1, 0, &[b"OpusHead"]);
        let silence: Vec<&[u8]> = vec![&[8]; 200];
        let hours: Vec<u8> = [head.clone()]
            .into_iter()
            .chain((0..90).map(|_| page(1, 0, &silence)))
            .flatten()
            .collect();
        assert!(hours.len() < 50_000);
        assert_eq!(seconds(hours), Some(2_161), "18,001 packets of 120 ms");
        assert_eq!(seconds([head.clone(), page(1, 48_000 * 90, &[&[8]])].concat()), Some(90));
        assert_eq!(seconds([head.clone(), page(2, 0, &[&[8]])].concat()), None, "two streams");
        assert_eq!(seconds([head, b"OggS".to_vec()].concat()), None, "cut off");
        assert_eq!(seconds(page(1, 0, &[b"\x01vorbis"])), None);
        assert_eq!(seconds(b"fLaC and silence".to_vec()), None);
        assert_eq!(seconds(b"ID3 and anything".to_vec()), None);
        assert_eq!(seconds(b"RIFF\0\0\0\0WAVEfmt ".to_vec()), None);
    }
}
