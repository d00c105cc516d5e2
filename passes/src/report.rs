//! What the compiler tells the user beside the program.

use crate::error::{CompileError, Result};
use crate::graph_edit::is_known;
use crate::predict::Prediction;
use crate::ranges::Bound;
use picc_ir::cost::Cost;
use picc_ir::mpc::schedule::{ProgramCost, schedule, scheduled_cost};
use picc_ir::program::Program;
use picc_ir::{Graph, Id, Node, Ty};

/// Findings and figures of one compilation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub warnings: Vec<String>,
    /// For each output, how many units of the last place it is off at most in all but about one run in 10^8: six
    /// standard deviations, errors of truncations taken as independent.
    pub likely_ulps: Vec<(String, f64)>,
    /// What bounds the values of each node of the (canonical) model. Secret: finer than what the program says.
    pub ranges: Vec<(String, Bound)>,
    /// One for each node of the program, in its order.
    pub rows: Vec<Row>,
    /// The whole program: setup, extension of correlated OTs, messages.
    pub cost: ProgramCost,
    /// Under a profile: seconds and memory.
    pub prediction: Option<Prediction>,
}

/// What one node of the program costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: Id,
    /// ONNX node that it came from.
    pub node: String,
    pub op: &'static str,
    pub ty: Ty,
    /// Its own messages and the correlated OTs that it consumes; nothing for local work.
    pub cost: Cost,
}

/// Exact cost of a program, in all and for each node.
pub(crate) fn price(program: &Program) -> Result<(Vec<Row>, ProgramCost)> {
    let fail = |e: picc_ir::TypeError| CompileError::Internal(format!("the program has no price: {e}"));
    let schedule = schedule(&program.graph).map_err(fail)?;
    let row = |(id, node): (Id, &picc_ir::Node)| Row {
        id,
        node: node.name.clone(),
        op: node.op.name(),
        ty: node.ty.clone(),
        cost: Cost::default(),
    };
    let mut rows: Vec<Row> = program.graph.iter().map(row).collect();
    for step in &schedule.steps {
        let cost = &mut rows[step.node.index()].cost;
        *cost = *cost + step.cost;
    }
    Ok((rows, scheduled_cost(program, &schedule).map_err(fail)?))
}

/// `value` with so many decimals, and never as a negative zero, which a sum of nothing and tiny differences make.
#[must_use]
pub fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let zero = text.strip_prefix('-').filter(|t| t.chars().all(|c| matches!(c, '0' | '.')));
    zero.map(str::to_owned).unwrap_or(text)
}

/// Bounds of the values that are computed, by ONNX node. An equalized value is shown at the scale of the elements that
/// keep theirs, or are changed least: the largest.
pub(crate) fn ranges(graph: &Graph, bounds: &[Bound], shifts: &[(i32, i32)]) -> Vec<(String, Bound)> {
    let computed = graph.iter().filter(|(id, _)| !is_known(graph, *id));
    let real = |(id, node): (Id, &Node)| {
        let Bound { lo, hi, source } = bounds[id.index()];
        let scale = shifts.get(id.index()).map_or(1.0, |&(least, _)| (-least as f32).exp2());
        (node.name.clone(), Bound { lo: lo * scale, hi: hi * scale, source })
    };
    computed.map(real).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_zero_is_negative() {
        let nothing: f64 = [].iter().sum();
        for (value, decimals, text) in [
            (nothing, 1, "0.0"),
            (-0.04, 1, "0.0"),
            (-0.06, 1, "-0.1"),
            (-0.000_04, 4, "0.0000"),
            (-0.4, 0, "0"),
            (-10.0, 0, "-10"),
            (2.5, 2, "2.50"),
        ] {
            assert_eq!(decimal(value, decimals), text, "{value}");
        }
    }
}
