//! `model.pi` and `model.piw`: round trips, every way to be refused, hostile bytes.

use crate::support::{Seeded, secure_graph};
use picc_ir::correlation::{FieldBits, Source};
use picc_ir::ops::Weight;
use picc_ir::program::{InputSpec, MAGIC, Preprocess, ProgramError, Signature, VERSION};
use picc_ir::segment::one_each;
use picc_ir::weights::{
    Commitment, RingWeights, Salt, WeightsError, check_weights, open_weights, read_weights, write_weights,
};
use picc_ir::{Fixed, Graph, Id, Op, Owner, Program, Tensor, Ty};
use std::collections::BTreeMap;

fn program() -> Program {
    let spec = InputSpec {
        name: "x".into(),
        shape: [1, 1, 2, 2].into_iter().collect(),
        frac_bits: 4,
        preprocess: Some(Preprocess {
            divisor: 255.0.into(),
            mean: vec![0.5.into()],
            std: vec![0.25.into()],
            layout: picc_ir::program::Layout::Nchw,
            bgr: false,
        }),
    };
    Program {
        model: "tiny".into(),
        inputs: vec![spec],
        graph: secure_graph(),
        segments: one_each(&secure_graph()),
        labels: vec!["cat".into(), "dog".into()],
        error_ulps: vec![0, 0],
        source: Source::SoftSpoken { k: FieldBits::K2 },
        notes: vec!["softmax is computed by the client".into()],
    }
}

fn weights() -> RingWeights {
    BTreeMap::from([("w".to_owned(), Tensor::new(&[2, 1, 2, 2], vec![16, 1, 2, 3, -16, 0, 31, -31]))])
}

fn sealed(body: &[u8], version: u32) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(body);
    let digest = blake3::hash(&bytes);
    bytes.extend(digest.as_bytes());
    bytes
}

#[test]
fn a_program_round_trips() {
    let p = program();
    let bytes = p.to_bytes();
    assert_eq!(Program::from_bytes(&bytes), Ok(p.clone()));
    assert_eq!(bytes[bytes.len() - 32..], p.digest());
    let mut other = p;
    other.notes.clear();
    assert_ne!(bytes[bytes.len() - 32..], other.digest());
}

#[test]
fn refusals_name_their_cause() {
    let bytes = program().to_bytes();
    let error = |bytes: &[u8]| Program::from_bytes(bytes).expect_err("refused");
    assert_eq!(error(b"\x7fELF and more"), ProgramError::Magic);
    assert_eq!(error(b""), ProgramError::Truncated);
    assert_eq!(error(b"PIC"), ProgramError::Truncated);
    assert_eq!(error(&bytes[..6]), ProgramError::Truncated);
    assert_eq!(error(&bytes[..30]), ProgramError::Truncated);
    assert_eq!(error(&bytes[..bytes.len() - 1]), ProgramError::Truncated);
    assert_eq!(
        error(&sealed(&bytes[16..bytes.len() - 32], VERSION + 1)),
        ProgramError::Version { found: VERSION + 1 }
    );
    let mut flipped = bytes.clone();
    flipped[20] ^= 1;
    assert_eq!(error(&flipped), ProgramError::Digest);
    assert!(matches!(error(&sealed(&bytes[16..bytes.len() - 40], VERSION)), ProgramError::Malformed(_)));
    let trailing = [&bytes[16..bytes.len() - 32], b"more"].concat();
    assert!(matches!(error(&sealed(&trailing, VERSION)), ProgramError::Malformed(_)));
}

#[test]
fn a_program_that_reveals_too_much_is_refused() {
    let mut p = program();
    p.graph.outputs[0].1 = Id(2);
    let error = Program::from_bytes(&p.to_bytes()).expect_err("refused");
    assert!(matches!(error, ProgramError::Refused(_)));
    assert!(error.to_string().contains("\n  output `logits` belongs to Server"), "{error}");
}

#[test]
fn the_interface_describes_the_graph() {
    let refused = |change: fn(&mut Program), why: &str| {
        let mut p = program();
        change(&mut p);
        let error = Program::from_bytes(&p.to_bytes()).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(|p| p.inputs.clear(), "input `x` is not described");
    refused(|p| p.inputs[0].frac_bits = 5, "input `x` is not in the graph in this form");
    refused(|p| p.inputs[0].shape[0] = 5, "input `x` is not in the graph in this form");
    refused(|p| p.inputs.push(p.inputs[0].clone()), "input `x` is described twice");
    refused(|p| p.error_ulps.clear(), "0 error bounds for 2 outputs");
    refused(|p| p.inputs[0].preprocess.as_mut().expect("some").mean.clear(), "one mean and one deviation");
}

/// Mutations with a right digest reach the parser and the verifier.
#[test]
fn mutated_programs_never_panic() {
    let mut r = Seeded(40);
    let bytes = program().to_bytes();
    let body = &bytes[16..bytes.len() - 32];
    for round in 0..6000 {
        if round % 3 == 0 {
            let mut bytes = bytes.clone();
            let at = r.within(0, bytes.len() - 1);
            bytes[at] ^= 1 << r.within(0, 7);
            assert!(Program::from_bytes(&bytes).is_err(), "the digest covers every byte");
            assert!(Program::from_bytes(&bytes[..at]).is_err());
            continue;
        }
        let mut body = body.to_vec();
        for _ in 0..r.within(1, 3) {
            let at = r.within(0, body.len().max(1) - 1);
            match r.within(0, 3) {
                0 if at < body.len() => body[at] = r.next() as u8,
                1 if at < body.len() => body[at] ^= 1 << r.within(0, 7),
                2 => body.insert(at, [0x00, 0x01, 0x7f, 0x80, 0xff][r.within(0, 4)]),
                _ => body.truncate(at),
            }
        }
        let bytes = sealed(&body, VERSION);
        if let Ok(p) = Program::from_bytes(&bytes) {
            assert_eq!(p.to_bytes(), bytes, "one program, one byte string");
        }
    }
}

#[test]
fn weights_round_trip_compactly() {
    let mut w = RingWeights::new();
    for (name, edge) in [("i8", 127i64), ("i16", 128), ("i32", 1 << 16), ("i64", i64::MAX)] {
        w.insert(name.into(), Tensor::new(&[3], vec![edge, -edge - 1, 0]));
    }
    w.insert("scalar \"odd\"".into(), Tensor::new(&[], vec![-1]));
    let read = |bytes: &[u8]| read_weights(bytes).map(|(weights, program, salt)| (weights, program, salt.0));
    let bytes = write_weights(&w, [7; 32], &Salt([9; 32]));
    assert_eq!(read(&bytes), Ok((w.clone(), [7; 32], [9; 32])));
    assert_eq!(write_weights(&w, [7; 32], &Salt([9; 32])), bytes, "deterministic");
    let header = u64::from_le_bytes(*bytes.first_chunk().expect("long enough")) as usize;
    assert_eq!(bytes.len() - 8 - header, 3 * (1 + 2 + 4 + 8) + 1);
    let none = write_weights(&RingWeights::new(), [0; 32], &Salt([0; 32]));
    assert_eq!(read(&none), Ok((RingWeights::new(), [0; 32], [0; 32])));
}

#[test]
fn weights_fit_their_program_only() {
    let p = program();
    let open = |bytes: &[u8]| open_weights(bytes, &p).map(|(weights, _)| weights);
    assert_eq!(open(&write_weights(&weights(), p.digest(), &Salt([9; 32]))), Ok(weights()));
    let other = write_weights(&weights(), [1; 32], &Salt([9; 32]));
    assert_eq!(open(&other), Err(WeightsError::OtherProgram));
    let refused = |change: fn(&mut RingWeights), why: &str| {
        let mut w = weights();
        change(&mut w);
        assert_eq!(check_weights(&p, &w).expect_err(why).to_string(), why);
    };
    refused(RingWeights::clear, "weight `w` is missing");
    refused(|w| drop(w.insert("v".into(), Tensor::full(&[1], 0))), "weight `v` is not in the program");
    refused(
        |w| drop(w.insert("w".into(), Tensor::full(&[8], 0))),
        "weight `w` has shape [8], the program needs [2, 1, 2, 2]",
    );
    refused(
        |w| drop(w.insert("w".into(), Tensor::full(&[2, 1, 2, 2], -32))),
        "weight `w` has a value outside its range [-31, 31]",
    );
}

#[test]
fn other_files_are_no_weights() {
    let error = |bytes: &[u8]| read_weights(bytes).err().expect("refused");
    assert!(matches!(error(b""), WeightsError::Format(_)));
    assert!(matches!(error(&program().to_bytes()), WeightsError::Format(_)));
    let plain =
        |header: &str, data: &[u8]| [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat();
    assert_eq!(error(&plain("{}", b"")), WeightsError::Metadata("picc.program"));
    let digest = "00".repeat(32);
    let short = format!("{{\"__metadata__\":{{\"picc.program\":\"{digest}\",\"picc.checksum\":\"00\"}}}}");
    assert_eq!(error(&plain(&short, b"")), WeightsError::Metadata("picc.checksum"));
    let unsalted = format!("{{\"__metadata__\":{{\"picc.program\":\"{digest}\",\"picc.checksum\":\"{digest}\"}}}}");
    assert_eq!(error(&plain(&unsalted, b"")), WeightsError::Metadata("picc.salt"));
    let float = format!(
        "{{\"__metadata__\":{{\"picc.program\":\"{digest}\",\"picc.checksum\":\"{digest}\",\"picc.salt\":\"{digest}\"}},\"w\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}}}"
    );
    assert_eq!(error(&plain(&float, &[0; 4])), WeightsError::Dtype { name: "w".into(), dtype: "F32".into() });
}

/// A changed file is refused, or says the same in other words (spaces of the header, letter case of a digest).
#[test]
fn mutated_weights_are_refused() {
    let mut r = Seeded(41);
    let p = program();
    let bytes = write_weights(&weights(), p.digest(), &Salt([9; 32]));
    for _ in 0..6000 {
        let mut changed = bytes.clone();
        let at = r.within(0, bytes.len() - 1);
        match r.within(0, 3) {
            0 => changed[at] ^= 1 << r.within(0, 7),
            1 => changed[at] = r.next() as u8,
            2 => changed.truncate(at),
            _ => changed.insert(at, r.next() as u8),
        }
        if let Ok((w, salt)) = open_weights(&changed, &p) {
            assert_eq!((w, salt.0), (weights(), [9; 32]));
        }
    }
}

#[test]
fn a_commitment_names_weights_program_and_salt() {
    let of = |weights: &RingWeights, program, salt| Commitment::to(weights, [program; 32], &Salt([salt; 32]));
    let one = of(&weights(), 1, 1);
    assert_eq!(of(&weights(), 1, 1), one);
    let mut other = weights();
    other.values_mut().for_each(|t| t.data[0] ^= 1);
    for another in [of(&other, 1, 1), of(&weights(), 2, 1), of(&weights(), 1, 2)] {
        assert_ne!(another, one);
    }
    assert_eq!(one.to_string().len(), 64);
    assert_eq!(Commitment::from_bytes(*one.as_bytes()), one);
}

#[test]
fn a_signature_ends_a_program_and_changes_nothing_in_it() {
    let p = program();
    let signature = Signature { key: [1; 32], signature: [2; 64] };
    let signed = p.to_signed_bytes(&signature);
    assert_eq!(Program::read(&signed), Ok((p.clone(), Some(signature))));
    assert_eq!(Program::read(&p.to_bytes()), Ok((p.clone(), None)));
    assert_eq!(Program::from_bytes(&signed).map(|p| p.digest()), Ok(p.digest()));
    for end in p.to_bytes().len() + 1..signed.len() {
        assert_eq!(Program::read(&signed[..end]), Err(ProgramError::Truncated), "{end}");
    }
    assert_eq!(Program::read(&[&signed[..], &[0]].concat()), Err(ProgramError::Truncated));
}

/// A weight's values appear nowhere in the program.
#[test]
fn programs_hold_no_weights() {
    let mut g = Graph::default();
    let ty = Ty::fixed(&[4], Fixed::full(32, 0), Owner::Server);
    g.add(Weight { name: "w".into(), ty }, &[], "w").expect("typed");
    let Op::Weight(weight) = &g.nodes[0].op else { panic!("a weight") };
    let text = serde_json::to_string(weight).expect("serializes");
    assert_eq!(
        text,
        "{\"name\":\"w\",\"ty\":{\"shape\":[4],\"elem\":{\"Fixed\":{\"ring_bits\":32,\"frac_bits\":0,\"lo\":-2147483648,\"hi\":2147483647}},\"owner\":\"Server\"}}"
    );
}
