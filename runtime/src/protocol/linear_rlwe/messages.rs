//! Between messages and polynomials, at the server.

use crate::channel::{Channel, Kind};
use crate::crypto::rlwe::PublicKey;
use crate::error::{Misbehaviour, Result};
use picc_ir::mpc::rlwe::{LinearPlan, RequestPolynomial, SEED_BYTES};

/// Cuts incoming messages into polynomials.
pub(super) struct Requests<'a> {
    plan: &'a LinearPlan,
    key: &'a PublicKey,
    next_span: usize,
    payload: Vec<u8>,
    at: usize,
    index: u64,
    left: usize,
}

impl<'a> Requests<'a> {
    pub(super) fn new(plan: &'a LinearPlan, key: &'a PublicKey) -> Requests<'a> {
        Requests { plan, key, next_span: 0, payload: Vec::new(), at: 0, index: 0, left: 0 }
    }

    /// Seed, index under it, and bytes of the next polynomial.
    pub(super) fn next(
        &mut self,
        channel: &mut Channel,
        p: &RequestPolynomial,
    ) -> Result<([u8; 32], u64, Vec<u8>)> {
        if self.left == 0 {
            let span = &self.plan.requests[self.next_span];
            self.next_span += 1;
            self.payload = channel.recv(Kind::Ciphertext, span.bytes as usize)?;
            (self.at, self.index, self.left) = (SEED_BYTES as usize, 0, span.polynomials.len());
        }
        let len = self.plan.request_bytes(self.plan.request_positions(p).len());
        let bytes = self.payload[self.at..self.at + len].to_vec();
        let (seed, _) = split_seed(&self.payload)?;
        // Its first polynomial would be the key's: two samples of one secret under one `a` show the client's noise.
        if seed == *self.key.seed() {
            return Err(Misbehaviour::RepeatedSeed.into());
        }
        let index = self.index;
        self.at += len;
        self.index += 1;
        self.left -= 1;
        Ok((seed, index, bytes))
    }
}

/// Joins polynomials to messages.
pub(super) struct Responses<'a> {
    plan: &'a LinearPlan,
    next_span: usize,
    payload: Vec<u8>,
    count: usize,
}

impl<'a> Responses<'a> {
    pub(super) fn new(plan: &'a LinearPlan) -> Responses<'a> {
        Responses { plan, next_span: 0, payload: Vec::new(), count: 0 }
    }

    pub(super) fn push(&mut self, channel: &mut Channel, bytes: &[u8]) -> Result<()> {
        self.payload.extend_from_slice(bytes);
        self.count += 1;
        if self.count == self.plan.responses[self.next_span].polynomials.len() {
            channel.send(Kind::Ciphertext, &self.payload)?;
            self.payload.clear();
            self.count = 0;
            self.next_span += 1;
        }
        Ok(())
    }
}

pub(super) fn split_seed(payload: &[u8]) -> Result<([u8; 32], &[u8])> {
    match payload.split_first_chunk::<32>() {
        Some((seed, rest)) => Ok((*seed, rest)),
        None => Err(Misbehaviour::Part { part: "seed", expected: 32, got: payload.len() }.into()),
    }
}
