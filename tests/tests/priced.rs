//! Programs that have a price and that nobody can run yet: typed, priced by phase, marked, and refused.

use picc_ir::Program;
use picc_ir::cost::profile::Profile;
use picc_ir::verify::{Stage, verify};
use picc_passes::{Linear, Options};
use picc_runtime::exec::Executable;
use picc_tests::example;

#[test]
fn a_preprocessed_program_is_priced_marked_and_refused() {
    for profile in [None, Some(Profile { offline_percent: 0, ..Profile::wan() })] {
        let compiled = example::compiled(1, Options { linear: Linear::Preprocessed, profile, ..Options::plain() });
        let program = &compiled.program;
        assert_eq!(verify(&program.graph, Stage::Mpc), Ok(()));
        let at = program.priced_only().expect("a prepared layer");
        let node = program.graph.node(at).clone();
        assert_eq!(node.op.name(), "conv.pre");
        assert!(compiled.report.warnings.iter().any(|w| w.contains("pirun")), "{:?}", compiled.report.warnings);
        assert!(program.notes.iter().any(|n| n.contains("priced only")));

        // All of RLWE moves before the input; a layer then sends its input in the plain ring.
        let cost = &compiled.report.cost;
        assert!(cost.offline.total() > 0 && cost.stored.client > 0 && cost.setup.total() > 0);
        let online = cost.nodes[at.index()];
        let x = program.graph.ty(node.args[0]);
        let bits = u64::from(x.as_fixed().expect("a ring").ring_bits);
        assert_eq!(online.client_to_server, (x.len() as u64 * bits).div_ceil(8) + picc_ir::cost::HEADER_BYTES);
        assert_eq!((online.server_to_client, online.rounds), (0, 1));

        let bytes = program.to_bytes();
        assert_eq!(Program::from_bytes(&bytes).as_ref(), Ok(program));
        let refusal = Executable::load(&bytes).err().expect("no party may run it").to_string();
        assert!(refusal.contains(&node.name) && refusal.contains("conv.pre"), "{refusal}");
    }
    let runs = example::compiled(1, Options::plain());
    assert_eq!(runs.program.priced_only(), None);
    assert_eq!(runs.report.cost.offline.total(), 0);
}
