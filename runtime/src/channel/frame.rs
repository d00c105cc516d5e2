//! The header in front of every message: `[len u32][kind u8][flight u24]`, little-endian.

use super::Kind;

/// Of a message of `len` bytes, at most [`super::MAX_PAYLOAD`], in flight number `flight`, below 2^24.
#[must_use]
pub fn header(kind: Kind, len: usize, flight: u32) -> [u8; 8] {
    let mut header = [0; 8];
    header[..4].copy_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    header[4..].copy_from_slice(&((flight << 8) | kind as u32).to_le_bytes());
    header
}
