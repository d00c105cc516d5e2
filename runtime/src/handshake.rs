//! The first message of a session, both ways at once: do the two parties run the same thing?
//!
//! ```text
//!   magic 4 | version 2 | party 1 | length 1 | program digest 32 | nonce 32 | binding 32 | weights 32
//!           | security parameters, text, zero-padded
//! ```
//!
//! It has one fixed size and carries no secret. Each party compares what it got with what it sent, so a mismatch is
//! the same error on both sides. Who says it is TLS's to authenticate; without TLS nobody does. The nonces are fresh
//! and random; `binding` is the exporter's value of the TLS connection (zeros without), and `weights` the server's
//! commitment to its weights (zeros from the client). The hash of both hellos names the session, and whatever the
//! session derives is bound to it: to this connection, these weights and these nonces.
//!
//! A server that agrees but takes no session now (all slots in use, shutting down) answers with its hello and the
//! text `refused: ` with a reason in place of the parameters. A client that does not know this form still prints the
//! reason, as parameters that differ.
//!
//! [`may_be_hello`] and [`judge`] are the same checks on bytes, for a server that reads many sockets at once.

use crate::channel::{Channel, Kind, frame};
use crate::crypto::Rng;
use crate::crypto::ct;
use crate::error::{BadProgram, Error, Mismatch, Refusal, Result};
use crate::session::SessionId;
use picc_ir::Party;
use picc_ir::weights::Commitment;

/// Of the messages on the wire. Any change to a protocol's bytes raises it.
pub const PROTOCOL_VERSION: u16 = 4;

const MAGIC: [u8; 4] = *b"picc";
const SIZE: usize = picc_ir::cost::HELLO_BYTES as usize;
const NONCE_AT: usize = 40;
const BINDING_AT: usize = 72;
const WEIGHTS_AT: usize = 104;
const TEXT_AT: usize = 136;
const REFUSED: &str = "refused: ";

/// A hello on the wire: the header of its frame, then the message.
pub const FRAME_BYTES: usize = SIZE + picc_ir::cost::HEADER_BYTES as usize;

/// What both parties must agree on before anything else is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// BLAKE3 of `model.pi`.
    pub program: [u8; 32],
    /// Source of correlated OTs, parameter sets of RLWE; at most [`Agreement::MAX_PARAMETERS`] bytes.
    pub parameters: String,
    /// What the connection below is bound to: [`crate::channel::Security::binding`].
    pub binding: Option<[u8; 32]>,
    /// What the server says of its weights; the client hears it.
    pub weights: Option<Commitment>,
}

impl Agreement {
    pub const MAX_PARAMETERS: usize = SIZE - TEXT_AT;

    /// Of one connection.
    #[must_use]
    pub fn bound_to(self, binding: Option<[u8; 32]>) -> Agreement {
        Agreement { binding, ..self }
    }

    fn encode(&self, version: u16, party: Party, nonce: &[u8; 32]) -> Result<[u8; SIZE]> {
        let text = self.parameters.as_bytes();
        if text.len() > Agreement::MAX_PARAMETERS {
            return Err(BadProgram::LongParameters.into());
        }
        let mut hello = [0; SIZE];
        hello[..4].copy_from_slice(&MAGIC);
        hello[4..6].copy_from_slice(&version.to_le_bytes());
        hello[6] = party as u8;
        hello[7] = text.len() as u8;
        hello[8..NONCE_AT].copy_from_slice(&self.program);
        hello[NONCE_AT..BINDING_AT].copy_from_slice(nonce);
        hello[BINDING_AT..WEIGHTS_AT].copy_from_slice(&self.binding.unwrap_or_default());
        let weights = self.weights.filter(|_| party == Party::Server);
        hello[WEIGHTS_AT..TEXT_AT].copy_from_slice(&weights.map_or([0; 32], |w| *w.as_bytes()));
        hello[TEXT_AT..TEXT_AT + text.len()].copy_from_slice(text);
        Ok(hello)
    }
}

/// Whether `bytes` are the beginning of a hello of any version. What is not is no client of this program, and needs no
/// more bytes to be turned away.
#[must_use]
pub fn may_be_hello(bytes: &[u8]) -> bool {
    let header = frame::header(Kind::Handshake, SIZE, 0);
    let known = |at: usize| match at {
        0..5 => Some(header[at]),
        8..12 => Some(MAGIC[at - 8]),
        _ => None,
    };
    bytes.len() <= FRAME_BYTES && bytes.iter().enumerate().all(|(at, b)| known(at).is_none_or(|k| k == *b))
}

/// What [`handshake`] says of a peer's hello, before there is a channel.
pub fn judge(ours: &Agreement, theirs: &[u8; FRAME_BYTES], party: Party) -> Result<()> {
    if !may_be_hello(theirs) {
        return Err(Mismatch::Protocol.into());
    }
    check(ours, &theirs[FRAME_BYTES - SIZE..], party)
}

/// `party`'s hello as a frame, for a peer that is turned away because the two do not agree.
pub fn answer(ours: &Agreement, party: Party) -> Result<Vec<u8>> {
    // No session follows, so there is nothing for a nonce to name.
    let hello = ours.encode(PROTOCOL_VERSION, party, &[0; 32])?;
    Ok([&frame::header(Kind::Handshake, SIZE, 1)[..], &hello].concat())
}

/// The server's answer to a client that it agrees with and does not serve now. Of the reason as much as fits is sent.
pub fn refusal(ours: &Agreement, reason: &Refusal) -> Result<Vec<u8>> {
    let mut parameters = format!("{REFUSED}{reason}");
    parameters.truncate(parameters.floor_char_boundary(Agreement::MAX_PARAMETERS));
    answer(&Agreement { parameters, ..ours.clone() }, Party::Server)
}

/// What both sides know after the hellos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What both call the session.
    pub id: SessionId,
    /// The server's commitment to its weights.
    pub weights: Option<Commitment>,
}

/// Exchanges hellos over a channel, to whose connection they are bound, and compares. One round.
pub fn handshake(channel: &mut Channel, ours: &Agreement, rng: &mut Rng) -> Result<Agreed> {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    let ours = &ours.clone().bound_to(channel.security().binding);
    let hello = ours.encode(PROTOCOL_VERSION, channel.party(), &nonce)?;
    let theirs = channel.exchange(Kind::Handshake, &hello, SIZE).map_err(|e| match e {
        Error::Peer(_) => Mismatch::Protocol.into(),
        e => e,
    })?;
    check(ours, &theirs, channel.party())?;
    let [client, server] = match channel.party() {
        Party::Client => [&hello[..], &theirs[..]],
        Party::Server => [&theirs[..], &hello[..]],
    };
    // The commitment to secret weights is what a hello shows.
    let weights = std::array::from_fn(|i| ct::public(server[WEIGHTS_AT + i]));
    let weights = Some(weights).filter(|w| *w != [0; 32]).map(Commitment::from_bytes);
    Ok(Agreed { id: SessionId::of(client, server), weights })
}

fn check(ours: &Agreement, theirs: &[u8], party: Party) -> Result<()> {
    let differ = |mismatch: Mismatch| Err(mismatch.into());
    if theirs[..4] != MAGIC {
        return differ(Mismatch::Protocol);
    }
    let version = u16::from_le_bytes([theirs[4], theirs[5]]);
    if version != PROTOCOL_VERSION {
        return differ(Mismatch::Version { ours: PROTOCOL_VERSION, theirs: version });
    }
    if theirs[6] != party.other() as u8 {
        return differ(Mismatch::Role { both: party });
    }
    let program: [u8; 32] = std::array::from_fn(|i| theirs[8 + i]);
    if program != ours.program {
        return differ(Mismatch::Program { ours: Box::new(ours.program), theirs: Box::new(program) });
    }
    let text = &theirs[TEXT_AT..];
    let text = &text[..usize::from(theirs[7]).min(text.len())];
    if let (Party::Client, Some(reason)) = (party, text.strip_prefix(REFUSED.as_bytes())) {
        return Err(Refusal::Told(reason.escape_ascii().to_string()).into());
    }
    if theirs[BINDING_AT..WEIGHTS_AT] != ours.binding.unwrap_or_default() {
        return differ(Mismatch::Binding);
    }
    if text != ours.parameters.as_bytes() {
        let theirs = text.escape_ascii().to_string();
        return differ(Mismatch::Parameters { ours: ours.parameters.clone(), theirs });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::memory_pair;
    use std::time::Duration;

    fn agreement() -> Agreement {
        Agreement { program: [7; 32], parameters: "a source".into(), binding: None, weights: None }
    }

    fn both(client: &Agreement, server: &Agreement) -> [Result<Agreed>; 2] {
        both_with([1, 2], client, server)
    }

    fn both_with(seeds: [u64; 2], client: &Agreement, server: &Agreement) -> [Result<Agreed>; 2] {
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
            client.unwrap().id
        };
        let session = name([1, 2], &agreement());
        for another in [name([3, 2], &agreement()), name([1, 3], &agreement()), name([1, 2], &other)] {
            assert_ne!(session, another);
        }
    }

    #[test]
    fn the_client_hears_which_weights_the_server_has() {
        let weights = Some(Commitment::from_bytes([5; 32]));
        let server = Agreement { weights, ..agreement() };
        let [client, served] = both(&agreement(), &server).map(Result::unwrap);
        assert_eq!((client.weights, served.weights), (weights, weights));
        assert_ne!(client.id, both(&agreement(), &agreement())[0].as_ref().unwrap().id);
        // What a client says of weights is not sent.
        let [client, _] = both(&server, &agreement()).map(Result::unwrap);
        assert_eq!(client.weights, None);
    }

    #[test]
    fn hellos_belong_to_one_connection() {
        let over = |bindings: [Option<[u8; 32]>; 2]| {
            let (c, s) = memory_pair(Duration::from_secs(5));
            let bound = |channel: Channel, binding: Option<[u8; 32]>| match binding {
                Some(binding) => channel.bound_to(binding),
                None => channel,
            };
            let (mut c, mut s) = (bound(c, bindings[0]), bound(s, bindings[1]));
            std::thread::scope(|scope| {
                let server = scope.spawn(move || handshake(&mut s, &agreement(), &mut Rng::from_seed(2)));
                [handshake(&mut c, &agreement(), &mut Rng::from_seed(1)), server.join().unwrap()]
            })
        };
        let [plain, one, two] = [None, Some([1; 32]), Some([2; 32])].map(|b| over([b, b]).map(Result::unwrap));
        assert!(plain[0].id != one[0].id && one[0].id != two[0].id);
        for bindings in [[Some([1; 32]), Some([2; 32])], [None, Some([1; 32])], [Some([1; 32]), None]] {
            for said in over(bindings) {
                assert!(matches!(said, Err(Error::Handshake(Mismatch::Binding))), "{said:?}");
            }
        }
    }

    #[test]
    fn another_program_or_parameter_is_named_on_both_sides() {
        let program = Agreement { program: [8; 32], ..agreement() };
        let parameters = Agreement { parameters: "another source".into(), ..agreement() };
        for (other, says) in [(program, "programs differ"), (parameters, "parameters differ")] {
            for result in both(&agreement(), &other) {
                let error = result.unwrap_err();
                assert!(matches!(&error, Error::Handshake(what) if what.to_string().contains(says)), "{error}");
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
    fn a_busy_server_is_no_server_that_disagrees() {
        let ours = agreement();
        let busy = refusal(&ours, &Refusal::Told("busy, all 16 sessions are in use".into())).unwrap();
        let busy: &[u8; FRAME_BYTES] = busy[..].try_into().unwrap();
        let error = judge(&ours, busy, Party::Client).unwrap_err();
        assert!(
            matches!(&error, Error::Refused(Refusal::Told(text)) if text == "busy, all 16 sessions are in use"),
            "{error}"
        );
        // A server does not take that from a client, and a long reason is cut.
        assert!(matches!(judge(&ours, busy, Party::Server), Err(Error::Handshake(_))));
        assert_eq!(refusal(&ours, &Refusal::Told("\u{20ac}".repeat(200))).unwrap().len(), FRAME_BYTES);
    }

    #[test]
    fn a_hello_is_known_from_its_first_bytes() {
        let hello = answer(&agreement(), Party::Client).unwrap();
        assert!((0..=FRAME_BYTES).all(|n| may_be_hello(&hello[..n])));
        for (n, known) in [(0, true), (4, true), (5, false), (7, false), (8, true), (11, true), (12, false)] {
            let mut other = hello.clone();
            other[n] ^= 1;
            assert_eq!(may_be_hello(&other[..n + 1]), !known, "byte {n}");
        }
        assert!(!may_be_hello(b"GET / HTTP/1.1"));
        assert!(!may_be_hello(&[&hello[..], &[0]].concat()));
        let frame = hello[..].try_into().unwrap();
        judge(&agreement(), frame, Party::Server).unwrap();
    }

    #[test]
    fn a_peer_that_speaks_something_else_is_a_handshake_error() {
        let (mut c, mut s) = memory_pair(Duration::from_secs(5));
        s.send(Kind::Open, b"GET / HTTP/1.1").unwrap();
        let result = handshake(&mut c, &agreement(), &mut Rng::from_seed(1));
        assert!(matches!(result, Err(Error::Handshake(_))));
    }
}
