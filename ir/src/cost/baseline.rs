//! The price to beat: CrypTFlow2 with OTs only, as a pure count over a real-valued graph that nothing has rewritten.
//!
//! Sources: Rathee et al., *CrypTFlow2* (CCS 2020), sections 3 and 4, for the comparison, ReLU and truncation by sign;
//! its public implementation (SCI) for the message sizes and for the truncation by equality. Semi-honest, lambda = 128.
//! OTs are IKNP-style: each costs lambda bits beside its messages, a 1-of-N OT 2 lambda. Only payloads are counted.
//! Every leaf is a full 1-of-16 OT and no triples are correlated, as in SCI's WAN build, whose ReLUs are the measured.
//!
//! ```text
//!   leaf       1-of-16 OT of (lt, eq)                        2 lambda + 32            288 bits
//!   AND        half a 1-of-16 OT of two triples, 4 openings  lambda + 16 + 4          148
//!   compare b  q = ceil(b/4) leaves; ceil(log2 q) ANDs on the lowest path, 2 at each other node of the tree
//!   ReLU l     compare l-1; a multiplexer of two OTs         + 2 (lambda + 2 l)       l = 32: 4316, l = 60: 8368
//!   truncate   compare s; compare l-s with equality (2 ANDs a node); AND; COTs of s and of l bits
//!                                                            l = 60, s = 12: 8348
//!   product    a factor of m bits times a row of d: m lambda + d (m (l-m) + m (m+1) / 2), for each cross term
//! ```
//!
//! **DenseNet-121 at 320 x 320, 60-bit ring, 12 fraction bits.** Reported figures: 33 GB of ReLU, 49 GB of truncation,
//! 2.74 TB in all. They are decimal (10^9, 10^12 bytes); read as powers of 1024 they are 6 to 9% off. The count
//! for the imported graph, weights shared on both sides (m = l, both cross terms), batch norms not folded:
//!
//! | part | count | GB | reported |
//! |---|---|---|---|
//! | convolutions and the dense layer | 5.783e9 products, 7.894e6 factors | 2660.9 | |
//! | batch norms, one factor a channel | 3.197e7 products, 4.182e4 factors | 14.7 | |
//! | ReLU (this file has none after its last batch norm) | 3.187e7 | 33.3 | 33 |
//! | max pool, a ReLU for each comparison | 3.277e6 | 3.4 | |
//! | truncation: layers, batch norms, average pools | 4.641e7 | 48.4 | 49 |
//! | all | | **2760.8** | 2740 (+0.8%) |
//!
//! The reported figures come without shift, truncation protocol or treatment of batch norms, so four readings are ours:
//! * 12 bits are cut, and by equality: 48.4 GB. By sign, the paper's own protocol, 9716 bits and 56.4 GB: 15% above 49.
//! * Batch norms multiply by a factor a channel. With a factor for each *element*, as SCI's elementwise product has it,
//!   the sum is 2822 GB (+3.0%): outside 2%.
//! * The max pool counts. Without it and without the products of batch norms it is 2742.6 GB, 2.74 TB to the digit.
//! * The division of an average pool costs a truncation.
//!
//! picc's program for the same file and size, from `picc_passes::compile` with default options and no calibration,
//! costs **8.44 GB** in 2530 rounds, 327 times less; with OT products only (one cross term, short weights,
//! SoftSpoken OTs) 288 GB, 9.6 times less.
//! `compiler/tests/baseline.rs` asserts the count on the model file, and that picc's program is 200 times cheaper.

use crate::graph::{Graph, Node};
use crate::op::Op;
use crate::ty::{Owner, TypeError};

/// Computational security: bits of an OT beside its messages.
const LAMBDA: u64 = 128;
/// Bits of a comparison's leaf.
const RADIX: u64 = 4;
/// A 1-of-16 OT of two bits.
const LEAF_BITS: u64 = 2 * LAMBDA + 2 * (1 << RADIX);
/// One bit triple, two of which come from a 1-of-16 OT, and the openings of both factors by both parties.
const AND_BITS: u64 = (2 * LAMBDA + 2 * 16) / 2 + 4;

/// A 1-of-2 OT whose messages are correlated: one message of `bits` is sent.
fn cot_bits(bits: u64) -> u64 {
    LAMBDA + bits
}

/// A 1-of-`n` OT of messages of `bits`.
fn ot_bits(n: u64, bits: u64) -> u64 {
    (if n == 2 { LAMBDA } else { 2 * LAMBDA }) + n * bits
}

fn log2_ceil(n: u64) -> u64 {
    u64::from(n.next_power_of_two().trailing_zeros())
}

/// Comparison of two private integers of `bits` bits.
#[must_use]
pub fn compare_bits(bits: u64) -> u64 {
    let q = bits.div_ceil(RADIX).max(1);
    let lowest_path = log2_ceil(q);
    q * LEAF_BITS + (lowest_path + 2 * (q - 1 - lowest_path)) * AND_BITS
}

/// Comparison that also says whether the integers are equal: no path of the tree is cheaper.
#[must_use]
pub fn compare_and_equal_bits(bits: u64) -> u64 {
    let q = bits.div_ceil(RADIX).max(1);
    q * LEAF_BITS + 2 * (q - 1) * AND_BITS
}

/// `max(x, 0)` in a ring of `ring` bits: the sign by comparison, then a multiplexer.
#[must_use]
pub fn relu_bits(ring: u64) -> u64 {
    compare_bits(ring - 1) + 2 * ot_bits(2, ring)
}

/// Faithful truncation by `shift`: both carries by comparison, the upper one with the help of an equality.
#[must_use]
pub fn trunc_bits(ring: u64, shift: u64) -> u64 {
    compare_bits(shift) + compare_and_equal_bits(ring - shift) + AND_BITS + cot_bits(shift) + cot_bits(ring)
}

/// Faithful truncation by `shift` as in the paper: the sign by comparison, corrected by a 1-of-4 OT, and the carry of
/// the lower bits.
#[must_use]
pub fn trunc_by_sign_bits(ring: u64, shift: u64) -> u64 {
    compare_bits(ring - 1) + ot_bits(4, ring) + compare_bits(shift) + cot_bits(ring)
}

/// One cross term of products in a ring of `ring` bits: each of `factors` integers of `factor_bits` bits, private to
/// the OT receiver, times its own row of `row` elements of the sender.
#[must_use]
pub fn product_bits(factors: u64, row: u64, ring: u64, factor_bits: u64) -> u64 {
    let element = factor_bits * (ring - factor_bits) + factor_bits * (factor_bits + 1) / 2;
    factors * (factor_bits * LAMBDA + row * element)
}

/// The setting of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cryptflow2 {
    /// One ring for every value.
    pub ring: u64,
    /// Fraction bits of activations and weights; each product is truncated by as many.
    pub frac: u64,
}

/// How often something is done, and the bits of all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Item {
    pub count: u64,
    pub bits: u64,
}

impl Item {
    fn add(&mut self, count: u64, bits: u64) {
        self.count += count;
        self.bits += bits;
    }

    #[must_use]
    pub fn bytes(self) -> u64 {
        self.bits.div_ceil(8)
    }
}

/// What a graph costs under CrypTFlow2, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// Convolutions and matrix products; counts products of two elements.
    pub linear: Item,
    /// Elementwise products with weights, as batch norms are; counts products.
    pub scale: Item,
    pub relu: Item,
    /// Counts comparisons, each of which costs a ReLU.
    pub max_pool: Item,
    /// Of every product with a weight or a public number; counts elements.
    pub trunc: Item,
}

impl Baseline {
    #[must_use]
    pub fn bytes(&self) -> u64 {
        [self.linear, self.scale, self.relu, self.max_pool, self.trunc].into_iter().map(Item::bytes).sum()
    }
}

impl Cryptflow2 {
    /// Counts a real-valued graph as it was imported.
    ///
    /// Weights are shared on both sides as activations are: a factor has all bits of the ring, and both cross terms
    /// are computed. The weights choose, so each extends its OT to all elements that it multiplies. Padding counts.
    ///
    /// # Errors
    /// An operator that this baseline has no price for.
    pub fn price(self, graph: &Graph) -> Result<Baseline, TypeError> {
        let mut cost = Baseline::default();
        for node in &graph.nodes {
            if takes_input(graph, node) {
                self.node(graph, node, &mut cost).map_err(|e| TypeError::new(format!("{}: {e}", node.name)))?;
            }
        }
        Ok(cost)
    }

    fn node(self, graph: &Graph, node: &Node, cost: &mut Baseline) -> Result<(), TypeError> {
        let Cryptflow2 { ring, frac } = self;
        let outputs = elements(&node.ty.shape);
        let weights = |cost: &mut Item, products: u64, factors: u64| {
            cost.add(products, 2 * product_bits(factors, products / factors.max(1), ring, ring));
        };
        match &node.op {
            Op::Conv(_) => {
                let kernel = &graph.ty(node.args[1]).shape;
                let products = outputs * elements(&kernel[1..]);
                weights(&mut cost.linear, products, elements(kernel));
            }
            Op::MatMul(_) => {
                let [a, b] = [0, 1].map(|i| graph.ty(node.args[i]));
                let known = if b.owner == Owner::Server { b } else { a };
                let inner = a.shape.last().map_or(1, |&n| n as u64);
                weights(&mut cost.linear, outputs * inner, elements(&known.shape));
            }
            Op::Mul(_) => {
                let [a, b] = [0, 1].map(|i| graph.ty(node.args[i]));
                match [a, b].into_iter().find(|ty| ty.owner == Owner::Server) {
                    Some(known) => weights(&mut cost.scale, outputs, elements(&known.shape)),
                    None if [a, b].iter().any(|ty| ty.owner == Owner::Public) => {}
                    None => weights(&mut cost.scale, outputs, outputs),
                }
            }
            Op::Relu(_) => cost.relu.add(outputs, outputs * relu_bits(ring)),
            Op::MaxPool(pool) => {
                let compared = outputs * (pool.kernel.iter().product::<usize>() as u64).saturating_sub(1);
                cost.max_pool.add(compared, compared * relu_bits(ring));
            }
            Op::Add(_)
            | Op::Sub(_)
            | Op::Neg(_)
            | Op::SumPool(_)
            | Op::ReduceSum(_)
            | Op::Concat(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Expand(_) => {}
            op => return Err(TypeError::new(format!("CrypTFlow2's {} has no price here", op.name()))),
        }
        if matches!(node.op, Op::Conv(_) | Op::MatMul(_) | Op::Mul(_)) {
            cost.trunc.add(outputs, outputs * trunc_bits(ring, frac));
        }
        Ok(())
    }
}

/// Whether an argument is neither the server's nor public: sources and what is computed from weights alone are free.
fn takes_input(graph: &Graph, node: &Node) -> bool {
    node.args.iter().any(|&a| matches!(graph.ty(a).owner, Owner::Client | Owner::Shared))
}

fn elements(shape: &[usize]) -> u64 {
    shape.iter().map(|&n| n as u64).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Conv, Input, Mul, Relu, Softmax, Weight};
    use crate::ty::Ty;

    #[test]
    fn relu_costs_what_was_measured() {
        assert_eq!(relu_bits(32), 4316);
        assert_eq!(relu_bits(60), 8368);
    }

    #[test]
    fn truncation_costs_what_the_header_says() {
        assert_eq!(compare_bits(4), LEAF_BITS);
        assert_eq!(compare_bits(12), 3 * 288 + 2 * 148);
        assert_eq!(compare_and_equal_bits(48), 12 * 288 + 22 * 148);
        assert_eq!(trunc_bits(60, 12), 8348);
        assert_eq!(trunc_by_sign_bits(60, 12), 9716);
    }

    #[test]
    fn the_product_agrees_with_the_published_formula() {
        // d1 d2 [m lambda + d3 (m (l - m) + m (m + 1) / 2)]
        assert_eq!(product_bits(8 * 16, 32, 32, 8), 8 * 16 * (8 * 128 + 32 * (8 * 24 + 36)));
        assert_eq!(product_bits(1, 1, 60, 60), 60 * 128 + 1830);
    }

    #[test]
    fn a_graph_is_the_sum_of_its_layers() {
        let mut g = Graph::default();
        let source = |name: &str| name.to_owned();
        let x = Input { name: source("x"), ty: Ty::real(&[1, 3, 8, 8], Owner::Client) };
        let x = g.add(x, &[], "x").unwrap();
        let w = Weight { name: source("w"), ty: Ty::real(&[5, 3, 3, 3], Owner::Server) };
        let w = g.add(w, &[], "w").unwrap();
        let f = Weight { name: source("f"), ty: Ty::real(&[1, 5, 1, 1], Owner::Server) };
        let f = g.add(f, &[], "f").unwrap();
        let conv = Conv { stride: [1, 1], pads: [1; 4], dilation: [1, 1], groups: 1 };
        let y = g.add(conv, &[x, w], "conv").unwrap();
        let y = g.add(Mul {}, &[y, f], "scale").unwrap();
        let y = g.add(Relu {}, &[y], "relu").unwrap();
        let cost = Cryptflow2 { ring: 60, frac: 12 }.price(&g).unwrap();
        let n = 5 * 64;
        assert_eq!(cost.linear, Item { count: n * 27, bits: 2 * (135 * 7680 + n * 27 * 1830) });
        assert_eq!(cost.scale, Item { count: n, bits: 2 * (5 * 7680 + n * 1830) });
        assert_eq!(cost.relu, Item { count: n, bits: n * 8368 });
        assert_eq!(cost.trunc, Item { count: 2 * n, bits: 2 * n * 8348 });
        g.add(Softmax { axis: 1 }, &[y], "softmax").unwrap();
        let refused = Cryptflow2 { ring: 60, frac: 12 }.price(&g).unwrap_err().to_string();
        assert!(refused.starts_with("softmax: "), "{refused}");
    }
}
