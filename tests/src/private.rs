//! Both parties in one process, with all cryptography, and the comparison with the reference interpreter.

use picc_ir::eval::{Value, run_ring};
use picc_ir::mpc::schedule::program_cost;
use picc_ir::weights::{Salt, write_weights};
use picc_ir::{Id, Tensor};
use picc_passes::Compiled;
use picc_runtime::channel::memory_pair;
use picc_runtime::exec::{
    Executable, Inference, Output, PREPARED_BYTES, ServerModel, quantize, run_client, run_server,
};
use picc_runtime::inputs::Sample;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Largest difference of a revealed integer from the reference.
    pub ulps: u64,
    /// Largest value of the first output, for each sample and each row of its batch: private, then reference.
    pub argmax: Vec<(usize, usize)>,
    /// Bytes of the whole session, both ways.
    pub bytes: u64,
}

/// Runs every sample privately, through the bytes of both artefacts, and compares with the reference.
///
/// # Panics
/// If a run fails, if the two dialects of the program differ, or if the measured traffic is not the predicted one.
#[must_use]
pub fn compare(compiled: &Compiled, samples: &[Sample]) -> Compared {
    let exe = Executable::load(&compiled.program.to_bytes()).expect("the program may be run");
    let file = write_weights(&compiled.weights, compiled.program.digest(), &Salt([9; 32]));
    let model = ServerModel::load(&exe, &file, PREPARED_BYTES).expect("the weights are the program's");

    let (client, server) = memory_pair(Duration::from_secs(300));
    let (client, server) = std::thread::scope(|scope| {
        let server = scope.spawn(|| run_server(&exe, &model, server));
        let client = run_client(&exe, samples, client);
        (client, server.join().expect("the server does not panic"))
    });
    let (inferences, client) = client.unwrap_or_else(|e| panic!("client: {e}"));
    let server = server.unwrap_or_else(|e| panic!("server: {e}"));

    let predicted = program_cost(&compiled.program).expect("the program has a price");
    assert_eq!(&predicted, exe.cost());
    assert_eq!(predicted, compiled.report.cost);
    for record in [&client, &server] {
        let (party, session) = (record.party, predicted.session(samples.len() as u64));
        assert_eq!(record.total().traffic, session, "measured at the {party}, predicted");
        assert!(record.is_as_predicted(&predicted), "{party}");
    }

    let mut found = Compared { ulps: 0, argmax: Vec::new(), bytes: client.total().traffic.total() };
    for (sample, inference) in samples.iter().zip(&inferences) {
        let (revealed, outputs) = reference(compiled, &exe, sample, inference);
        for (id, private) in &inference.revealed {
            let differences = private.data.iter().zip(&revealed[id].data).map(|(a, b)| a.abs_diff(*b));
            found.ulps = found.ulps.max(differences.max().unwrap_or(0));
        }
        let ty = exe.graph().ty(exe.graph().outputs[0].1);
        let rows = ty.shape[0];
        let best = |outputs: &[(String, Value)]| argmax_of_rows(&outputs[0].1.to_real(ty), rows);
        found.argmax.extend(best(&inference.outputs).into_iter().zip(best(&outputs)));
    }
    found
}

/// What the reference reveals, by node, and its outputs. The tensor dialect and the protocols mean the same.
fn reference(
    compiled: &Compiled,
    exe: &Executable,
    sample: &Sample,
    inference: &Inference,
) -> (BTreeMap<Id, Tensor<i64>>, Vec<Output>) {
    let inputs = quantize(exe, sample).expect("the sample fits the program");
    let mut revealed = BTreeMap::new();
    let outputs = run_ring(exe.graph(), &inputs, &compiled.weights, &mut |id, value| {
        if let (true, Value::Ring(t)) = (inference.revealed.contains_key(&id), value) {
            revealed.insert(id, t.clone());
        }
    })
    .expect("the program has a meaning");
    let computed = run_ring(&compiled.ring_graph, &inputs, &compiled.weights, &mut |_, _| {})
        .expect("the tensor dialect has a meaning");
    let computed: Vec<&Tensor<i64>> = computed.iter().filter_map(|(_, v)| v.as_ring()).collect();
    assert_eq!(revealed.values().collect::<Vec<_>>(), computed, "protocols and tensor dialect mean the same");
    (revealed, outputs)
}

fn argmax_of_rows(t: &Tensor<f32>, rows: usize) -> Vec<usize> {
    let first_largest = |row: &[f32]| (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    t.data.chunks_exact(t.data.len() / rows).map(first_largest).collect()
}
