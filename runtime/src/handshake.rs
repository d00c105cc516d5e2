//! The first message of a session, both ways at once: do the two parties run the same thing?
//!
//! ```text
//!   magic 4 | version 2 | party 1 | length 1 | program digest 32 | nonce 32 | security parameters, text, zero-padded
//! ```
//!
//! It has one fixed size and carries no secret. Each party compares what it got with what it sent, so a mismatch is
//! the same error on both sides. What a party claims here is not authenticated: semi-honest parties over TCP. The nonces
//! are fresh and random; the hash of both hellos names the session, and whatever the session derives is bound to it.

use crate::channel::{Channel, Kind};
use crate::crypto::Rng;
use crate::error::{Error, Result};
use crate::session::SessionId;
use picc_ir::Party;

/// Of the messages on the wire. Any change to a protocol's bytes raises it.
pub const PROTOCOL_VERSION: u16 = 3;

const MAGIC: [u8; 4] = *b"picc";
const SIZE: usize = picc_ir::cost::HELLO_BYTES as usize;
const NONCE_AT: usize = 40;
const TEXT_AT: usize = 72;

/// What both parties must agree on before anything else is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// BLAKE3 of `model.pi`.
    pub program: [u8; 32],
    /// Field size of the OT extension, parameter sets of RLWE; at most [`Agreement::MAX_PARAMETERS`] bytes.
    pub parameters: String,
}

impl Agreement {
    pub const MAX_PARAMETERS: usize = SIZE - TEXT_AT;

    fn encode(&self, version: u16, party: Party, nonce: &[u8; 32]) -> Result<[u8; SIZE]> {
        let text = self.parameters.as_bytes();
        if text.len() > Agreement::MAX_PARAMETERS {
            return Err(Error::Program("the security parameters do not fit the handshake".into()));
        }
        let mut hello = [0; SIZE];
        hello[..4].copy_from_slice(&MAGIC);
        hello[4..6].copy_from_slice(&version.to_le_bytes());
        hello[6] = party as u8;
        hello[7] = text.len() as u8;
        hello[8..NONCE_AT].copy_from_slice(&self.program);
        hello[NONCE_AT..TEXT_AT].copy_from_slice(nonce);
        hello[TEXT_AT..TEXT_AT + text.len()].copy_from_slice(text);
        Ok(hello)
    }
}

/// Exchanges hellos and compares; what both sides then call the session. One round.
pub fn handshake(channel: &mut Channel, ours: &Agreement, rng: &mut Rng) -> Result<SessionId> {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    let hello = ours.encode(PROTOCOL_VERSION, channel.party(), &nonce)?;
    let theirs = channel.exchange(Kind::Handshake, &hello, SIZE).map_err(|e| match e {
        Error::Peer(_) => Error::Handshake("the other side does not speak this protocol".into()),
        e => e,
    })?;
    check(ours, &theirs, channel.party())?;
    Ok(match channel.party() {
        Party::Client => SessionId::of(&hello, &theirs),
        Party::Server => SessionId::of(&theirs, &hello),
    })
}

fn check(ours: &Agreement, theirs: &[u8], party: Party) -> Result<()> {
    let differ = |what: String| Err(Error::Handshake(what));
    if theirs[..4] != MAGIC {
        return differ("the other side does not speak this protocol".into());
    }
    let version = u16::from_le_bytes([theirs[4], theirs[5]]);
    if version != PROTOCOL_VERSION {
        let older = if version > PROTOCOL_VERSION { "this side" } else { "the other side" };
        return differ(format!(
            "this is protocol version {PROTOCOL_VERSION}, the other side's is {version}: upgrade {older}'s pirun"
        ));
    }
    if theirs[6] != party.other() as u8 {
        return differ(format!("both sides are the {party}"));
    }
    if theirs[8..NONCE_AT] != ours.program {
        return differ(format!(
            "the programs differ: this one is {}, the other side's is {} (both need the same model.pi)",
            short(&ours.program),
            short(&theirs[8..NONCE_AT])
        ));
    }
    let text = &theirs[TEXT_AT..];
    let text = &text[..usize::from(theirs[7]).min(text.len())];
    if text != ours.parameters.as_bytes() {
        return differ(format!(
            "the security parameters differ: this side's are `{}`, the other's `{}`",
            ours.parameters,
            text.escape_ascii()
        ));
    }
    Ok(())
}

fn short(digest: &[u8]) -> String {
    digest[..8].iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::memory_pair;
    use std::time::Duration;

    fn agreement() -> Agreement {
        Agreement { program: [7; 32], parameters: "softspoken k=4".into() }
    }

    fn both(client: &Agreement, server: &Agreement) -> [Result<SessionId>; 2] {
        both_with([1, 2], client, server)
    }

    fn both_with(seeds: [u64; 2], client: &Agreement, server: &Agreement) -> [Result<SessionId>; 2] {
        let (mut c, mut s) = memory_pair(Duration::from_secs(5));
        let [mut client_rng, mut server_rng] = seeds.map(Rng::from_seed);
        std::thread::scope(|scope| {
            let peer = scope.spawn(move || handshake(&mut s, server, &mut server_rng));
            [handshake(&mut c, client, &mut client_rng), peer.join().unwrap()]
        })
    }

    #[test]
    fn those_who_agree_call_the_session_alike() {
        let [client, server] = both(&agreement(), &agreement()).map(Result::unwrap);
        assert_eq!(client, server);
    }

    #[test]
    fn a_new_nonce_of_either_party_makes_another_session() {
        let other = Agreement { program: [8; 32], ..agreement() };
        let name = |seeds, agreement: &Agreement| {
            let [client, _] = both_with(seeds, agreement, agreement);
            client.unwrap()
        };
        let session = name([1, 2], &agreement());
        for another in [name([3, 2], &agreement()), name([1, 3], &agreement()), name([1, 2], &other)] {
            assert_ne!(session, another);
        }
    }

    #[test]
    fn another_program_or_parameter_is_named_on_both_sides() {
        let program = Agreement { program: [8; 32], ..agreement() };
        let parameters = Agreement { parameters: "softspoken k=8".into(), ..agreement() };
        for (other, says) in [(program, "programs differ"), (parameters, "parameters differ")] {
            for result in both(&agreement(), &other) {
                let error = result.unwrap_err();
                assert!(matches!(&error, Error::Handshake(text) if text.contains(says)), "{error}");
            }
        }
    }

    #[test]
    fn another_version_role_or_protocol_is_refused() {
        let ours = agreement();
        let refused = |hello: &[u8], says: &str| {
            let error = check(&ours, hello, Party::Client).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        let next = PROTOCOL_VERSION + 1;
        let says = format!("version {PROTOCOL_VERSION}, the other side's is {next}: upgrade this side's");
        refused(&ours.encode(next, Party::Server, &[0; 32]).unwrap(), &says);
        let says = format!("the other side's is {}: upgrade the other side's", PROTOCOL_VERSION - 1);
        refused(&ours.encode(PROTOCOL_VERSION - 1, Party::Server, &[0; 32]).unwrap(), &says);
        refused(&ours.encode(PROTOCOL_VERSION, Party::Client, &[0; 32]).unwrap(), "both sides are the client");
        refused(&[0; SIZE], "does not speak");
        let mut long = ours.encode(PROTOCOL_VERSION, Party::Server, &[0; 32]).unwrap();
        long[7] = 255;
        refused(&long, "parameters differ");
    }

    #[test]
    fn a_peer_that_speaks_something_else_is_a_handshake_error() {
        let (mut c, mut s) = memory_pair(Duration::from_secs(5));
        s.send(Kind::Open, b"GET / HTTP/1.1").unwrap();
        let result = handshake(&mut c, &agreement(), &mut Rng::from_seed(1));
        assert!(matches!(result, Err(Error::Handshake(_))));
    }
}
