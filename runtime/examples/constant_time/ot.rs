//! Base OTs, punctured trees and the extension, for every field size; generators and the hash.

use super::{Expect, Rows, channels, rng};
use picc_ir::cost::{CotCounts, CotDemand};
use picc_ir::mpc::cot::FIELD_BITS;
use picc_runtime::crypto::ct::taint::is_secret;
use picc_runtime::crypto::{Block, CrHash, Prg};
use picc_runtime::session::{Session, SetupParams};
use picc_runtime::testing::run_both;

pub fn run(rows: &mut Rows) {
    rows.row("generator and hash under a secret seed", Expect::Nothing, || {
        let mut rng = rng(9);
        let hash = CrHash::new(rng.block());
        let mut blocks = vec![Block::ZERO; 77];
        Prg::new(rng.block()).fill_blocks(&mut blocks);
        hash.hash_blocks(&mut blocks);
        hash.hash_blocks_offset(rng.block(), &mut blocks);
        is_secret(&blocks.iter().map(|b| b.low()).collect::<Vec<_>>())
    });
    for k in FIELD_BITS {
        rows.row(&format!("base OTs, trees and extension, k = {k}"), Expect::Nothing, || {
            let (mut client, mut server) = pair(k);
            let each = (1..=CotCounts::WIDEST).fold(CotCounts::default(), |a, w| a + CotCounts::of(w, 130));
            let demand = CotDemand { client_sends: each, server_sends: each };
            let take = |s: &mut Session| {
                s.reserve(demand).unwrap();
                (1..=CotCounts::WIDEST).all(|w| {
                    let q = s.cot_sender.take_wide(w, 130).unwrap();
                    let (t, c) = s.cot_receiver.take_wide(w, 130).unwrap();
                    let low = |blocks: &[Block]| blocks.iter().map(|b| b.low()).collect::<Vec<_>>();
                    is_secret(&low(&q)) && is_secret(&low(&t)) && c.iter().all(|c| is_secret(c.words()))
                })
            };
            let (a, b) = run_both(&mut client, &mut server, take, take);
            a && b
        });
    }
}

/// Both parties after their setup, all of their randomness secret.
pub fn pair(k: u32) -> (Session, Session) {
    let (client, server) = channels();
    let params = SetupParams { softspoken_k: k };
    std::thread::scope(|scope| {
        let server = scope.spawn(|| Session::setup(server, &params, rng(2)).unwrap());
        (Session::setup(client, &params, rng(1)).unwrap(), server.join().unwrap())
    })
}
