//! Which ring each value lives in, decided before anything is emitted.
//!
//! Values that a join or an elementwise operation connects share one ring, the largest that any of them needs: an
//! `extend` costs an OT for each element, a bit more in a comparison costs less.

use super::bits_for;
use crate::error::{CompileError, Result};
use crate::graph_edit::{is_known, known, uses};
use crate::ranges::Bound;
use picc_ir::op::Op;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id};

/// Number formats, from the options.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    /// Fraction bits of activations.
    pub frac: u8,
    /// One ring for every value.
    pub uniform: Option<u8>,
    pub weight_frac: u8,
    pub weight_bits: u8,
    /// Fraction bits of inputs that differ from `frac`, by name.
    pub input_frac: std::collections::BTreeMap<String, u8>,
    /// Largest ring in which a linear layer may accumulate.
    pub max_ring: u8,
}

/// Largest ring of products that need no RLWE.
const MAX_OT_RING: u8 = 60;
/// Shorter rings save nothing worth a special case.
const MIN_RING: u8 = 8;
/// Weights and constants keep at least this many significant bits if they are small.
const SIGNIFICANT: i32 = 10;
/// Units of the last place by which truncations may push a value over its proven bound.
const SLACK: f64 = 16.0;
/// Fewer than this is not a model any more.
const MIN_SIGNIFICANT: i32 = 4;

/// A product with a factor of `factor_frac` fraction bits, accumulated in `ring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub factor_frac: u8,
    pub ring: u8,
}

/// Decisions for each node of the real graph.
pub(crate) struct Plan {
    /// Magnitudes are at most `2^bits - 1` at the common fraction.
    pub bits: Vec<u8>,
    pub ring: Vec<u8>,
    /// For products.
    pub product: Vec<Option<Product>>,
    /// Largest ring in which a user wants the value.
    pub demand: Vec<u8>,
    pub notes: Vec<String>,
}

impl Plan {
    pub fn new(graph: &Graph, weights: &RealWeights, bounds: &[Bound], format: &Format) -> Result<Plan> {
        let bits = magnitudes(graph, bounds, format)?;
        let ring = rings(graph, &bits, format)?;
        let mut plan = Plan {
            bits,
            ring,
            product: vec![None; graph.nodes.len()],
            demand: vec![0; graph.nodes.len()],
            notes: vec![],
        };
        for (id, node) in graph.iter() {
            if let Some(factor) = factor(graph, id) {
                plan.product[id.index()] = Some(plan.fit(graph, weights, format, id, factor)?);
            } else if matches!(node.op, Op::Mul(_) | Op::MatMul(_) | Op::Conv(_)) {
                let ring = format.uniform.unwrap_or(plan.ring[id.index()].saturating_add(format.frac));
                plan.product[id.index()] = Some(Product { factor_frac: format.frac, ring });
                check_ring(&node.name, ring, MAX_OT_RING.max(format.uniform.unwrap_or(0)), format)?;
            }
        }
        plan.demand = demands(graph, &plan);
        Ok(plan)
    }

    /// Fraction bits in which node `id` enters a product.
    pub fn operand_frac(graph: &Graph, format: &Format, id: Id) -> u8 {
        match &graph.node(id).op {
            Op::Input(i) => format.input_frac.get(&i.name).copied().unwrap_or(format.frac).min(format.frac),
            _ => format.frac,
        }
    }

    /// The fraction of the known factor: as asked for, more if it is small, less if it is large or the ring is full.
    fn fit(
        &mut self,
        graph: &Graph,
        weights: &RealWeights,
        format: &Format,
        id: Id,
        (x, w): (Id, Id),
    ) -> Result<Product> {
        let node = graph.node(id);
        let values = known(graph, weights, w)?.unwrap_or_default();
        let largest = values.data.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let wanted = if let (Op::Mul(_), Op::Const(_)) = (&node.op, &graph.node(w).op) {
            constant_frac(&values.data, largest)
        } else {
            weight_frac(largest, format)
        };
        let input = i32::from(Plan::operand_frac(graph, format, x));
        let target = i32::from(format.frac);
        let ring = |frac: i32| match format.uniform {
            Some(ring) => i32::from(ring),
            None => i32::from(self.ring[id.index()]) + (input + frac - target).max(0),
        };
        let limit = if format.uniform.is_some() { 64 } else { i32::from(format.max_ring) };
        let mut frac = wanted;
        let least = (MIN_SIGNIFICANT - exponent(largest)).max(0);
        while ring(frac) > limit && frac > least {
            frac -= 1;
        }
        if ring(frac) > limit {
            check_ring(&node.name, u8::try_from(ring(frac)).unwrap_or(u8::MAX), format.max_ring, format)?;
        }
        if frac < wanted {
            self.notes.push(format!(
                "weights of node `{}` have {frac} fraction bits instead of {wanted}: the ring of {limit} bits holds no more",
                node.name
            ));
        }
        let byte = |v: i32| u8::try_from(v).unwrap_or(u8::MAX);
        Ok(Product { factor_frac: byte(frac), ring: byte(ring(frac)) })
    }
}

fn check_ring(node: &str, needed: u8, limit: u8, format: &Format) -> Result<()> {
    if needed <= limit {
        return Ok(());
    }
    Err(CompileError::RingTooSmall {
        node: node.to_owned(),
        needed: needed.into(),
        ring: limit,
        way_out: format!(
            "give fewer fraction bits than {}, or calibrate with real inputs for tighter ranges",
            format.frac
        ),
    })
}

/// The secret and the known argument of a product with a weight or a constant.
pub(crate) fn factor(graph: &Graph, id: Id) -> Option<(Id, Id)> {
    let node = graph.node(id);
    let (Op::Conv(_) | Op::MatMul(_) | Op::Mul(_), &[a, b]) = (&node.op, &node.args[..]) else { return None };
    match (is_known(graph, a), is_known(graph, b)) {
        (false, true) => Some((a, b)),
        (true, false) => Some((b, a)),
        _ => None,
    }
}

/// Smallest `e` with `v <= 2^e`.
fn exponent(v: f32) -> i32 {
    if v > 0.0 && v.is_finite() { f64::from(v).log2().ceil() as i32 } else { 0 }
}

fn weight_frac(largest: f32, format: &Format) -> i32 {
    let most = i32::from(format.weight_bits) - 1 - exponent(largest * 1.0001);
    let least = SIGNIFICANT - exponent(largest);
    i32::from(format.weight_frac).max(least).min(most).max(0)
}

/// Fraction bits of a public factor: exact if 12 significant bits or fewer can be.
fn constant_frac(values: &[f32], largest: f32) -> i32 {
    let good = (12 - exponent(largest)).max(0);
    let exact = |k: i32| values.iter().all(|&v| (f64::from(v) * f64::from(k).exp2()).fract() == 0.0);
    (0..=good).find(|&k| exact(k)).unwrap_or(good)
}

fn magnitudes(graph: &Graph, bounds: &[Bound], format: &Format) -> Result<Vec<u8>> {
    let scale = f64::from(format.frac).exp2();
    let mut all = Vec::with_capacity(bounds.len());
    for (id, node) in graph.iter() {
        let largest = f64::from(bounds[id.index()].max_abs());
        let bits = bits_for(largest * scale + SLACK);
        if bits + 2 > u32::from(MAX_OT_RING) && !is_known(graph, id) {
            return Err(CompileError::RingTooSmall {
                node: node.name.clone(),
                needed: bits + 2,
                ring: MAX_OT_RING,
                way_out: "calibrate with real inputs, or normalise the input".to_owned(),
            });
        }
        all.push(u8::try_from(bits).unwrap_or(u8::MAX));
    }
    Ok(all)
}

fn rings(graph: &Graph, bits: &[u8], format: &Format) -> Result<Vec<u8>> {
    if let Some(ring) = format.uniform {
        for (id, node) in graph.iter().filter(|(id, _)| !is_known(graph, *id)) {
            let needed = u32::from(bits[id.index()]) + 2;
            if needed > u32::from(ring) {
                return Err(too_uniform(&node.name, needed, ring));
            }
        }
        return Ok(vec![ring; graph.nodes.len()]);
    }
    let mut classes = Classes::new(graph.nodes.len());
    for (id, node) in graph.iter() {
        if keeps_ring(&node.op) {
            node.args.iter().filter(|&&a| !is_known(graph, a)).for_each(|&a| classes.join(id, a));
        }
    }
    let uses = uses(graph);
    let biased = biased(graph, &uses);
    let mut ring = vec![MIN_RING; graph.nodes.len()];
    for (id, _) in graph.iter().filter(|(id, _)| !is_known(graph, *id) && !biased[id.index()]) {
        let class = classes.root(id);
        ring[class] = ring[class].max(bits[id.index()] + 2);
    }
    Ok(graph.iter().map(|(id, _)| ring[classes.root(id)]).collect())
}

pub(super) fn too_uniform(node: &str, needed: u32, ring: u8) -> CompileError {
    CompileError::RingTooSmall {
        node: node.to_owned(),
        needed,
        ring,
        way_out: "give a larger --ring or fewer --frac bits, or leave --ring away for a ring for each value"
            .to_owned(),
    }
}

/// Products that only a bias is added to: nobody looks at them before.
fn biased(graph: &Graph, uses: &[usize]) -> Vec<bool> {
    let mut biased = vec![false; graph.nodes.len()];
    for (_, node) in graph.iter() {
        if let (Op::Add(_), &[y, b]) = (&node.op, &node.args[..])
            && is_known(graph, b)
            && uses[y.index()] == 1
            && matches!(graph.node(y).op, Op::Conv(_) | Op::MatMul(_) | Op::Mul(_))
        {
            biased[y.index()] = true;
        }
    }
    biased
}

/// Result and arguments stand in one ring.
fn keeps_ring(op: &Op) -> bool {
    matches!(
        op,
        Op::Add(_)
            | Op::Sub(_)
            | Op::Neg(_)
            | Op::Concat(_)
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Expand(_)
            | Op::Gather(_)
            | Op::ZeroInsert(_)
            | Op::Relu(_)
            | Op::Max(_)
            | Op::MaxPool(_)
            | Op::ReduceMax(_)
            | Op::ArgMax(_)
    )
}

/// For each node the largest ring that a product or a sum of windows wants it in.
fn demands(graph: &Graph, plan: &Plan) -> Vec<u8> {
    let mut demand = vec![0; graph.nodes.len()];
    for i in (0..graph.nodes.len()).rev() {
        let node = &graph.nodes[i];
        let wanted = match (&node.op, plan.product[i]) {
            (_, Some(product)) => product.ring,
            (Op::SumPool(_) | Op::ReduceSum(_), None) => {
                sum_ring(plan.ring[node.args[0].index()], plan.ring[i], demand[i])
            }
            (Op::Neg(_), None)
            | (Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Gather(_), None)
            | (Op::Pad(_) | Op::Expand(_) | Op::ZeroInsert(_), None) => plan.ring[i].max(demand[i]),
            _ => plan.ring[i],
        };
        node.args.iter().for_each(|a| demand[a.index()] = demand[a.index()].max(wanted));
    }
    demand
}

/// Ring in which windows are summed: that of the result if the argument has as many bits, else, as the argument must
/// be extended anyway, the one that the result is wanted in.
pub(crate) fn sum_ring(arg: u8, result: u8, wanted: u8) -> u8 {
    if arg >= result { result } else { result.max(wanted) }
}

/// Union-find.
struct Classes(Vec<usize>);

impl Classes {
    fn new(n: usize) -> Classes {
        Classes((0..n).collect())
    }

    fn root(&self, id: Id) -> usize {
        let mut i = id.index();
        while self.0[i] != i {
            i = self.0[i];
        }
        i
    }

    fn join(&mut self, a: Id, b: Id) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
