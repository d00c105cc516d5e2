//! Programs on labelled samples, fast: what [`picc_passes::accuracy`] measures with.

use picc_ir::Graph;
use picc_ir::eval::EvalError;
use picc_ir::weights::RingWeights;
use picc_kernels::fast::SharesRunner;
use picc_passes::CompileError;
use picc_passes::accuracy::{Inputs, Run, reals};

/// Runs that make the errors of private ones: a [`picc_passes::accuracy::Runner`].
///
/// # Errors
/// If the program has no meaning on these inputs, which a compiled one has.
pub fn private_runs(
    graph: &Graph,
    weights: &RingWeights,
    runs: &[(&Inputs, u64)],
) -> Result<Vec<Run>, CompileError> {
    let failed = |e: EvalError| CompileError::Internal(format!("the program cannot be evaluated: {e}"));
    let done = SharesRunner::new(graph, weights).and_then(|runner| runner.run_many(runs)).map_err(failed)?;
    let run = |noisy: picc_kernels::fast::Evaluation| Run {
        outputs: reals(graph, noisy.outputs),
        left_its_range: !noisy.left.is_empty(),
    };
    Ok(done.into_iter().map(run).collect())
}
