//! The cheapest program in an e-graph, with every shared value paid for once.
//!
//! Prices of trees are useless here: a residual network as a tree has more layers than atoms. So a class carries the
//! *set* of classes that its choice depends on, as bits, and its total is the sum over the set. Three steps:
//!
//! 1. greedy: every class takes the node whose set is cheapest, to a fixpoint; then again with the price of each class
//!    divided among those that used it the last time, so that sharing attracts;
//! 2. joint: what pays only if several users take it together (one wide layer for two) is tried as if it were there
//!    already, and kept if the whole program gets cheaper;
//! 3. polish: one choice at a time against the whole program.
//!
//! Everything is in integers and in a fixed order. A program of the original nodes alone is a candidate too.

use picc_ir::cost::profile::Picos;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

/// One way to compute a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The caller's name for it.
    pub node: usize,
    pub price: Picos,
    /// Classes that it needs, each once.
    pub needs: Vec<usize>,
    /// The rules that led to it.
    pub made_by: Rc<[usize]>,
}

/// Classes with their candidates, and the classes that the program must have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problem {
    pub classes: Vec<Vec<Candidate>>,
    pub roots: Vec<usize>,
}

/// How long to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    Quick,
    Full,
}

/// For each class the index of its candidate, where it has one.
pub(crate) type Choice = Vec<Option<usize>>;

/// Most joint choices that are tried.
const MAX_TRIALS: usize = 400;
/// Most passes over the program that look for single better choices.
const MAX_POLISH: usize = 4;

type Bits = Rc<[u64]>;

fn contains(bits: &[u64], i: usize) -> bool {
    bits[i / 64] >> (i % 64) & 1 == 1
}

fn members(bits: &[u64]) -> impl Iterator<Item = usize> + '_ {
    bits.iter().enumerate().flat_map(|(w, &word)| {
        std::iter::successors((word != 0).then_some(word), |&rest| {
            let rest = rest & (rest - 1);
            (rest != 0).then_some(rest)
        })
        .map(move |rest| w * 64 + rest.trailing_zeros() as usize)
    })
}

/// Who uses each class, and how deep it lies: needs settle before those that use them.
struct Links {
    users: Vec<Vec<usize>>,
    depth: Vec<usize>,
}

#[derive(Clone)]
struct Best {
    pick: usize,
    total: Picos,
    set: Bits,
}

/// Greedy choices under prices that may differ from the true ones.
#[derive(Clone)]
struct State {
    best: Vec<Option<Best>>,
    /// Among how many the price of each class is divided; [`SUNK`]: it counts as nothing.
    share: Vec<Picos>,
}

const SUNK: Picos = Picos::MAX;
/// Greedy rounds with divided prices.
const MAX_SHARING: usize = 6;

impl Problem {
    /// The cheapest choice found, and its price; `None` if a root cannot be computed.
    pub fn solve(&self, effort: Effort) -> Option<(Choice, Picos)> {
        let links = self.links();
        let mut state = State { best: vec![None; self.classes.len()], share: vec![1; self.classes.len()] };
        self.settle(&mut state, &links, 0..self.classes.len());
        let mut solution = self.checked(&state)?;
        self.polish(&mut solution, &links);
        self.divide(&mut solution, &links, if effort == Effort::Full { MAX_SHARING } else { 3 });
        if effort == Effort::Full {
            self.join(&mut state, &mut solution, &links);
            self.polish(&mut solution, &links);
        }
        Some(solution)
    }

    /// A choice improved by single and joint changes.
    pub fn improve(&self, solution: &mut (Choice, Picos)) {
        self.polish(solution, &self.links());
    }

    /// The same problem without some candidates.
    pub fn without(&self, dropped: impl Fn(usize, &Candidate) -> bool) -> Problem {
        let classes = self.classes.iter().enumerate();
        let kept = |(c, all): (usize, &Vec<Candidate>)| all.iter().filter(|k| !dropped(c, k)).cloned().collect();
        Problem { classes: classes.map(kept).collect(), roots: self.roots.clone() }
    }

    /// [`Problem::solve`], with the choice named as in `whole`, which has all candidates of this problem and more.
    pub fn solve_in(&self, whole: &Problem, effort: Effort) -> Option<(Choice, Picos)> {
        let (choice, total) = self.solve(effort)?;
        let rename = |(c, pick): (usize, &Option<usize>)| {
            let node = self.classes[c][(*pick)?].node;
            whole.classes[c].iter().position(|k| k.node == node)
        };
        Some((choice.iter().enumerate().map(rename).collect(), total))
    }

    /// Of candidates that need the same and were made by the same rules, only the cheapest can be chosen.
    pub fn prune(&mut self) {
        for class in &mut self.classes {
            let mut kept: Vec<Candidate> = Vec::new();
            for c in class.drain(..) {
                match kept.iter_mut().find(|k| k.needs == c.needs && k.made_by == c.made_by) {
                    Some(k) if c.price < k.price => *k = c,
                    Some(_) => {}
                    None => kept.push(c),
                }
            }
            *class = kept;
        }
    }

    fn links(&self) -> Links {
        let mut users = vec![BTreeSet::new(); self.classes.len()];
        for (c, candidates) in self.classes.iter().enumerate() {
            candidates.iter().flat_map(|k| &k.needs).for_each(|&n| {
                users[n].insert(c);
            });
        }
        let users: Vec<Vec<usize>> = users.into_iter().map(|u| u.into_iter().collect()).collect();
        // The shallowest tree of each class.
        let mut depth = vec![usize::MAX; self.classes.len()];
        let mut queue: VecDeque<usize> = (0..self.classes.len()).collect();
        while let Some(c) = queue.pop_front() {
            let tree = |k: &Candidate| {
                k.needs.iter().try_fold(0, |d: usize, &n| depth[n].checked_add(1).map(|e| d.max(e)))
            };
            let least = self.classes[c].iter().filter_map(tree).min();
            if let Some(d) = least.filter(|&d| d < depth[c]) {
                depth[c] = d;
                queue.extend(&users[c]);
            }
        }
        Links { users, depth }
    }

    fn price(&self, state: &State, class: usize, pick: usize) -> Picos {
        (self.classes[class][pick].price / state.share[class]).max(1)
    }

    /// Set and total of a candidate; `None` if it needs what has no choice, or itself.
    fn evaluate(&self, state: &State, class: usize, pick: usize) -> Option<(Picos, Bits)> {
        let mut set = vec![0u64; self.classes.len().div_ceil(64)];
        for &need in &self.classes[class][pick].needs {
            let best = state.best[need].as_ref()?;
            if need == class || contains(&best.set, class) {
                return None;
            }
            set.iter_mut().zip(best.set.iter()).for_each(|(a, b)| *a |= b);
        }
        let rest: Picos = members(&set)
            .map(|c| state.best[c].as_ref().map_or(0, |b| self.price(state, c, b.pick)))
            .fold(0, Picos::saturating_add);
        set[class / 64] |= 1 << (class % 64);
        Some((rest.saturating_add(self.price(state, class, pick)), set.into()))
    }

    /// Lets these classes choose again, and those that use them where they changed.
    fn settle(&self, state: &mut State, links: &Links, classes: impl IntoIterator<Item = usize>) {
        let mut queue: BTreeSet<(usize, usize)> = classes.into_iter().map(|c| (links.depth[c], c)).collect();
        // Totals only fall, but sets change with their members: bound what a cycle of changes could take.
        let mut turns = 64 * self.classes.len() + 1024;
        while let Some((_, class)) = queue.pop_first() {
            if turns == 0 {
                return;
            }
            turns -= 1;
            let mut chosen: Option<Best> = None;
            for pick in 0..self.classes[class].len() {
                if let Some((total, set)) = self.evaluate(state, class, pick)
                    && chosen.as_ref().is_none_or(|b| total < b.total)
                {
                    chosen = Some(Best { pick, total, set });
                }
            }
            let Some(chosen) = chosen else { continue };
            let same = state.best[class]
                .as_ref()
                .is_some_and(|b| (b.pick, b.total) == (chosen.pick, chosen.total) && b.set == chosen.set);
            let worse = state.best[class].as_ref().is_some_and(|b| b.pick != chosen.pick && b.total < chosen.total);
            if same || worse {
                continue;
            }
            state.best[class] = Some(chosen);
            queue.extend(links.users[class].iter().map(|&user| (links.depth[user], user)));
        }
    }

    /// The choice of a state with its true price, if it makes a program.
    fn checked(&self, state: &State) -> Option<(Choice, Picos)> {
        let choice: Choice = state.best.iter().map(|b| b.as_ref().map(|b| b.pick)).collect();
        self.total(&choice).map(|total| (choice, total))
    }

    /// True price of what the roots need; `None` if something is missing or goes in a circle.
    pub fn total(&self, choice: &Choice) -> Option<Picos> {
        self.reach(choice).map(|order| {
            order.iter().filter_map(|&c| choice[c].map(|k| self.classes[c][k].price)).fold(0, Picos::saturating_add)
        })
    }

    /// The classes of the program, needs first.
    pub fn reach(&self, choice: &Choice) -> Option<Vec<usize>> {
        let mut order = Vec::new();
        // 0 unseen, 1 open, 2 done
        let mut mark = vec![0u8; self.classes.len()];
        for &root in &self.roots {
            let mut stack = vec![(root, 0)];
            while let Some((class, next)) = stack.pop() {
                if next == 0 {
                    match mark[class] {
                        2 => continue,
                        1 => return None,
                        _ => mark[class] = 1,
                    }
                }
                let needs = &self.classes[class][choice[class]?].needs;
                match needs.get(next) {
                    Some(&need) => {
                        stack.push((class, next + 1));
                        match mark[need] {
                            0 => stack.push((need, 0)),
                            1 => return None,
                            _ => {}
                        }
                    }
                    None => {
                        mark[class] = 2;
                        order.push(class);
                    }
                }
            }
        }
        Some(order)
    }

    /// Greedy rounds in which sharing attracts: every user pays its part.
    fn divide(&self, solution: &mut (Choice, Picos), links: &Links, rounds: usize) {
        let mut last = solution.0.clone();
        for _ in 0..rounds {
            let Some(order) = self.reach(&last) else { return };
            let mut share = vec![0; self.classes.len()];
            for &c in &order {
                let Some(pick) = last[c] else { continue };
                self.classes[c][pick].needs.iter().for_each(|&n| share[n] += 1);
            }
            share.iter_mut().for_each(|s: &mut Picos| *s = (*s).max(1));
            let mut state = State { best: vec![None; self.classes.len()], share };
            self.settle(&mut state, links, 0..self.classes.len());
            let Some(mut found) = self.checked(&state) else { return };
            self.polish(&mut found, links);
            let settled = found.0 == last;
            last = found.0.clone();
            if found.1 < solution.1 {
                *solution = found;
            }
            if settled {
                return;
            }
        }
    }

    /// Tries what several users could share.
    fn join(&self, state: &mut State, solution: &mut (Choice, Picos), links: &Links) {
        let Some(order) = self.reach(&solution.0) else { return };
        let mut inside = vec![false; self.classes.len()];
        order.iter().for_each(|&c| inside[c] = true);
        let mut trials: Vec<(Picos, usize)> = (0..self.classes.len())
            .filter(|&c| !inside[c] && links.users[c].len() > 1)
            .filter_map(|c| {
                let best = state.best[c].as_ref()?;
                let new = members(&best.set).filter(|&m| !inside[m]);
                Some((new.map(|m| state.best[m].as_ref().map_or(0, |b| self.classes[m][b.pick].price)).sum(), c))
            })
            .collect();
        trials.sort_by_key(|&(price, c)| (std::cmp::Reverse(price), c));
        for (_, class) in trials.into_iter().take(MAX_TRIALS) {
            if inside[class] {
                continue;
            }
            let Some(best) = &state.best[class] else { continue };
            let mut tried = state.clone();
            let sunk: Vec<usize> = members(&best.set).filter(|&m| !inside[m]).collect();
            sunk.iter().for_each(|&m| tried.share[m] = SUNK);
            self.settle(&mut tried, links, sunk);
            if let Some((choice, total)) = self.checked(&tried)
                && total < solution.1
            {
                *solution = (choice, total);
                *state = tried;
                inside.fill(false);
                self.reach(&solution.0).into_iter().flatten().for_each(|c| inside[c] = true);
            }
        }
    }

    /// Changes single choices while the program gets cheaper. What a choice newly needs is computed as is best next to
    /// the program that is there.
    fn polish(&self, solution: &mut (Choice, Picos), links: &Links) {
        for _ in 0..MAX_POLISH {
            let Some(order) = self.reach(&solution.0) else { return };
            let before = solution.1;
            let inside: BTreeSet<usize> = order.iter().copied().collect();
            let beside = self.beside(&solution.0, &inside, links);
            for (c, pick) in beside.into_iter().enumerate().filter(|(c, _)| !inside.contains(c)) {
                solution.0[c] = pick;
            }
            for &class in order.iter().rev().filter(|&&c| self.classes[c].len() > 1) {
                for pick in 0..self.classes[class].len() {
                    if solution.0[class] == Some(pick) || self.classes[class][pick].price >= solution.1 {
                        continue;
                    }
                    let kept = solution.0[class].replace(pick);
                    match self.total(&solution.0) {
                        Some(total) if total < solution.1 => solution.1 = total,
                        _ => solution.0[class] = kept,
                    }
                }
            }
            if solution.1 == before {
                return;
            }
        }
    }

    /// Greedy choices where the classes of a program are as it has them, and already paid for.
    fn beside(&self, choice: &Choice, inside: &BTreeSet<usize>, links: &Links) -> Choice {
        let mut fixed = self.clone();
        for &c in inside {
            let Some(pick) = choice[c] else { continue };
            let kept = fixed.classes[c][pick].clone();
            // The same place, so that choices keep their names.
            fixed.classes[c].iter_mut().for_each(|k| *k = kept.clone());
        }
        let share = (0..self.classes.len()).map(|c| if inside.contains(&c) { SUNK } else { 1 }).collect();
        let mut state = State { best: vec![None; self.classes.len()], share };
        fixed.settle(&mut state, links, 0..self.classes.len());
        state.best.iter().map(|b| b.as_ref().map(|b| b.pick)).collect()
    }
}

mod components;
pub(crate) mod exact;
#[cfg(test)]
mod tests;
