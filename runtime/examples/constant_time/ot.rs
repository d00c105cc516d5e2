//! Base OTs, punctured trees and the extension, for every field size; generators and the hash.

use super::{Expect, Rows, channels, rng};
use picc_ir::Party;
use picc_ir::correlation::Source;
use picc_ir::cost::{CotCounts, CotDemand};
use picc_runtime::crypto::ct::taint::is_secret;
use picc_runtime::crypto::hash::Tiles;
use picc_runtime::crypto::{Block, CrHash, Prg};
use picc_runtime::phases::Agreed;
use picc_runtime::session::{Session, SessionId};
use picc_runtime::testing::run_both;

pub fn run(rows: &mut Rows) {
    rows.row("generator and hash under a secret seed", Expect::Nothing, || {
        let mut rng = rng(9);
        let hash = CrHash::new(rng.block());
        let mut blocks = vec![Block::ZERO; 77];
        Prg::new(rng.block()).fill_blocks(&mut blocks);
        let mut others = blocks.clone();
        hash.hash_both(Tiles::new(Party::Client, 1, 0), rng.block(), &mut blocks, &mut others);
        is_secret(&blocks.iter().chain(&others).map(|b| b.low()).collect::<Vec<_>>())
    });
    for source in Source::all() {
        rows.row(&format!("base OTs, trees and extension, {}", source.parameters()), Expect::Nothing, || {
            let (mut client, mut server) = pair(source);
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
pub fn pair(source: Source) -> (Session, Session) {
    let (client, server) = channels();
    let id = SessionId::of(b"client", b"server");
    std::thread::scope(|scope| {
        let open =
            |channel, seed| Agreed::without_hellos(channel, id, rng(seed)).set_up(source, &[]).unwrap().online();
        let server = scope.spawn(move || open(server, 2));
        (open(client, 1), server.join().unwrap())
    })
}
