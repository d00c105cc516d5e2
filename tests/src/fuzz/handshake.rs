//! What a stranger sends first: the hello, read from a socket piece by piece and from a channel.

use super::wire::{Script, is_bug};
use picc_ir::Party;
use picc_runtime::channel::Channel;
use picc_runtime::crypto::Rng;
use picc_runtime::error::Refusal;
use picc_runtime::handshake::{Agreement, FRAME_BYTES, answer, handshake, judge, may_be_hello, refusal};

fn agreement() -> Agreement {
    Agreement { program: [7; 32], parameters: "a source".into(), binding: None, weights: None }
}

/// Byte 0: which party listens. Then what it hears.
///
/// # Panics
/// If the two ways to read a hello disagree, or a party blames itself.
pub fn hello(data: &[u8]) -> bool {
    let Some((side, stream)) = data.split_first() else { return false };
    let party = if side & 1 == 0 { Party::Client } else { Party::Server };
    let pieces = || (0..=stream.len().min(FRAME_BYTES)).map(|n| may_be_hello(&stream[..n]));
    assert!(pieces().is_sorted_by(|before, now| before >= now), "what is no hello becomes one");
    let judged = stream.first_chunk::<FRAME_BYTES>().map(|frame| judge(&agreement(), frame, party));
    let mut channel = Channel::new(party, Script::new(stream.to_vec()));
    let heard = handshake(&mut channel, &agreement(), &mut Rng::from_seed(1));
    if let Err(error) = &heard {
        assert!(!is_bug(error), "{error}");
    }
    assert_eq!(judged.is_some_and(|j| j.is_ok()), heard.is_ok(), "{heard:?}");
    heard.is_ok()
}

/// Hellos that are accepted, and those of servers that are busy or disagree, which are not.
///
/// # Panics
/// Never: the agreement is short.
#[must_use]
pub fn hello_seeds() -> [Vec<Vec<u8>>; 2] {
    let said = |to: u8, frame: picc_runtime::Result<Vec<u8>>| [&[to][..], &frame.expect("a short text")].concat();
    let other = Agreement { program: [8; 32], ..agreement() };
    let accepted = vec![said(1, answer(&agreement(), Party::Client)), said(0, answer(&agreement(), Party::Server))];
    let refused = vec![
        said(0, refusal(&agreement(), &Refusal::Told("later".into()))),
        said(0, answer(&other, Party::Server)),
    ];
    [accepted, refused]
}
