//! The cheapest program, proven; or how far off the best one found can be at most.
//!
//! ```text
//!   roots ──> component ──> component ──> ... ──> inputs          users before what they need
//!        states: sets of classes still to be computed, each with the least cost of what is above them
//! ```
//! Classes are processed users first, one strongly connected component at a time (they have two or three classes: a
//! value in two rings, each computable from the other). What lies below depends only on the *set* of classes that are
//! still wanted, so of all choices above with the same set only the cheapest counts, and a set is beaten by a subset
//! that costs no more. Networks are long and narrow: a handful of sets is open at a time, and the last state left is
//! the optimum. Inside a component every choice without a circle is tried.
//!
//! Where the sets become too many (dense blocks keep many values open) the search runs twice for each width: once it
//! *drops* the dearest sets, which gives a program, and once it *forgets* wanted classes until sets coincide, which
//! gives a lower bound. Work is counted in steps, not in seconds, so that the result is the same on every machine.

use super::{Choice, Picos, Problem};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// What is known of the optimum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub choice: Choice,
    pub total: Picos,
    /// No program is cheaper.
    pub bound: Picos,
}

impl Proof {
    #[cfg(test)]
    pub fn is_optimal(&self) -> bool {
        self.bound >= self.total
    }
}

/// Steps of the search that take about a second on one core of a current server.
pub(crate) const STEPS_PER_SECOND: u64 = 2_000_000;

/// Numbers of open sets, one search after the other until the optimum is proven or the steps are used up.
const WIDTHS: [usize; 4] = [64, 512, 4096, 32_768];
/// Choices inside one component for one set of wanted classes.
const MAX_INSIDE: usize = 4096;

/// A way to compute the wanted classes of a component.
struct Way {
    price: Picos,
    /// Classes below that it wants, by their place in the order.
    wants: Vec<u32>,
    picks: Rc<[(usize, usize)]>,
}

#[derive(Clone)]
struct State {
    /// Wanted classes by their place in the order, ascending.
    wanted: Vec<u32>,
    cost: Picos,
    /// Its last way in the history.
    last: u32,
}

/// One way taken; leads back to the roots.
struct Step {
    before: u32,
    picks: Rc<[(usize, usize)]>,
}

const NONE: u32 = u32::MAX;

/// How a search treats more sets than it may keep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    /// Drops the dearest: what is left are programs.
    Drop,
    /// Forgets wanted classes: what is left costs at most what programs cost.
    Forget,
}

struct Search<'a> {
    problem: &'a Problem,
    /// Components in order, users first; each a range of places.
    components: Vec<std::ops::Range<u32>>,
    /// Class at each place.
    class: Vec<usize>,
    place: Vec<u32>,
    /// No less than what computing the class alone costs.
    least: Vec<Picos>,
    ways: HashMap<Vec<u32>, Rc<Vec<Way>>>,
    steps: u64,
    budget: u64,
}

impl Problem {
    /// Improves `incumbent` to the optimum, or as far as about `budget` steps allow.
    pub fn exact(&self, incumbent: (Choice, Picos), budget: u64) -> Proof {
        let mut proof = Proof { choice: incumbent.0, total: incumbent.1, bound: 0 };
        let Some(mut search) = Search::new(self, budget) else { return proof };
        for width in WIDTHS {
            for overflow in [Overflow::Forget, Overflow::Drop] {
                let Some((found, complete)) = search.run(width, overflow, proof.total) else { return proof };
                match (found, complete || overflow == Overflow::Drop) {
                    // Nothing is cheaper than the incumbent.
                    (None, _) if complete => proof.bound = proof.total,
                    (None, _) if overflow == Overflow::Forget => proof.bound = proof.total,
                    (None, _) => {}
                    (Some((total, picks)), true) => {
                        let mut choice = vec![None; self.classes.len()];
                        picks.into_iter().for_each(|(c, k)| choice[c] = Some(k));
                        debug_assert_eq!(self.total(&choice), Some(total));
                        if self.total(&choice).is_some_and(|t| t < proof.total) {
                            proof.total = total;
                            proof.choice = choice;
                        }
                        if complete {
                            proof.bound = proof.total;
                        }
                    }
                    (Some((bound, _)), false) => proof.bound = proof.bound.max(bound),
                }
                if proof.bound >= proof.total {
                    return proof;
                }
            }
        }
        proof
    }
}

impl<'a> Search<'a> {
    /// `None` if a root cannot be computed.
    fn new(problem: &'a Problem, budget: u64) -> Option<Search<'a>> {
        let least = problem.least();
        problem.roots.iter().try_for_each(|&r| least[r].map(|_| ()))?;
        let (mut class, mut place) = (Vec::new(), vec![NONE; problem.classes.len()]);
        let mut components = Vec::new();
        for component in problem.components() {
            let start = class.len() as u32;
            for c in component {
                place[c] = class.len() as u32;
                class.push(c);
            }
            components.push(start..class.len() as u32);
        }
        let least = least.into_iter().map(Option::unwrap_or_default).collect();
        Some(Search { problem, components, class, place, least, ways: HashMap::new(), steps: 0, budget })
    }

    /// The cheapest choice below `limit` among the sets that were kept, and whether all were; `None` if the steps ran
    /// out.
    #[allow(clippy::type_complexity)]
    fn run(
        &mut self,
        width: usize,
        overflow: Overflow,
        limit: Picos,
    ) -> Option<(Option<(Picos, Vec<(usize, usize)>)>, bool)> {
        let mut wanted: Vec<u32> = self.problem.roots.iter().map(|&r| self.place[r]).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut states = vec![State { wanted, cost: 0, last: NONE }];
        let mut history: Vec<Step> = Vec::new();
        let mut complete = true;
        for component in self.components.clone() {
            let (mut next, mut known): (Vec<State>, HashMap<Vec<u32>, usize>) = (Vec::new(), HashMap::new());
            let mut expanded = false;
            for state in states {
                let inside = state.wanted.iter().take_while(|&&p| p < component.end).count();
                if inside == 0 {
                    keep(&mut next, &mut known, state);
                    continue;
                }
                expanded = true;
                let ways = self.ways(&state.wanted[..inside], &component)?;
                for way in ways.iter() {
                    self.steps += 1;
                    let cost = state.cost.saturating_add(way.price);
                    let wanted = merged(&state.wanted[inside..], &way.wants);
                    let rest = wanted.iter().map(|&p| self.least[self.class[p as usize]]).max().unwrap_or(0);
                    if cost.saturating_add(rest) >= limit {
                        continue;
                    }
                    let last = history.len() as u32;
                    if keep(&mut next, &mut known, State { wanted, cost, last }) {
                        history.push(Step { before: state.last, picks: Rc::clone(&way.picks) });
                    }
                }
            }
            states = if expanded { self.undominated(next) } else { next };
            if states.len() > width {
                complete = false;
                match overflow {
                    Overflow::Drop => states.truncate(width),
                    Overflow::Forget => states = self.forgotten(states, width),
                }
            }
            if self.steps > self.budget {
                return None;
            }
        }
        let best = states.into_iter().min_by_key(|s| s.cost).map(|s| {
            let (mut picks, mut at) = (Vec::new(), s.last);
            while let Some(step) = history.get(at as usize) {
                picks.extend(step.picks.iter().copied());
                at = step.before;
            }
            (s.cost, picks)
        });
        Some((best, complete))
    }

    /// Without sets of which a subset costs no more; the cheapest first.
    fn undominated(&mut self, mut states: Vec<State>) -> Vec<State> {
        states.sort_by(|a, b| (a.cost, a.wanted.len(), &a.wanted).cmp(&(b.cost, b.wanted.len(), &b.wanted)));
        let mut kept: Vec<(u64, State)> = Vec::new();
        for state in states {
            let mark = state.wanted.iter().fold(0u64, |m, p| m | 1 << (p % 64));
            self.steps += 1 + kept.len() as u64 / 64;
            let beaten = kept.iter().any(|(m, s)| m & !mark == 0 && is_subset(&s.wanted, &state.wanted));
            if !beaten {
                kept.push((mark, state));
            }
        }
        kept.into_iter().map(|(_, s)| s).collect()
    }

    /// Forgets wanted classes, those first that cost least, until at most `width` sets are left.
    fn forgotten(&mut self, mut states: Vec<State>, width: usize) -> Vec<State> {
        while states.len() > width {
            let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
            states.iter().flat_map(|s| &s.wanted).for_each(|&p| *counts.entry(p).or_default() += 1);
            // What all sets want tells none apart.
            let told: Vec<u32> = counts.into_iter().filter(|&(_, n)| n < states.len()).map(|(p, _)| p).collect();
            let Some(&victim) = told.iter().min_by_key(|&&p| (self.least[self.class[p as usize]], p)) else {
                break;
            };
            let (mut next, mut known) = (Vec::new(), HashMap::new());
            for mut state in states {
                self.steps += 1;
                state.wanted.retain(|&p| p != victim);
                keep(&mut next, &mut known, state);
            }
            states = self.undominated(next);
        }
        states
    }

    /// The ways to compute `wanted` classes of a component, none of which is beaten by another.
    fn ways(&mut self, wanted: &[u32], component: &std::ops::Range<u32>) -> Option<Rc<Vec<Way>>> {
        if let Some(ways) = self.ways.get(wanted) {
            return Some(Rc::clone(ways));
        }
        let mut found = Vec::new();
        let mut open: Vec<u32> = wanted.to_vec();
        self.inside(&mut open, &mut Vec::new(), component, &mut found)?;
        found.sort_by(|a, b| (a.price, a.wants.len(), &a.wants).cmp(&(b.price, b.wants.len(), &b.wants)));
        let mut kept: Vec<Way> = Vec::new();
        for way in found {
            if !kept.iter().any(|w| is_subset(&w.wants, &way.wants)) {
                kept.push(way);
            }
        }
        let kept = Rc::new(kept);
        self.ways.insert(wanted.to_vec(), Rc::clone(&kept));
        Some(kept)
    }

    /// Every choice for `open` classes of a component and for what they need in it; `None` if there are too many.
    fn inside(
        &mut self,
        open: &mut Vec<u32>,
        picks: &mut Vec<(usize, usize)>,
        component: &std::ops::Range<u32>,
        found: &mut Vec<Way>,
    ) -> Option<()> {
        let Some(place) = open.pop() else {
            if let Some(way) = self.way(picks, component) {
                found.push(way);
            }
            return (found.len() <= MAX_INSIDE).then_some(());
        };
        let class = self.class[place as usize];
        for (k, candidate) in self.problem.classes[class].iter().enumerate() {
            self.steps += 1;
            if self.steps > self.budget {
                return None;
            }
            picks.push((class, k));
            let before = open.clone();
            for &n in &candidate.needs {
                let p = self.place[n];
                if component.contains(&p) && !open.contains(&p) && !picks.iter().any(|&(c, _)| c == n) {
                    open.push(p);
                }
            }
            self.inside(open, picks, component, found)?;
            *open = before;
            picks.pop();
        }
        open.push(place);
        Some(())
    }

    /// What picks in a component cost and want, if they go in no circle.
    fn way(&self, picks: &[(usize, usize)], component: &std::ops::Range<u32>) -> Option<Way> {
        let needs = |&(c, k): &(usize, usize)| &self.problem.classes[c][k].needs;
        // Computed classes of the component, needs first.
        let mut done: Vec<usize> = Vec::with_capacity(picks.len());
        while done.len() < picks.len() {
            let ready = picks.iter().find(|&pick| {
                let inside = |&&n: &&usize| component.contains(&self.place[n]);
                !done.contains(&pick.0) && needs(pick).iter().filter(inside).all(|n| done.contains(n))
            });
            done.push(ready?.0);
        }
        let mut wants: Vec<u32> =
            picks.iter().flat_map(needs).map(|&n| self.place[n]).filter(|p| !component.contains(p)).collect();
        wants.sort_unstable();
        wants.dedup();
        let price = picks.iter().map(|&(c, k)| self.problem.classes[c][k].price).fold(0, Picos::saturating_add);
        Some(Way { price, wants, picks: picks.into() })
    }
}

/// Adds a state, or lowers the cost of the one with the same set. Whether it is new or cheaper.
fn keep(states: &mut Vec<State>, known: &mut HashMap<Vec<u32>, usize>, state: State) -> bool {
    match known.get(&state.wanted) {
        Some(&at) if states[at].cost <= state.cost => false,
        Some(&at) => {
            states[at] = state;
            true
        }
        None => {
            known.insert(state.wanted.clone(), states.len());
            states.push(state);
            true
        }
    }
}

/// The union of two ascending lists.
fn merged(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut all = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        all.push(*x.min(y));
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    all.extend(&a[i..]);
    all.extend(&b[j..]);
    all
}

/// Both ascending.
fn is_subset(a: &[u32], b: &[u32]) -> bool {
    let mut rest = b.iter();
    a.len() <= b.len() && a.iter().all(|x| rest.by_ref().any(|y| y == x))
}
