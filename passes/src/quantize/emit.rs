//! Emits the ring graph that a [`Plan`] describes.

use super::known::Knowns;
use super::plan::{Format, Plan, factor, too_uniform};
use super::rings::sum_ring;
use super::{Form, bits_for};
use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, is_known, prune};
use picc_ir::facts::Movement;
use picc_ir::op::Op;
use picc_ir::ops::{Assume, Extend, Input, Reduce, Shl, TruncReduce};
use picc_ir::weights::{RealWeights, RingWeights};
use picc_ir::{Fixed, Graph, Id, Owner, Ty};
use std::collections::BTreeMap;

/// Quantizes the secure part of a real graph.
pub(crate) fn quantize(
    graph: &Graph,
    weights: &RealWeights,
    plan: &Plan,
    format: &Format,
) -> Result<(Graph, RingWeights)> {
    let mut q = Quantizer {
        graph,
        plan,
        format,
        b: Builder::default(),
        knowns: Knowns::new(graph, weights),
        native: vec![None; graph.nodes.len()],
        settled: BTreeMap::new(),
    };
    for (id, _) in graph.iter().filter(|(id, _)| !is_known(graph, *id)) {
        q.native[id.index()] = Some(q.emit(id)?);
    }
    let mut outputs = Vec::with_capacity(graph.outputs.len());
    for (name, id) in &graph.outputs {
        outputs.push((name.clone(), q.settled(*id)?.id));
    }
    let Quantizer { b, knowns, .. } = q;
    let ring = prune(&Graph { outputs, ..b.graph });
    let mut weights = knowns.weights;
    let used: std::collections::BTreeSet<&str> = ring
        .nodes
        .iter()
        .filter_map(|n| match &n.op {
            Op::Weight(w) => Some(w.name.as_str()),
            _ => None,
        })
        .collect();
    weights.retain(|name, _| used.contains(name.as_str()));
    Ok((ring, weights))
}

struct Quantizer<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    format: &'a Format,
    b: Builder,
    knowns: Knowns<'a>,
    /// The value as it was computed; raw if it has more fraction bits than planned.
    native: Vec<Option<Form>>,
    /// The value in its ring at its fraction.
    settled: BTreeMap<Id, Form>,
}

impl Quantizer<'_> {
    fn name(&self, id: Id) -> String {
        self.graph.node(id).name.clone()
    }

    fn native(&self, id: Id) -> Result<Form> {
        self.native[id.index()].ok_or_else(|| {
            CompileError::Internal(format!("node `{}` is used before it is quantized", self.name(id)))
        })
    }

    /// Fraction bits that are planned for a node of the real graph.
    fn frac(&self, id: Id) -> u8 {
        self.plan.frac[id.index()]
    }

    fn form(&self, id: Id) -> Form {
        let f = self.b.ty(id).as_fixed().unwrap_or(Fixed::full(64, 0));
        Form { id, ring: f.ring_bits, frac: f.frac_bits }
    }

    fn add(&mut self, op: impl Into<Op>, args: &[Id], name: &str) -> Result<Form> {
        let id = self.b.add(op, args, name)?;
        Ok(self.form(id))
    }

    fn emit(&mut self, id: Id) -> Result<Form> {
        let node = self.graph.node(id);
        let name = node.name.as_str();
        match &node.op {
            Op::Input(input) => self.input(id, input),
            Op::Conv(_) | Op::MatMul(_) | Op::Mul(_) => self.product(id),
            Op::Add(_) | Op::Sub(_) => self.sum(id),
            Op::SumPool(_) | Op::ReduceSum(_) => {
                let arg = node.args[0];
                let ring = sum_ring(self.plan, arg, id.index(), self.plan.demand[id.index()]);
                let x = self.operand(arg, ring)?;
                let y = self.add(node.op.clone(), &[x.id], name)?;
                self.claim(y, id)
            }
            Op::Neg(_) => self.as_it_is(id),
            Op::Relu(_) | Op::Max(_) | Op::MaxPool(_) | Op::ReduceMax(_) => {
                self.elementwise(id, self.plan.ring[id.index()])
            }
            Op::ArgMax(_) => {
                let x = self.joined(node.args[0], self.frac(node.args[0]), self.plan.ring[id.index()])?;
                self.add(node.op.clone(), &[x], name)
            }
            op => match op.facts().movement {
                Movement::Keeps | Movement::Picks => self.as_it_is(id),
                // These may add elements: an extension that a user needs is cheaper before.
                Movement::Repeats | Movement::Inserts => {
                    let ring = self.plan.ring[id.index()].max(self.plan.demand[id.index()]);
                    let x = self.operand(node.args[0], ring)?;
                    self.add(node.op.clone(), &[x.id], name)
                }
                // Where users extend the whole, the parts are extended instead, for all users of each.
                Movement::Joins => {
                    let ring = self.plan.ring[id.index()].max(self.plan.demand[id.index()]);
                    self.elementwise(id, ring)
                }
                Movement::None => Err(CompileError::Unsupported {
                    node: node.name.clone(),
                    op: node.op.name(),
                    why: "has no fixed-point form".to_owned(),
                    way_out: "give `compile` a real graph of the tensor dialect".to_owned(),
                }),
            },
        }
    }

    /// The same in any ring and at any fraction: what the argument is, the result is.
    fn as_it_is(&mut self, id: Id) -> Result<Form> {
        let node = self.graph.node(id);
        let x = self.native(node.args[0])?;
        self.add(node.op.clone(), &[x.id], &node.name)
    }

    fn input(&mut self, id: Id, input: &Input) -> Result<Form> {
        let frac = self.plan.operand_frac(self.graph, self.format, id);
        let ring = self.plan.ring[id.index()];
        let bits = self.plan.bits[id.index()].saturating_sub(self.frac(id) - frac).max(1);
        let most = (1i64 << bits.min(62)) - 1;
        let fixed = Fixed { ring_bits: ring, frac_bits: frac, lo: -most, hi: most };
        let ty = Ty::fixed(&input.ty.shape, fixed, Owner::Client);
        self.add(Input { name: input.name.clone(), ty }, &[], &self.name(id))
    }

    /// A raw value: sum of products in the planned ring.
    fn product(&mut self, id: Id) -> Result<Form> {
        let node = self.graph.node(id);
        let Some(product) = self.plan.product[id.index()] else {
            return Err(CompileError::Internal(format!("no plan for the product `{}`", node.name)));
        };
        let mut args = Vec::with_capacity(2);
        let known = factor(self.graph, id).map(|(_, w)| w);
        for &a in &node.args {
            args.push(if Some(a) == known {
                // Only an elementwise product with a public constant is free of a protocol.
                let secret = !matches!(node.op, Op::Mul(_));
                self.knowns.quantized(&mut self.b, a, product.ring, product.factor_frac, secret)?
            } else {
                self.operand(a, product.ring)?.id
            });
        }
        let y = self.add(node.op.clone(), &args, &node.name)?;
        if y.frac < self.frac(id) {
            return self.add(Shl { bits: self.frac(id) - y.frac }, &[y.id], &node.name);
        }
        self.claim(y, id)
    }

    /// Sums stay raw where nothing forces the truncation yet.
    fn sum(&mut self, id: Id) -> Result<Form> {
        let node = self.graph.node(id);
        let &[a, b] = &node.args[..] else {
            return Err(CompileError::Internal(format!("node `{}` does not have two arguments", node.name)));
        };
        let raw = |q: &Self, x: Id| match q.native[x.index()] {
            Some(f) if f.frac > q.frac(id) => Some(f),
            _ => None,
        };
        let (known_a, known_b) = (is_known(self.graph, a), is_known(self.graph, b));
        let (x, y) = match (raw(self, a), raw(self, b)) {
            (Some(x), None) if known_b => (x.id, self.knowns.quantized(&mut self.b, b, x.ring, x.frac, false)?),
            (None, Some(y)) if known_a => (self.knowns.quantized(&mut self.b, a, y.ring, y.frac, false)?, y.id),
            (Some(x), Some(y)) if x.frac == y.frac => {
                let ring = x.ring.min(y.ring);
                (self.reduced(x, ring, &node.name)?.id, self.reduced(y, ring, &node.name)?.id)
            }
            _ => {
                let (ring, frac) = (self.plan.ring[id.index()], self.frac(id));
                (self.joined(a, frac, ring)?, self.joined(b, frac, ring)?)
            }
        };
        let sum = self.add(node.op.clone(), &[x, y], &node.name)?;
        if sum.frac > self.frac(id) { Ok(sum) } else { self.claim(sum, id) }
    }

    fn elementwise(&mut self, id: Id, ring: u8) -> Result<Form> {
        let node = self.graph.node(id);
        let args = node.args.iter().map(|&a| self.joined(a, self.frac(id), ring)).collect::<Result<Vec<Id>>>()?;
        let y = self.add(node.op.clone(), &args, &node.name)?;
        self.claim(y, id)
    }

    /// An argument in `ring` at the fraction of whoever takes it: its own, unless it is known or an index.
    fn joined(&mut self, arg: Id, frac: u8, ring: u8) -> Result<Id> {
        if is_known(self.graph, arg) {
            return self.knowns.quantized(&mut self.b, arg, ring, frac, false);
        }
        let native = self.native(arg)?;
        let base = if native.frac == frac && native.ring >= ring { native } else { self.settled(arg)? };
        let mut x = self.converted(base, arg, ring)?;
        if x.frac < frac {
            // An index, which is settled as an integer, among values.
            let name = self.name(arg);
            x = self.add(Shl { bits: frac - x.frac }, &[x.id], &name)?;
        }
        Ok(x.id)
    }

    /// The value in its ring, at its fraction (an index stays an integer).
    fn settled(&mut self, id: Id) -> Result<Form> {
        if let Some(&form) = self.settled.get(&id) {
            return Ok(form);
        }
        let (name, target, frac) = (self.name(id), self.plan.ring[id.index()], self.frac(id));
        let mut x = self.native(id)?;
        let index = matches!(self.graph.node(id).op, Op::ArgMax(_));
        if !index && x.frac > frac {
            x = self.truncated(x, id, target, &name)?;
        }
        if x.ring < target {
            x = self.add(Extend { ring_bits: target }, &[x.id], &name)?;
        }
        if x.ring > target {
            x = self.add(Reduce { ring_bits: target }, &[x.id], &name)?;
            x = self.claim(x, id)?;
        }
        if !index && x.frac < frac {
            x = self.add(Shl { bits: frac - x.frac }, &[x.id], &name)?;
        }
        self.settled.insert(id, x);
        Ok(x)
    }

    fn truncated(&mut self, mut x: Form, id: Id, target: u8, name: &str) -> Result<Form> {
        let shift = x.frac - self.frac(id);
        if self.format.uniform.is_none() && x.ring > target + shift {
            x = self.add(Reduce { ring_bits: target + shift }, &[x.id], name)?;
        }
        let left = x.ring.saturating_sub(shift);
        let needed = self.plan.bits[id.index()] + 2;
        if left < needed {
            return Err(too_uniform(name, u32::from(needed) + u32::from(shift), x.ring));
        }
        let x = self.add(TruncReduce { shift }, &[x.id], name)?;
        self.claim(x, id)
    }

    /// Narrows the range to what is claimed of node `id`, if that says more than the type does.
    fn claim(&mut self, x: Form, id: Id) -> Result<Form> {
        let bits = self.plan.bits[id.index()];
        if x.frac != self.frac(id) || bits >= x.ring {
            return Ok(x);
        }
        let Some(f) = self.b.ty(x.id).as_fixed() else { return Ok(x) };
        let most = (1i64 << bits.min(62)) - 1;
        let (lo, hi) = (f.lo.max(-most), f.hi.min(most));
        if (lo, hi) == (f.lo, f.hi) {
            return Ok(x);
        }
        let name = self.name(id);
        if lo > hi {
            // What is assumed without calibration contradicts what the types prove.
            let least = f.lo.unsigned_abs().min(f.hi.unsigned_abs());
            return Err(CompileError::RingTooSmall {
                node: name,
                needed: bits_for(least as f64) + 2,
                ring: x.ring,
                way_out: "calibrate with real inputs".to_owned(),
            });
        }
        self.add(Assume { lo, hi }, &[x.id], &name)
    }

    /// The value as a factor in `ring`: extended once, to the largest ring that any user wants.
    fn operand(&mut self, id: Id, ring: u8) -> Result<Form> {
        let native = self.native(id)?;
        let base = if native.frac <= self.frac(id) { native } else { self.settled(id)? };
        self.converted(base, id, ring)
    }

    fn converted(&mut self, mut x: Form, id: Id, ring: u8) -> Result<Form> {
        let name = self.name(id);
        if x.ring < ring {
            let wide = ring.max(self.plan.demand[id.index()]);
            x = self.add(Extend { ring_bits: wide }, &[x.id], &name)?;
        }
        self.reduced(x, ring, &name)
    }

    fn reduced(&mut self, x: Form, ring: u8, name: &str) -> Result<Form> {
        if x.ring > ring { self.add(Reduce { ring_bits: ring }, &[x.id], name) } else { Ok(x) }
    }
}
