//! What an operator of the mpc dialect knows of itself beside its meaning: how it runs, what it costs, what it
//! computes.

use crate::cost::Cost;
use crate::geom::{ConvGeom, MatMulGeom};
use crate::graph::{Graph, Id};
use crate::mpc::rlwe::{ConvPlan, Hiding, LinearPlan, MatMulPlan, WeightLayout};
use crate::op::OpDef;
use crate::ty::{Fixed, Ty, TypeError};

/// How an operator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// It needs messages; otherwise each party computes on its own share.
    pub sends: bool,
    /// A plan describes its exchange, and transforms its weights ahead: [`crate::mpc::rlwe`].
    pub planned: bool,
    /// The parties can run it; otherwise it is priced only, for study.
    pub runs: bool,
}

impl Way {
    pub const LOCAL: Way = Way { sends: false, planned: false, runs: true };
    pub const MESSAGES: Way = Way { sends: true, planned: false, runs: true };
    pub const PLANNED: Way = Way { sends: true, planned: true, runs: true };
}

/// What a node works on one by one: `units` that do not interact, each of so many elements. No units: no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    pub units: u64,
    pub elements: u64,
}

impl Division {
    /// Nothing is sent.
    pub const NONE: Division = Division { units: 0, elements: 0 };

    /// Element by element.
    #[must_use]
    pub fn elements(ty: &Ty) -> Division {
        Division { units: ty.len() as u64, elements: 1 }
    }

    /// All at once.
    #[must_use]
    pub fn whole(ty: &Ty) -> Division {
        Division { units: 1, elements: ty.len() as u64 }
    }

    /// Rows of so many elements of an argument.
    #[must_use]
    pub fn rows(x: &Ty, len: u64) -> Division {
        Division { units: (x.len() as u64).checked_div(len).unwrap_or(0), elements: len }
    }
}

/// A row of the table of protocols. Types have passed [`OpDef::infer`].
pub trait Protocol: OpDef {
    fn way(&self) -> Way;

    /// Adds what it computes, one tensor operator or a few, to a ring graph; the argument itself where a value only
    /// changes hands.
    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError>;

    fn division(&self, args: &[&Ty], ty: &Ty) -> Division;

    /// Exact bytes, rounds and correlated OTs of `units` units, run at once.
    fn cost(&self, args: &[&Ty], ty: &Ty, units: u64) -> Result<Cost, TypeError>;

    /// The plan of the layer, for [`Way::planned`] alone. Takes milliseconds.
    fn plan(&self, _args: &[&Ty]) -> Result<Option<LinearPlan>, TypeError> {
        Ok(None)
    }

    /// Cost with the plan at hand: its exchange is online, unless it is said to be offline.
    fn planned_cost(&self, _args: &[&Ty], plan: &LinearPlan) -> Result<Cost, TypeError> {
        Ok(plan.traffic().into())
    }
}

/// Cost of a planned layer whose plan is not at hand.
pub(crate) fn planned(layer: &impl Protocol, args: &[&Ty]) -> Result<Cost, TypeError> {
    let plan = layer.plan(args)?.ok_or_else(|| TypeError::new("no plan"))?;
    layer.planned_cost(args, &plan)
}

/// The ring of a value.
pub(crate) fn ring_of(ty: &Ty) -> Result<Fixed, TypeError> {
    ty.as_fixed().ok_or_else(|| TypeError::new(format!("needs a ring, got {ty}")))
}

/// The plan of a convolution under ring LWE.
pub(crate) fn conv_plan(
    geom: &ConvGeom,
    args: &[&Ty],
    weight_bits: u8,
    hiding: Hiding,
) -> Result<Option<LinearPlan>, TypeError> {
    let ring_bits = ring_of(args[0])?.ring_bits;
    let plan = ConvPlan::new(*geom, ring_bits.into(), weight_bits.into(), hiding);
    plan.map(|p| Some(p.linear)).map_err(|e| TypeError::new(e.to_string()))
}

/// The plan of a matrix product under ring LWE. With the weights on the left, `W x` is computed as the transpose of
/// `x^T W^T`.
pub(crate) fn matmul_plan(
    geom: &MatMulGeom,
    args: &[&Ty],
    weight_bits: u8,
    weights_left: bool,
    hiding: Hiding,
) -> Result<Option<LinearPlan>, TypeError> {
    let ring_bits = ring_of(args[usize::from(weights_left)])?.ring_bits;
    let MatMulGeom { batch, rows, inner, cols } = *geom;
    let (geom, layout) = if weights_left {
        (MatMulGeom { batch, rows: cols, inner, cols: rows }, WeightLayout::ColsInner)
    } else {
        (*geom, WeightLayout::InnerCols)
    };
    let plan = MatMulPlan::new(geom, layout, ring_bits.into(), weight_bits.into(), hiding);
    plan.map(|p| Some(p.linear)).map_err(|e| TypeError::new(e.to_string()))
}
