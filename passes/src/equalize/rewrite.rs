//! Folds the factors of classes into weights, and puts what is left of them at the ends.

use super::classes::{Classes, FREE, Labels, Scaled, name};
use crate::error::Result;
use crate::graph_edit::{Builder, is_known, known, real_const};
use picc_ir::op::Op;
use picc_ir::ops::{Mul, Weight};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use std::collections::BTreeMap;

/// An equalized model.
pub(crate) struct Equalized {
    pub core: Graph,
    pub tail: Graph,
    pub weights: RealWeights,
    /// For each node of `core`, the exponents of the least and the greatest factor of its elements.
    pub shifts: Vec<(i32, i32)>,
}

/// The model in which the elements of label `l` are `2^shifts[l]` times larger. Whether any is does not show:
/// without a factor of another size the graph is made anew all the same.
pub(super) fn rewrite(
    core: &Graph,
    tail: &Graph,
    weights: &RealWeights,
    classes: &Classes,
    shifts: &[i32],
) -> Result<Equalized> {
    let exponent = |l: u32| if l == FREE { 0 } else { shifts[l as usize] };
    let mut new = New { b: Builder::default(), weights: weights.clone(), shifts: Vec::new() };
    let mut map: Vec<Id> = vec![Id(0); core.nodes.len()];
    for (id, node) in core.iter().filter(|(id, _)| !is_known(core, *id)) {
        let scaled = classes.scaled[id.index()].as_ref();
        let mut args = Vec::with_capacity(node.args.len());
        for (i, &a) in node.args.iter().enumerate() {
            args.push(match scaled.filter(|s| s.arg == i) {
                Some(scaled) => new.scaled(core, weights, id, scaled, exponent)?,
                None if is_known(core, a) => new.b.add(core.node(a).op.clone(), &[], &core.node(a).name)?,
                None => map[a.index()],
            });
        }
        let mut at = new.b.add(node.op.clone(), &args, &node.name)?;
        let labels = classes.labels[id.index()].as_ref();
        if let (Op::Input(_), Some(factors)) = (&node.op, labels.and_then(|l| end(l, &node.ty.shape, exponent))) {
            new.range_to(at, (0, 0));
            let factors = new.b.add(real_const(&factors), &[], &node.name)?;
            at = new.b.add(Mul {}, &[at, factors], &node.name)?;
        }
        let range = labels.map(|l| l.of.iter().map(|&l| exponent(l)).fold((i32::MAX, i32::MIN), within));
        new.range_to(at, range.unwrap_or((0, 0)));
        map[id.index()] = at;
    }
    let outputs = core.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    let undone = undone(core, tail, classes, exponent)?;
    let New { b, weights, mut shifts, .. } = new;
    shifts.resize(b.graph.nodes.len(), (0, 0));
    Ok(Equalized { core: Graph { outputs, ..b.graph }, tail: undone, weights, shifts })
}

fn within((lo, hi): (i32, i32), s: i32) -> (i32, i32) {
    (lo.min(s), hi.max(s))
}

struct New {
    b: Builder,
    weights: RealWeights,
    shifts: Vec<(i32, i32)>,
}

impl New {
    fn range_to(&mut self, at: Id, range: (i32, i32)) {
        if self.shifts.len() <= at.index() {
            self.shifts.resize(at.index() + 1, (0, 0));
        }
        self.shifts[at.index()] = range;
    }

    /// The known argument of node `id` with its factors in it: a weight of the server, whatever it was.
    fn scaled(
        &mut self,
        core: &Graph,
        weights: &RealWeights,
        id: Id,
        scaled: &Scaled,
        exponent: impl Fn(u32) -> i32,
    ) -> Result<Id> {
        let arg = core.node(id).args[scaled.arg];
        let node = core.node(arg);
        let old = known(core, weights, arg)?.unwrap_or_default();
        let factor = |(&i, &o): (&u32, &u32)| f64::from(exponent(o) - exponent(i)).exp2() as f32;
        let factors = scaled.input.iter().zip(&scaled.output).map(factor);
        let values = old.data.iter().zip(factors).map(|(v, f)| v * f).collect();
        let name = name(core, arg);
        self.weights.insert(name.clone(), Tensor::new(&old.shape, values));
        self.b.add(Weight { name, ty: Ty::real(&old.shape, Owner::Server) }, &[], &node.name)
    }
}

/// Powers of two for an input or an output, in the smallest shape that is broadcast to its; none if all are 1.
fn end(labels: &Labels, shape: &[usize], exponent: impl Fn(u32) -> i32) -> Option<Tensor<f32>> {
    let mut factors: Vec<f32> = labels.all().map(|l| f64::from(exponent(l)).exp2() as f32).collect();
    if factors.iter().all(|&f| f == 1.0) {
        return None;
    }
    let mut dims = shape.to_vec();
    for axis in 0..dims.len() {
        let inner: usize = dims[axis + 1..].iter().product();
        let block = inner * dims[axis];
        let constant = factors.chunks(block).all(|b| b.iter().enumerate().all(|(i, f)| *f == b[i % inner]));
        if constant {
            factors = factors.chunks(block).flat_map(|b| b[..inner].to_vec()).collect();
            dims[axis] = 1;
        }
    }
    Some(Tensor::new(&dims, factors))
}

/// The client's part, which divides the outputs of the secure one by their factors first.
fn undone(core: &Graph, tail: &Graph, classes: &Classes, exponent: impl Fn(u32) -> i32) -> Result<Graph> {
    let mut factors = BTreeMap::new();
    for (name, id) in &core.outputs {
        let labels = classes.labels[id.index()].as_ref();
        if let Some(f) = labels.and_then(|l| end(l, &core.ty(*id).shape, |l| -exponent(l))) {
            factors.insert(name.as_str(), f);
        }
    }
    let mut b = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(tail.nodes.len());
    for (_, node) in tail.iter() {
        let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        let mut at = b.add(node.op.clone(), &args, &node.name)?;
        if let Op::Input(input) = &node.op
            && let Some(f) = factors.get(input.name.as_str())
        {
            let f = b.add(real_const(f), &[], &node.name)?;
            at = b.add(Mul {}, &[at, f], &node.name)?;
        }
        map.push(at);
    }
    let outputs = tail.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok(Graph { outputs, ..b.graph })
}
