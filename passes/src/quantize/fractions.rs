//! How many fraction bits each value has.
//!
//! Precision is relative: with `p` significant bits a value whose bound is at most `2^e` has `p - e` fraction bits.
//! Values that meet in one step (sums, comparisons, concatenations and what only moves them) form a *group* with one
//! fraction, that of the largest of them: the others' lower bits would be lost in the meeting anyway, and a group needs
//! no truncation inside. A sum over windows alone keeps the fraction of what it sums.

use super::bits_for;
use super::plan::factor;
use super::rings::SLACK;
use crate::graph_edit::is_known;
use crate::ranges::Bound;
use crate::sets::Sets;
use picc_ir::facts::Movement;
use picc_ir::op::Op;
use picc_ir::ops::{Const, ConstValue};
use picc_ir::{Graph, Id};

/// How the fraction bits of activations are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fractions {
    /// As many for every value.
    Uniform(u8),
    /// As many significant bits for every value: fraction bits follow from its range.
    Significant(u8),
}

impl Fractions {
    /// Fraction or significant bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Fractions::Uniform(bits) | Fractions::Significant(bits) => bits,
        }
    }

    /// The same kind with another number of bits.
    #[must_use]
    pub fn with_bits(self, bits: u8) -> Fractions {
        match self {
            Fractions::Uniform(_) => Fractions::Uniform(bits),
            Fractions::Significant(_) => Fractions::Significant(bits),
        }
    }

    /// Unit of [`Self::bits`], for people.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Fractions::Uniform(_) => "fraction bits",
            Fractions::Significant(_) => "significant bits",
        }
    }
}

/// Values below `2^-40` are noise to every network; products must keep fitting a ring.
const MAX_FRAC: i32 = 40;

/// Fraction bits of every node of a real graph, in its order.
pub(super) fn fractions(graph: &Graph, bounds: &[Bound], fractions: Fractions) -> Vec<u8> {
    let significant = match fractions {
        Fractions::Uniform(frac) => return vec![frac; graph.nodes.len()],
        Fractions::Significant(bits) => i32::from(bits),
    };
    let groups = groups(graph);
    let n = graph.nodes.len();
    let mut largest = vec![0.0f32; n];
    let mut sources: Vec<Vec<Id>> = vec![Vec::new(); n];
    for (id, node) in graph.iter().filter(|(id, _)| !is_known(graph, *id)) {
        let group = groups.root(id.0) as usize;
        largest[group] = largest[group].max(bounds[id.index()].max_abs());
        if !follows(&node.op) {
            sources[group].push(id);
        }
    }
    let mut chosen: Vec<Option<u8>> = vec![None; n];
    let mut frac = vec![0; n];
    for (id, node) in graph.iter() {
        let group = groups.root(id.0) as usize;
        frac[id.index()] = *chosen[group].get_or_insert_with(|| match (&node.op, &sources[group][..]) {
            (Op::SumPool(_) | Op::ReduceSum(_), &[only]) if only == id => frac[node.args[0].index()],
            _ => fraction(largest[group], significant),
        });
    }
    for (id, _) in graph.iter().filter(|(_, n)| matches!(n.op, Op::Input(_))) {
        if let Some(more) = scaled(graph, id) {
            // What is multiplied up must have the bits before: the client does that alone, where bits cost nothing.
            let wanted = more.map(|(product, shift)| i32::from(frac[product.index()]) + shift).max();
            let wanted = wanted.unwrap_or(0).clamp(0, MAX_FRAC + MAX_FRAC);
            frac[id.index()] = frac[id.index()].max(u8::try_from(wanted).unwrap_or(0));
        }
    }
    frac
}

/// The most fraction bits with which values up to `largest`, and what truncations add, have so many significant ones.
fn fraction(largest: f32, significant: i32) -> u8 {
    let most = significant - exponent(largest);
    let bits = bits_for(f64::from(largest) * f64::from(most).exp2() + SLACK) as i32;
    u8::try_from((most - i32::from(bits > significant)).clamp(0, MAX_FRAC)).unwrap_or(0)
}

/// The products of an input with constants and the exponents of these, if it is used in no other way.
fn scaled(graph: &Graph, input: Id) -> Option<impl Iterator<Item = (Id, i32)>> {
    let mut products = Vec::new();
    for (id, node) in graph.iter().filter(|(_, n)| n.args.contains(&input)) {
        let (_, factors) = factor(graph, id).filter(|_| matches!(node.op, Op::Mul(_)))?;
        let Op::Const(Const { value: ConstValue::Real(values), .. }) = &graph.node(factors).op else { return None };
        let largest = values.iter().fold(0.0f32, |m, v| m.max(v.value().abs()));
        products.push((id, exponent(largest)));
    }
    (!products.is_empty() && graph.outputs.iter().all(|(_, id)| *id != input)).then(|| products.into_iter())
}

/// Smallest `e` with `v <= 2^e`; 0 for zero.
pub(super) fn exponent(v: f32) -> i32 {
    if v > 0.0 && v.is_finite() { f64::from(v).log2().ceil() as i32 } else { 0 }
}

/// Takes its secret arguments at the fraction of its result.
fn follows(op: &Op) -> bool {
    match op {
        Op::Add(_) | Op::Sub(_) | Op::Neg(_) | Op::Relu(_) | Op::Max(_) | Op::MaxPool(_) | Op::ReduceMax(_) => true,
        op => op.facts().movement != Movement::None,
    }
}

/// Nodes that share a fraction.
fn groups(graph: &Graph) -> Sets {
    let mut groups = Sets::new(graph.nodes.len());
    for (id, node) in graph.iter().filter(|(_, n)| follows(&n.op)) {
        for &a in node.args.iter().filter(|&&a| !is_known(graph, a) && !is_index(graph, a)) {
            groups.unite(a.0, id.0);
        }
    }
    groups
}

/// An index is an integer, whatever it meets.
fn is_index(graph: &Graph, id: Id) -> bool {
    matches!(graph.node(id).op, Op::ArgMax(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranges::Source;
    use crate::testing::Net;
    use picc_ir::ops::Add;

    fn bounds(net: &Net, largest: impl Fn(usize) -> f32) -> Vec<Bound> {
        let bound = |i| Bound { lo: -largest(i), hi: largest(i), source: Source::Calibrated };
        (0..net.graph.nodes.len()).map(bound).collect()
    }

    /// What meets in a sum has one fraction, that of the largest; a layer's output has its own.
    #[test]
    fn a_skip_connection_has_one_fraction() {
        let mut net = Net::new(1);
        let x = net.input(&[1, 2, 4, 4]);
        let a = net.conv(x, 2, 3, 1, 1);
        let a = net.relu(a);
        let b = net.conv(a, 2, 3, 1, 1);
        let sum = net.add(Add {}, &[a, b]);
        let y = net.relu(sum);
        let z = net.conv(y, 2, 3, 1, 1);
        net.output(z);
        let largest = |i: usize| {
            if i == z.index() {
                1e-3
            } else if i == y.index() {
                900.0
            } else {
                3.0
            }
        };
        let frac = fractions(&net.graph, &bounds(&net, largest), Fractions::Significant(14));
        for id in [a, b, sum, y] {
            assert_eq!(frac[id.index()], 14 - 10, "{}", net.graph.node(id).name);
        }
        assert_eq!((frac[x.index()], frac[z.index()]), (14 - 2, 14 + 9));
    }

    /// Sums over windows keep the fraction of their argument: nothing to truncate, nothing lost.
    #[test]
    fn a_pool_keeps_the_fraction() {
        let mut net = Net::new(1);
        let x = net.input(&[1, 2, 8, 8]);
        let y = net.average_pool(x, 8);
        net.output(y);
        let largest = |i: usize| if i == x.index() { 3.9 } else { 100.0 };
        let frac = fractions(&net.graph, &bounds(&net, largest), Fractions::Significant(14));
        let sum = net.graph.node(y).args[0];
        assert_eq!((frac[x.index()], frac[sum.index()], frac[y.index()]), (12, 12, 7));
        assert!(fractions(&net.graph, &bounds(&net, largest), Fractions::Uniform(9)).iter().all(|&f| f == 9));
    }
}
