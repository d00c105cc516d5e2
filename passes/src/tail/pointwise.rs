//! Functions of one value that are written with several operators and that can be undone: softplus, elu, softsign.
//!
//! ```text
//! x -> relu -+                     x -> reveal -> relu -+
//!   \        + -> output  becomes            \          + -> output
//!    |x| -> log(1 + exp(-|x|))                ...
//! ```
//! The client computes all of it from `x`, which follows from the output, as the whole is strictly increasing. That is
//! proven by its derivative, in interval arithmetic, on pieces of `[-2^40, 2^40]`; on the two outermost ones, where an
//! exponential is nothing, the derivative may come down to zero but not stay there.

use picc_ir::op::Op;
use picc_ir::ops::{ConstValue, Function};
use picc_ir::{Graph, Id, Node};
use std::collections::BTreeMap;

/// Ends of the pieces; ReLUs bend at 0.
const ENDS: [f64; 19] =
    [-FAR, -64.0, -32.0, -16.0, -8.0, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, FAR];

const FAR: f64 = (1u64 << 40) as f64;

/// A function that can be undone: its result, its argument, and what is computed between them, the result included.
pub(super) struct Undone {
    pub y: Id,
    pub x: Id,
    pub steps: Vec<Id>,
}

/// Such functions, each as long as possible.
pub(super) fn undone(graph: &Graph) -> Vec<Undone> {
    let roots = roots(graph);
    let mut inner = vec![false; graph.nodes.len()];
    for (id, node) in graph.iter().filter(|(id, _)| roots[id.index()].is_some()) {
        node.args.iter().filter(|a| roots[a.index()] == roots[id.index()]).for_each(|a| inner[a.index()] = true);
    }
    let outer = graph.iter().map(|(id, _)| id).filter(|id| !inner[id.index()]);
    let found = outer.filter_map(|y| roots[y.index()].map(|x| (y, x)));
    let monotone = found.filter(|&(y, x)| is_strictly_monotone(graph, &roots, x, y));
    monotone.map(|(y, x)| Undone { y, x, steps: steps(graph, &roots, x, y) }).collect()
}

fn steps(graph: &Graph, roots: &[Option<Id>], x: Id, y: Id) -> Vec<Id> {
    let (mut steps, mut stack) = (Vec::new(), vec![y]);
    while let Some(id) = stack.pop() {
        if roots[id.index()] == Some(x) && !steps.contains(&id) {
            steps.push(id);
            stack.extend(&graph.node(id).args);
        }
    }
    steps
}

/// For each node, the value that it is a function of, element by element, with nothing but public numbers beside it.
fn roots(graph: &Graph) -> Vec<Option<Id>> {
    let mut roots: Vec<Option<Id>> = Vec::with_capacity(graph.nodes.len());
    for (_, node) in graph.iter() {
        let from = |a: Id| roots[a.index()].unwrap_or(a);
        let same = |x: Id| graph.ty(x).shape == node.ty.shape;
        let root = match (&node.op, &node.args[..]) {
            (Op::Relu(_) | Op::Neg(_) | Op::Unary(_), &[x]) => Some(from(x)),
            (Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_), &[a, b]) => {
                match (number(graph, a), number(graph, b)) {
                    (None, Some(_)) if same(a) => Some(from(a)),
                    (Some(_), None) if same(b) => Some(from(b)),
                    (None, None) if same(a) && same(b) && from(a) == from(b) => Some(from(a)),
                    _ => None,
                }
            }
            _ => None,
        };
        roots.push(root);
    }
    roots
}

/// The value of a public constant of one value.
fn number(graph: &Graph, id: Id) -> Option<f64> {
    match &graph.node(id).op {
        Op::Const(c) => match &c.value {
            ConstValue::Real(v) if v.len() == 1 => Some(f64::from(v[0].value())),
            _ => None,
        },
        _ => None,
    }
}

/// Whether node `y` is a strictly increasing, or strictly falling, function of its root `x`.
fn is_strictly_monotone(graph: &Graph, roots: &[Option<Id>], x: Id, y: Id) -> bool {
    let signs: Option<Vec<bool>> = ENDS
        .windows(2)
        .map(|ends| {
            let of = Piece { graph, roots, x, ends: Interval { lo: ends[0], hi: ends[1] } };
            let slope = of.form(y, &mut BTreeMap::new())?.slope();
            // Where it saturates it may, but a flat piece gives nothing back.
            let outermost = ends.contains(&FAR) || ends.contains(&-FAR);
            let (rises, falls) = (slope.lo > 0.0, slope.hi < 0.0);
            let (levels_up, levels_down) = (slope.lo >= 0.0 && slope.hi > 0.0, slope.hi <= 0.0 && slope.lo < 0.0);
            if rises || (outermost && levels_up) {
                Some(true)
            } else if falls || (outermost && levels_down) {
                Some(false)
            } else {
                None
            }
        })
        .collect();
    signs.is_some_and(|s| s.iter().all(|up| *up == s[0]))
}

#[derive(Clone, Copy, Debug)]
struct Interval {
    lo: f64,
    hi: f64,
}

impl Interval {
    /// The hull; the whole line where something is not a number, of which nothing follows.
    fn hull(values: &[f64]) -> Interval {
        if values.iter().any(|v| v.is_nan()) {
            return Interval { lo: f64::NEG_INFINITY, hi: f64::INFINITY };
        }
        Interval {
            lo: values.iter().copied().fold(f64::INFINITY, f64::min),
            hi: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// The image under a monotone function.
    fn map(self, f: impl Fn(f64) -> f64) -> Interval {
        Interval::hull(&[f(self.lo), f(self.hi)])
    }

    fn plus(self, o: Interval) -> Interval {
        Interval::hull(&[self.lo + o.lo, self.hi + o.hi])
    }

    fn times(self, o: Interval) -> Interval {
        Interval::hull(&[self.lo * o.lo, self.lo * o.hi, self.hi * o.lo, self.hi * o.hi])
    }
}

/// A function on a piece: exactly linear, or bounds of its values and of its derivative.
#[derive(Clone, Copy, Debug)]
enum Form {
    Linear { factor: f64, offset: f64 },
    Bounded { values: Interval, slope: Interval },
}

impl Form {
    fn slope(self) -> Interval {
        match self {
            Form::Linear { factor, .. } => Interval { lo: factor, hi: factor },
            Form::Bounded { slope, .. } => slope,
        }
    }
}

struct Piece<'a> {
    graph: &'a Graph,
    roots: &'a [Option<Id>],
    x: Id,
    ends: Interval,
}

impl Piece<'_> {
    fn values(&self, form: Form) -> Interval {
        match form {
            Form::Linear { factor, offset } => self.ends.map(|x| factor * x + offset),
            Form::Bounded { values, .. } => values,
        }
    }

    /// `None` where nothing is proven.
    fn form(&self, id: Id, done: &mut BTreeMap<Id, Form>) -> Option<Form> {
        if id == self.x {
            return Some(Form::Linear { factor: 1.0, offset: 0.0 });
        }
        if let Some(v) = number(self.graph, id) {
            return Some(Form::Linear { factor: 0.0, offset: v });
        }
        if let Some(form) = done.get(&id) {
            return Some(*form);
        }
        if self.roots[id.index()] != Some(self.x) {
            return None;
        }
        let node = self.graph.node(id);
        let args = node.args.iter().map(|&a| self.form(a, done)).collect::<Option<Vec<Form>>>()?;
        let form = self.step(node, &args)?;
        done.insert(id, form);
        Some(form)
    }

    fn step(&self, node: &Node, args: &[Form]) -> Option<Form> {
        let minus = Form::Linear { factor: 0.0, offset: -1.0 };
        match (&node.op, args) {
            (Op::Neg(_), &[a]) => self.product(a, minus),
            (Op::Add(_), &[a, b]) => Some(self.sum(a, b)),
            (Op::Sub(_), &[a, b]) => Some(self.sum(a, self.product(b, minus)?)),
            (Op::Mul(_), &[a, b]) => self.product(a, b),
            (Op::Div(_), &[a, b]) => self.quotient(a, b),
            (Op::Relu(_), &[a]) => {
                let values = self.values(a);
                if values.lo >= 0.0 {
                    Some(a)
                } else if values.hi <= 0.0 {
                    Some(Form::Linear { factor: 0.0, offset: 0.0 })
                } else {
                    // It bends inside a piece.
                    None
                }
            }
            (Op::Unary(u), &[a]) => self.function(u.function, a),
            _ => None,
        }
    }

    fn sum(&self, a: Form, b: Form) -> Form {
        match (a, b) {
            (Form::Linear { factor: f, offset: c }, Form::Linear { factor: g, offset: d }) => {
                Form::Linear { factor: f + g, offset: c + d }
            }
            _ => Form::Bounded { values: self.values(a).plus(self.values(b)), slope: a.slope().plus(b.slope()) },
        }
    }

    fn product(&self, a: Form, b: Form) -> Option<Form> {
        Some(match (a, b) {
            (Form::Linear { factor, offset }, Form::Linear { factor: 0.0, offset: k })
            | (Form::Linear { factor: 0.0, offset: k }, Form::Linear { factor, offset }) => {
                Form::Linear { factor: factor * k, offset: offset * k }
            }
            _ => {
                let (u, v) = (self.values(a), self.values(b));
                Form::Bounded { values: u.times(v), slope: a.slope().times(v).plus(u.times(b.slope())) }
            }
        })
    }

    fn quotient(&self, a: Form, b: Form) -> Option<Form> {
        let (u, v) = (self.values(a), self.values(b));
        if v.lo <= 0.0 && v.hi >= 0.0 {
            return None;
        }
        let over = v.map(f64::recip);
        let above = match (a, b) {
            (Form::Linear { factor: f, offset: c }, Form::Linear { factor: g, offset: d }) => {
                let exact = f * d - c * g;
                Interval { lo: exact, hi: exact }
            }
            _ => a.slope().times(v).plus(u.times(b.slope()).map(|s| -s)),
        };
        Some(Form::Bounded { values: u.times(over), slope: above.times(over.times(over).map(f64::abs)) })
    }

    /// Increasing functions, by their values and derivatives at the ends.
    fn function(&self, function: Function, a: Form) -> Option<Form> {
        let v = self.values(a);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        // Largest and smallest derivative: at the ends, or at 0 for those that are steepest there.
        let steepest_at_zero = |d: &dyn Fn(f64) -> f64| {
            let ends = v.map(d);
            if v.lo < 0.0 && v.hi > 0.0 { Interval { lo: ends.lo, hi: d(0.0) } } else { ends }
        };
        let (values, slope) = match function {
            Function::Exp => (v.map(f64::exp), v.map(f64::exp)),
            Function::Log if v.lo > 0.0 => (v.map(f64::ln), v.map(f64::recip)),
            Function::Sqrt if v.lo > 0.0 => (v.map(f64::sqrt), v.map(|x| 0.5 / x.sqrt())),
            Function::Sigmoid => (v.map(sigmoid), steepest_at_zero(&|x| sigmoid(x) * sigmoid(-x))),
            Function::Tanh => (v.map(f64::tanh), steepest_at_zero(&|x| 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x))),
            Function::Log | Function::Sqrt | Function::Reciprocal | Function::Erf => return None,
        };
        Some(Form::Bounded { values, slope: slope.times(a.slope()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Net;
    use picc_ir::ops::{Add, Div, Mul, Neg, Relu, Sub, Unary};

    /// The node `f(x)` for a net's input `x`.
    fn monotone(f: impl Fn(&mut Net, Id) -> Id) -> bool {
        let mut net = Net::new(1);
        let x = net.input(&[1, 3]);
        let y = f(&mut net, x);
        net.output(y);
        undone(&net.graph).iter().any(|u| (u.y, u.x) == (y, x))
    }

    fn function(net: &mut Net, function: Function, x: Id) -> Id {
        net.add(Unary { function }, &[x])
    }

    fn absolute(net: &mut Net, x: Id) -> Id {
        let positive = net.add(Relu {}, &[x]);
        let twice = net.add(Add {}, &[positive, positive]);
        net.add(Sub {}, &[twice, x])
    }

    fn softplus(net: &mut Net, x: Id) -> Id {
        let (positive, magnitude) = (net.add(Relu {}, &[x]), absolute(net, x));
        let below = net.add(Neg {}, &[magnitude]);
        let exp = function(net, Function::Exp, below);
        let one = net.scalar(1.0);
        let sum = net.add(Add {}, &[exp, one]);
        let log = function(net, Function::Log, sum);
        net.add(Add {}, &[positive, log])
    }

    fn elu(net: &mut Net, x: Id) -> Id {
        let above = net.add(Relu {}, &[x]);
        let below = net.add(Sub {}, &[x, above]);
        let exp = function(net, Function::Exp, below);
        let minus = net.scalar(-1.0);
        let exp = net.add(Add {}, &[exp, minus]);
        net.add(Add {}, &[above, exp])
    }

    #[test]
    fn activations_of_two_branches_can_be_undone() {
        assert!(monotone(softplus));
        assert!(monotone(elu));
        let softsign = |net: &mut Net, x: Id| {
            let (magnitude, one) = (absolute(net, x), net.scalar(1.0));
            let below = net.add(Add {}, &[magnitude, one]);
            net.add(Div {}, &[x, below])
        };
        assert!(monotone(softsign));
        assert!(monotone(|net, x| {
            let s = function(net, Function::Sigmoid, x);
            let minus = net.scalar(-3.0);
            let y = net.add(Mul {}, &[s, minus]);
            net.add(Sub {}, &[y, x])
        }));
    }

    #[test]
    fn what_turns_or_stays_cannot() {
        assert!(!monotone(|net, x| net.add(Relu {}, &[x])));
        assert!(!monotone(absolute));
        // silu falls before -1.28.
        assert!(!monotone(|net, x| {
            let s = function(net, Function::Sigmoid, x);
            net.add(Mul {}, &[x, s])
        }));
        assert!(!monotone(|net, x| {
            let e = function(net, Function::Exp, x);
            net.add(Sub {}, &[e, e])
        }));
        assert!(!monotone(|net, x| {
            let y = elu(net, x);
            net.add(Relu {}, &[y])
        }));
        // A bound of 100, far out.
        assert!(!monotone(|net, x| {
            let (y, bound) = (softplus(net, x), net.scalar(-100.0));
            let over = net.add(Add {}, &[y, bound]);
            let over = net.add(Relu {}, &[over]);
            net.add(Sub {}, &[y, over])
        }));
    }
}
