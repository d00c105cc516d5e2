//! Kernels that are built from graphs, against the meaning of their nodes.

use crate::random::Draw;
use crate::support::{Seeded, client, fix, server};
use picc_ir::kernel::construct::{BuildError, Lanes, Role, build};
use picc_ir::kernel::testing::agree;
use picc_ir::kernel::{Access, Step};
use picc_ir::mpc::{ReluOt, Reveal, Share, TruncReduceLocal};
use picc_ir::ops::{
    Add, Assume, Concat, Const, ConstValue, Conv, Expand, Gather, Input, MatMul, Mul, Neg, Pad, Reduce, ReduceSum,
    Reshape, Shl, Slice, Sub, SumPool, Transpose, Weight, ZeroInsert,
};
use picc_ir::segment::{Segment, check, is_local, one_each};
use picc_ir::{Graph, Id, Op, Owner, Party, Ty};
use std::collections::BTreeSet;

/// Segments as large as can be.
fn maximal(graph: &Graph) -> Vec<Segment> {
    let single = one_each(graph);
    let placed = check(graph, &single).expect("valid");
    let mut segments: Vec<(Option<Id>, Vec<Id>)> = Vec::new();
    for (segment, after) in single.iter().zip(placed.after) {
        match segments.last_mut() {
            Some((last, nodes)) if *last == after => nodes.extend(&segment.nodes),
            _ => segments.push((after, segment.nodes.clone())),
        }
    }
    segments.into_iter().map(|(_, nodes)| Segment { nodes }).collect()
}

fn everywhere(graph: &Graph, seed: u64) {
    for segments in [maximal(graph), one_each(graph)] {
        for (party, lanes) in
            [(Party::Client, Lanes::Narrow), (Party::Server, Lanes::Narrow), (Party::Server, Lanes::Wide)]
        {
            agree(graph, &segments, party, lanes, seed).unwrap_or_else(|e| panic!("{e}\n{graph}"));
        }
    }
}

/// A graph that begins with a share `x` from a protocol.
struct Net {
    g: Graph,
    x: Id,
}

fn net(shape: &[usize], ring: u8) -> Net {
    let mut g = Graph::default();
    let x = g.add(Input { name: "x".into(), ty: client(shape, fix(ring, 4, -60, 60)) }, &[], "x").expect("typed");
    let s = g.add(Share {}, &[x], "share").expect("typed");
    let x = g.add(ReluOt::exact(4), &[s], "relu").expect("typed");
    Net { g, x }
}

impl Net {
    fn add(&mut self, op: impl Into<Op>, args: &[Id]) -> Id {
        self.g.add(op, args, "").unwrap_or_else(|e| panic!("{e}\n{}", self.g))
    }

    fn constant(&mut self, shape: &[usize], ring: u8, values: Vec<i64>) -> Id {
        let ty = Ty::fixed(shape, fix(ring, 4, -1000, 1000), Owner::Public);
        self.add(Const { ty, value: ConstValue::Int(values) }, &[])
    }

    fn output(&mut self, id: Id) {
        let y = self.add(Reveal { to: Party::Client }, &[id]);
        self.g.outputs.push((format!("y{}", self.g.outputs.len()), y));
    }

    /// Nests and calls of the server's kernel of the last segment.
    fn steps(&self) -> Vec<Step> {
        let segments = maximal(&self.g);
        let last = segments.last().expect("a segment");
        build(&self.g, &last.nodes, Party::Server, Lanes::Narrow).expect("builds").kernel.steps.clone()
    }

    fn nests(&self) -> usize {
        self.steps().iter().filter(|s| matches!(s, Step::Nest(_))).count()
    }
}

/// Elementwise nodes and moved data are one nest without memory in between.
#[test]
fn movement_and_arithmetic_fuse() {
    let mut n = net(&[1, 2, 4, 6], 33);
    let bias = n.add(Weight { name: "b".into(), ty: server(&[2, 1, 1], fix(33, 4, -9, 9)) }, &[]);
    let y = n.add(Add {}, &[n.x, bias]);
    let y = n.add(TruncReduceLocal { shift: 3 }, &[y]);
    let y = n.add(Reduce { ring_bits: 20 }, &[y]);
    let y = n.add(Transpose { perm: vec![0, 2, 3, 1] }, &[y]);
    let y = n.add(Reshape { shape: vec![24, 2] }, &[y]);
    let y = n.add(Slice { start: vec![20, 1], size: vec![3, 2], step: vec![-6, -1] }, &[y]);
    let y = n.add(Neg {}, &[y]);
    n.output(y);
    everywhere(&n.g, 1);
    let segments = maximal(&n.g);
    let built = build(&n.g, &segments[1].nodes, Party::Server, Lanes::Narrow).expect("builds");
    assert!(built.kernel.buffers.iter().all(|b| b.access != Access::Scratch), "{}", *built.kernel);
    assert_eq!(built.kernel.steps.len(), 1, "{}", *built.kernel);
}

#[test]
fn padding_and_concatenation_are_cut() {
    let mut n = net(&[1, 2, 5, 5], 33);
    let y = n.add(Pad { before: vec![0, 0, 1, 2], after: vec![0, 0, 1, 0] }, &[n.x]);
    n.output(y);
    assert_eq!(n.nests(), 4, "two rows of zeros, a column, the inside");
    let c = n.constant(&[1, 1, 7, 7], 33, (0..49).collect());
    let z = n.add(Concat { axis: 1 }, &[c, y, y]);
    let z = n.add(Shl { bits: 2 }, &[z]);
    n.output(z);
    let spread = n.add(ZeroInsert { factor: vec![1, 1, 2, 3] }, &[y]);
    n.output(spread);
    everywhere(&n.g, 2);
}

#[test]
fn windows_with_padding() {
    for (kernel, stride, pads, dilation) in [
        ([3, 3], [1, 1], [1, 1, 1, 1], [1, 1]),
        ([3, 2], [2, 2], [1, 0, 1, 1], [1, 1]),
        ([2, 2], [2, 2], [0; 4], [1, 1]),
        ([3, 3], [1, 2], [3, 2, 2, 3], [2, 1]),
        ([7, 7], [1, 1], [3; 4], [1, 1]),
    ] {
        let mut n = net(&[2, 2, 6, 7], 18);
        let shifted = n.add(Add {}, &[n.x, n.x]);
        let y = n.add(SumPool { kernel, stride, pads, dilation }, &[shifted]);
        let y = n.add(TruncReduceLocal { shift: 1 }, &[y]);
        n.output(y);
        everywhere(&n.g, 3);
    }
}

#[test]
fn gathered_indices() {
    let mut n = net(&[1, 2, 4, 4], 33);
    let up = |n: &mut Net, x, axis| n.add(Gather { axis, indices: vec![0, 0, 1, 1, 2, 2, 3, 3] }, &[x]);
    let x = n.x;
    let y = up(&mut n, x, 2);
    let y = up(&mut n, y, 3);
    n.output(y);
    assert_eq!(n.nests(), 1);
    let segments = maximal(&n.g);
    let built = build(&n.g, &segments[1].nodes, Party::Client, Lanes::Wide).expect("builds");
    assert!(built.kernel.tables.is_empty(), "nearest neighbours are loops: {}", *built.kernel);
    let odd = n.add(Gather { axis: 3, indices: vec![3, 1, 1, 7, 0] }, &[y]);
    let odder = n.add(Gather { axis: 2, indices: vec![5, 5, 0] }, &[odd]);
    let odder =
        n.add(Slice { start: vec![0, 0, 2, 4], size: vec![1, 2, 3, 2], step: vec![1, 1, -1, -3] }, &[odder]);
    n.output(odder);
    everywhere(&n.g, 4);
}

#[test]
fn products_with_public_factors() {
    let mut n = net(&[2, 4, 5, 5], 33);
    let c = n.constant(&[6, 2, 3, 3], 33, (0..108).map(|v| v * 37 % 101 - 50).collect());
    let conv = Conv { stride: [2, 1], pads: [1, 1, 1, 0], dilation: [1, 1], groups: 2 };
    let doubled = n.add(Shl { bits: 1 }, &[n.x]);
    let y = n.add(conv, &[doubled, c]);
    n.output(y);
    let flat = n.add(Reshape { shape: vec![2, 6, 12] }, &[y]);
    let m = n.constant(&[12, 5], 33, (0..60).map(|v| v * 13 % 71 - 35).collect());
    let z = n.add(MatMul {}, &[flat, m]);
    let half = n.add(TruncReduceLocal { shift: 1 }, &[z]);
    n.output(half);
    let batch = n.constant(&[3, 1, 4, 6], 33, (0..72).map(|v| v * 13 % 71 - 35).collect());
    let wide = n.add(MatMul {}, &[batch, flat]);
    n.output(wide);
    let scale = n.constant(&[], 33, vec![7]);
    let scaled = n.add(Mul {}, &[wide, scale]);
    n.output(scaled);
    everywhere(&n.g, 5);
}

#[test]
fn sums_and_broadcasts() {
    let mut n = net(&[2, 3, 4], 40);
    let a = n.add(ReduceSum { axes: vec![2, 0], keep: true }, &[n.x]);
    let b = n.add(ReduceSum { axes: vec![1], keep: false }, &[n.x]);
    let b = n.add(Expand { shape: vec![3, 2, 4] }, &[b]);
    let b = n.add(Transpose { perm: vec![1, 0, 2] }, &[b]);
    let c = n.add(Sub {}, &[a, b]);
    let c = n.add(Assume { lo: -(1 << 20), hi: 1 << 20 }, &[c]);
    n.output(c);
    let all = n.add(ReduceSum { axes: vec![0, 1, 2], keep: false }, &[c]);
    n.output(all);
    everywhere(&n.g, 6);
}

/// An output that only repeats another value is not stored twice.
#[test]
fn repeated_values_are_aliases() {
    let mut n = net(&[2, 6], 33);
    let y = n.add(Neg {}, &[n.x]);
    let flat = n.add(Reshape { shape: vec![12] }, &[y]);
    let same = n.add(Reshape { shape: vec![12] }, &[n.x]);
    [y, flat, same].into_iter().for_each(|id| n.output(id));
    everywhere(&n.g, 7);
    let nodes = &maximal(&n.g)[1].nodes;
    let built = build(&n.g, nodes, Party::Client, Lanes::Narrow).expect("builds");
    assert_eq!(built.roles, [Role::Output(y), Role::Input(n.x)]);
    assert_eq!(built.aliases, [(flat, y), (same, n.x)]);
}

/// Scratch memory is used again by values that are not alive at the same time.
#[test]
fn scratch_is_shared() {
    let mut n = net(&[8, 8], 33);
    let m = n.constant(&[8, 8], 33, (0..64).collect());
    let mut y = n.x;
    for _ in 0..6 {
        y = n.add(MatMul {}, &[y, m]);
    }
    n.output(y);
    everywhere(&n.g, 8);
    let built = build(&n.g, &maximal(&n.g)[1].nodes, Party::Client, Lanes::Narrow).expect("builds");
    let scratch = built.kernel.buffers.iter().filter(|b| b.access == Access::Scratch).count();
    assert_eq!(scratch, 2, "{}", *built.kernel);
}

/// A chain far deeper than any stack, and one value that is read more and more often.
#[test]
fn deep_graphs_are_built() {
    let mut n = net(&[4], 33);
    let mut y = n.x;
    for _ in 0..20_000 {
        y = n.add(Neg {}, &[y]);
    }
    n.output(y);
    let nodes = &maximal(&n.g)[1].nodes;
    assert!(build(&n.g, nodes, Party::Server, Lanes::Narrow).is_ok());
    let mut n = net(&[4], 33);
    let mut y = n.x;
    for _ in 0..60 {
        y = n.add(Add {}, &[y, y]);
    }
    n.output(y);
    everywhere(&n.g, 9);
}

#[test]
fn other_nodes_are_refused() {
    let mut n = net(&[4], 33);
    n.output(n.x);
    assert!(matches!(
        build(&n.g, &[n.x], Party::Client, Lanes::Wide),
        Err(BuildError::NotLocal { op: "relu.ot", .. })
    ));
    let missing = Id(99);
    assert_eq!(build(&n.g, &[missing], Party::Client, Lanes::Wide), Err(BuildError::Missing(missing)));
}

/// Random local nodes of every kind, in one segment.
#[test]
fn random_graphs_agree() {
    let mut r = Seeded(77);
    let mut operators = BTreeSet::new();
    for seed in 0..400 {
        let ring = [14, 20, 33, 64][r.within(0, 3)];
        let mut n = net(&[1, 2, 4, 4], ring);
        let small = fix(ring, 4, -50, 50);
        let weight = n.add(Weight { name: "w".into(), ty: server(&[2, 1, 1], small) }, &[]);
        let one = n.constant(&[4], ring, vec![3, -1, 0, 2]);
        let conv = n.constant(&[2, 2, 2, 2], ring, (0..16).map(|v| v - 8).collect());
        let known = Id(0);
        for _ in 0..300 {
            if n.g.nodes.len() > 22 {
                break;
            }
            let picked: Vec<Id> = (0..2)
                .map(|_| match r.within(0, 9) {
                    0 => weight,
                    1 => one,
                    2 => conv,
                    3 => known,
                    _ => Id(r.within(2, n.g.nodes.len() - 1) as u32),
                })
                .collect();
            let shape = |id: Id| n.g.ty(id).shape.to_vec();
            let op = Draw { r: &mut r, extreme: false }.op(&shape(picked[0]), &shape(picked[1]));
            for count in 1..=2 {
                if n.g.add(op.clone(), &picked[..count], "").is_ok() {
                    let id = Id(n.g.nodes.len() as u32 - 1);
                    let small = n.g.ty(id).len() <= 4096;
                    let secrets = picked[..count].iter().filter(|a| n.g.ty(**a).owner != Owner::Public).count();
                    let product = matches!(op, Op::Mul(_) | Op::Conv(_) | Op::MatMul(_)) && secrets > 1;
                    if !is_local(&n.g, id) || !small || product {
                        n.g.nodes.pop();
                    }
                    break;
                }
            }
        }
        operators.extend(n.g.nodes.iter().map(|node| node.op.name()));
        let local: Vec<Id> = n.g.iter().map(|(id, _)| id).filter(|id| is_local(&n.g, *id)).collect();
        for id in local {
            if r.within(0, 3) == 0 {
                n.g.outputs.push((format!("y{}", id.0), id));
            }
        }
        everywhere(&n.g, seed);
    }
    assert_eq!(operators.len(), 4 + 21, "{operators:?}");
}
