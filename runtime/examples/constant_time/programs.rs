//! Whole programs through the executor, with the kernels between protocols as emitted code; products by micro-kernels.

use super::common::{Built, Linear, Truncation, cnn, sample, zoo};
use super::{Expect, Rows, channels, rng, share};
use picc_ir::Party;
use picc_ir::geom::ConvGeom;
use picc_kernels::micro::{Isa, Known, PackedConv};
use picc_runtime::crypto::ct::taint::is_secret;
use picc_runtime::exec::{ClientSession, Executable, ServerModel, serve_session};

type Case = (&'static str, fn() -> Built);

pub fn run(rows: &mut Rows) {
    for (ring, weight_bits, sums_exact) in [
        (16, 16, false),
        (32, 8, false),
        (32, 32, false),
        (37, 12, false),
        (48, 64, false),
        (50, 64, true),
        (64, 64, false),
    ] {
        let known = Known { weight_bits, value_bits: 64, sums_exact };
        let name = format!("product of {} in a ring of {ring} bits", if sums_exact { "f64" } else { "integers" });
        rows.row(&format!("{name}, weights of {weight_bits}"), Expect::Nothing, || product(ring, known));
    }
    let builds: [Case; 4] = [
        ("a network, OT layers, the client chooses", || cnn(Linear::Ot(Party::Client), Truncation::Faithful)),
        ("a network, OT layers, local truncation", || cnn(Linear::Ot(Party::Server), Truncation::Local)),
        ("a network, ring LWE layers", || cnn(Linear::Rlwe, Truncation::Faithful)),
        ("every other protocol in one program", || zoo(Linear::Rlwe)),
    ];
    for (name, build) in builds {
        rows.row(&format!("program: {name}"), Expect::Nothing, || program(build()));
    }
}

fn product(ring: u8, known: Known) -> bool {
    let g = ConvGeom {
        n: 1,
        c_in: 4,
        h: 6,
        w: 6,
        c_out: 5,
        kh: 3,
        kw: 3,
        stride: [1, 1],
        pads: [1; 4],
        dilation: [1, 1],
        groups: 1,
    };
    let (x, w) = (share(144, ring.min(50), 1), share(180, known.weight_bits.min(ring), 2));
    Isa::available().all(|isa| {
        let scheme = picc_kernels::micro::choose(&g, ring, known, isa);
        let mut out = vec![0u64; 180];
        let packed = PackedConv::with(&w, &g, ring, scheme, isa).unwrap();
        packed.run(&x, &mut out).unwrap();
        is_secret(&out)
    })
}

/// Inputs, weights and randomness are secret; what the client is shown at the end is not.
fn program(built: Built) -> bool {
    let exe = Executable::new(built.program).unwrap();
    let model = ServerModel::new(&exe, built.weights).unwrap();
    let weights_are_secret = model.weights().values().all(|w| is_secret(&w.data));
    let input = sample(exe.program(), 3);
    let (client, server) = channels();
    let inference = std::thread::scope(|scope| {
        let server = scope.spawn(|| serve_session(&exe, &model, server, rng(2), None).unwrap());
        let mut session = ClientSession::open(&exe, client, rng(1), None).unwrap();
        let inference = session.infer(&input).unwrap();
        session.close().unwrap();
        server.join().unwrap();
        inference
    });
    weights_are_secret && inference.revealed.values().all(|t| !is_secret(&t.data))
}
