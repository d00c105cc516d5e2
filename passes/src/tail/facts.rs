//! What follows from known elements: equations between single elements of the client's part, and their closure.
//!
//! Nothing is computed: an element is known or not. A sum with one unknown summand gives it; sums that share several
//! unknown summands are solved together where few elements are involved (the corners of a box give its centre and its
//! extent).

use super::solve::{self, LARGEST};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// An element.
pub(super) type Var = u32;

/// The element that is zero, of padding.
pub(super) const ZERO: Var = 0;

const NOBODY: u32 = u32::MAX;

/// How the elements of an equation are tied; the results come first.
#[derive(Clone, Debug)]
enum Tie {
    /// `y = f(x)`, injective.
    Injective,
    /// `y = sum of c x + constant`, factors other than zero.
    Sum(SmallVec<[f64; 2]>),
    /// `y = a b`
    Product,
    /// So many results and the arguments determine each other.
    Group(usize),
    /// `y` is computed from the arguments, and says nothing that is used of them.
    Forward,
}

struct Equation {
    tie: Tie,
    vars: SmallVec<[Var; 3]>,
}

impl Equation {
    fn results(&self) -> usize {
        if let Tie::Group(n) = self.tie { n } else { 1 }
    }
}

/// Elements and the equations between them.
pub(super) struct Facts {
    known: Vec<bool>,
    /// Values of constants.
    constants: BTreeMap<Var, f32>,
    /// Elements that are never zero.
    nonzero: Vec<bool>,
    made_by: Vec<u32>,
    equations: Vec<Equation>,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts {
            known: vec![true],
            constants: BTreeMap::from([(ZERO, 0.0)]),
            nonzero: vec![false],
            made_by: vec![NOBODY],
            equations: Vec::new(),
        }
    }
}

impl Facts {
    /// A new element, of which nothing is known.
    pub fn fresh(&mut self, nonzero: bool) -> Var {
        self.known.push(false);
        self.nonzero.push(nonzero);
        self.made_by.push(NOBODY);
        u32::try_from(self.known.len() - 1).unwrap_or(NOBODY)
    }

    pub fn constant(&mut self, value: f32) -> Var {
        let v = self.fresh(value != 0.0);
        self.known[v as usize] = true;
        self.constants.insert(v, value);
        v
    }

    pub fn learn(&mut self, v: Var) {
        self.known[v as usize] = true;
    }

    pub fn is_known(&self, v: Var) -> bool {
        self.known[v as usize]
    }

    fn tie(&mut self, tie: Tie, vars: SmallVec<[Var; 3]>) {
        let id = u32::try_from(self.equations.len()).unwrap_or(NOBODY);
        let equation = Equation { tie, vars };
        for &y in &equation.vars[..equation.results()] {
            self.made_by[y as usize] = id;
        }
        self.equations.push(equation);
    }

    /// `f(x)` of an injective `f`.
    pub fn injective(&mut self, x: Var, nonzero: bool) -> Var {
        let y = self.fresh(nonzero);
        self.tie(Tie::Injective, SmallVec::from_slice(&[y, x]));
        y
    }

    /// `y`, however it is computed, is an injective function of `x` alone.
    pub fn undo(&mut self, y: Var, x: Var) {
        self.equations.push(Equation { tie: Tie::Injective, vars: SmallVec::from_slice(&[y, x]) });
    }

    /// `sum of c x`; constants among the `x` are constants.
    pub fn sum(&mut self, terms: &[(f64, Var)]) -> Var {
        let mut merged: SmallVec<[(f64, Var); 4]> = SmallVec::new();
        for &(c, x) in terms.iter().filter(|(_, x)| !self.constants.contains_key(x)) {
            // The search is for `x + x` and `x - x`; long sums are over different elements, or say less than they
            // could.
            let there = if terms.len() <= 8 { merged.iter_mut().find(|(_, there)| *there == x) } else { None };
            match there {
                Some((sum, _)) => *sum += c,
                None => merged.push((c, x)),
            }
        }
        let y = self.fresh(false);
        if merged.iter().any(|(c, _)| *c == 0.0) {
            // What cancels is still computed with: the elements are needed, and say nothing.
            let vars = std::iter::once(y).chain(merged.iter().map(|(_, x)| *x)).collect();
            self.tie(Tie::Forward, vars);
            return y;
        }
        let (factors, vars): (SmallVec<[f64; 2]>, Vec<Var>) = merged.into_iter().unzip();
        self.tie(Tie::Sum(factors), std::iter::once(y).chain(vars).collect());
        y
    }

    pub fn product(&mut self, a: Var, b: Var) -> Var {
        let (ca, cb) = (self.constants.get(&a).copied(), self.constants.get(&b).copied());
        match (ca, cb) {
            (_, Some(c)) => self.sum(&[(f64::from(c), a)]),
            (Some(c), _) => self.sum(&[(f64::from(c), b)]),
            _ => {
                let y = self.fresh(self.nonzero[a as usize] && self.nonzero[b as usize]);
                self.tie(Tie::Product, SmallVec::from_slice(&[y, a, b]));
                y
            }
        }
    }

    /// `a / b`, where `b` is not zero.
    pub fn quotient(&mut self, a: Var, b: Var) -> Var {
        let y = self.fresh(self.nonzero[a as usize]);
        self.nonzero[b as usize] = true;
        self.tie(Tie::Forward, SmallVec::from_slice(&[y, a, b]));
        // `a = y b`, read as a second fact about the same elements.
        self.equations.push(Equation { tie: Tie::Product, vars: SmallVec::from_slice(&[a, y, b]) });
        y
    }

    /// As many results as arguments, all of which determine each other.
    pub fn group(&mut self, xs: &[Var], nonzero: bool) -> Vec<Var> {
        let ys: Vec<Var> = xs.iter().map(|_| self.fresh(nonzero)).collect();
        self.tie(Tie::Group(ys.len()), ys.iter().chain(xs).copied().collect());
        ys
    }

    /// Something that is computed from `xs`.
    pub fn opaque(&mut self, xs: &[Var]) -> Var {
        let y = self.fresh(false);
        self.tie(Tie::Forward, std::iter::once(y).chain(xs.iter().copied()).collect());
        y
    }

    /// The elements that `from` is computed from, themselves included.
    pub fn needed(&self, from: impl IntoIterator<Item = Var>) -> Vec<bool> {
        let mut needed = vec![false; self.known.len()];
        let mut stack: Vec<Var> = from.into_iter().collect();
        while let Some(v) = stack.pop() {
            if std::mem::replace(&mut needed[v as usize], true) {
                continue;
            }
            if let Some(equation) = self.equations.get(self.made_by[v as usize] as usize) {
                stack.extend(&equation.vars[equation.results()..]);
            }
        }
        needed
    }

    /// Adds all that follows from what is known.
    pub fn close(&mut self) {
        let mut users: Vec<Vec<u32>> = vec![Vec::new(); self.known.len()];
        // Unknown results and arguments of each equation.
        let mut open: Vec<[usize; 2]> = Vec::with_capacity(self.equations.len());
        for (i, equation) in (0u32..).zip(&self.equations) {
            let split = equation.results();
            let mut count = [0, 0];
            for (at, &v) in equation.vars.iter().enumerate().filter(|(_, v)| !self.known[**v as usize]) {
                users[v as usize].push(i);
                count[usize::from(at >= split)] += 1;
            }
            open.push(count);
        }
        let mut ready: Vec<u32> = (0..u32::try_from(self.equations.len()).unwrap_or(NOBODY)).collect();
        let mut found: Vec<Var> = Vec::new();
        loop {
            while let Some(v) = found.pop() {
                if std::mem::replace(&mut self.known[v as usize], true) {
                    continue;
                }
                for user in std::mem::take(&mut users[v as usize]) {
                    let equation = &self.equations[user as usize];
                    let at = equation.vars.iter().position(|&u| u == v).unwrap_or_default();
                    let side = &mut open[user as usize][usize::from(at >= equation.results())];
                    *side = side.saturating_sub(1);
                    ready.push(user);
                }
            }
            match ready.pop() {
                Some(i) => found = self.follows(i as usize, open[i as usize]),
                None => {
                    found = self.solve(&open);
                    if found.is_empty() {
                        return;
                    }
                }
            }
        }
    }

    /// What one equation gives, if so many of its results and arguments are unknown.
    fn follows(&self, i: usize, [results, arguments]: [usize; 2]) -> Vec<Var> {
        let Equation { tie, vars } = &self.equations[i];
        if results + arguments == 0 {
            return Vec::new();
        }
        let unknown = || vars.iter().copied().filter(|v| !self.known[*v as usize]).collect::<Vec<Var>>();
        let gives = match tie {
            Tie::Injective | Tie::Group(_) => results == 0 || arguments == 0,
            Tie::Sum(_) => results + arguments == 1,
            Tie::Forward => arguments == 0,
            Tie::Product => {
                let [y, a, b] = [vars[0], vars[1], vars[2]];
                let known = |v: Var| self.known[v as usize];
                let divides = |v: Var| known(v) && self.nonzero[v as usize];
                (known(a) && known(b)) || (known(y) && a != b && (divides(a) || divides(b)))
            }
        };
        if gives { unknown() } else { Vec::new() }
    }

    /// Elements that sums with several unknown summands give together.
    fn solve(&self, open: &[[usize; 2]]) -> Vec<Var> {
        let stuck = |(i, equation): &(usize, &Equation)| {
            matches!(equation.tie, Tie::Sum(_)) && open[*i][0] + open[*i][1] > 1
        };
        let rows = self.equations.iter().enumerate().filter(stuck).filter_map(|(_, equation)| {
            let Tie::Sum(factors) = &equation.tie else { return None };
            let factor = std::iter::once(-1.0).chain(factors.iter().copied());
            let row: Vec<(Var, f64)> =
                equation.vars.iter().copied().zip(factor).filter(|(v, _)| !self.known[*v as usize]).collect();
            (row.len() <= LARGEST).then_some(row)
        });
        solve::determined(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x` is known if these are, and not known without them.
    fn gives(facts: &mut Facts, known: &[Var], x: Var) -> bool {
        facts.close();
        assert!(!facts.is_known(x), "nothing is known yet");
        known.iter().for_each(|&v| facts.learn(v));
        facts.close();
        facts.is_known(x)
    }

    #[test]
    fn a_sum_gives_its_last_unknown_summand() {
        let mut f = Facts::default();
        let (a, b) = (f.fresh(false), f.fresh(false));
        let y = f.sum(&[(2.0, a), (-1.0, b)]);
        assert!(!gives(&mut f, &[y], a));
        f.learn(b);
        f.close();
        assert!(f.is_known(a));
    }

    #[test]
    fn what_cancels_says_nothing_and_is_needed() {
        let mut f = Facts::default();
        let a = f.fresh(false);
        let y = f.sum(&[(1.0, a), (-1.0, a)]);
        assert!(!gives(&mut f, &[y], a));
        assert!(f.needed([y])[a as usize]);
    }

    #[test]
    fn two_sums_give_two_summands() {
        let mut f = Facts::default();
        let (centre, extent) = (f.fresh(false), f.fresh(false));
        let low = f.sum(&[(1.0, centre), (-0.5, extent)]);
        let high = f.sum(&[(1.0, centre), (0.5, extent)]);
        assert!(gives(&mut f, &[low, high], extent) && f.is_known(centre));
        let mut f = Facts::default();
        let (centre, extent) = (f.fresh(false), f.fresh(false));
        let low = f.sum(&[(1.0, centre), (-0.5, extent)]);
        let twice = f.sum(&[(2.0, centre), (-1.0, extent)]);
        assert!(!gives(&mut f, &[low, twice], extent), "the second sum repeats the first");
    }

    #[test]
    fn a_product_gives_a_factor_beside_a_known_one_that_is_not_zero() {
        for nonzero in [true, false] {
            let mut f = Facts::default();
            let (a, b) = (f.fresh(false), f.fresh(nonzero));
            let y = f.product(a, b);
            assert!(!gives(&mut f, &[y], a));
            f.learn(b);
            f.close();
            assert_eq!(f.is_known(a), nonzero);
        }
        let mut f = Facts::default();
        let a = f.fresh(true);
        let square = f.product(a, a);
        assert!(!gives(&mut f, &[square], a));
    }

    #[test]
    fn all_of_a_softmax_gives_its_logits_and_a_part_does_not() {
        let mut f = Facts::default();
        let xs = [f.fresh(false), f.fresh(false)];
        let ys = f.group(&xs, true);
        assert!(!gives(&mut f, &ys[..1], xs[0]));
        f.learn(ys[1]);
        f.close();
        assert!(xs.iter().all(|&x| f.is_known(x)));
    }
}
