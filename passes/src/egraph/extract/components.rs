//! What the exact search knows before it starts: its order, and least prices.

use super::{Candidate, Picos, Problem};

impl Problem {
    /// Strongly connected components of what the roots may need, users first.
    pub(super) fn components(&self) -> Vec<Vec<usize>> {
        let n = self.classes.len();
        let needs: Vec<Vec<usize>> = self
            .classes
            .iter()
            .map(|c| {
                let mut all: Vec<usize> = c.iter().flat_map(|k| k.needs.iter().copied()).collect();
                all.sort_unstable();
                all.dedup();
                all
            })
            .collect();
        let (mut index, mut low, mut open) = (vec![usize::MAX; n], vec![0; n], vec![false; n]);
        let (mut stack, mut next, mut found) = (Vec::new(), 0, Vec::new());
        for &root in &self.roots {
            let mut calls = if index[root] == usize::MAX { vec![(root, 0)] } else { Vec::new() };
            while let Some((v, i)) = calls.pop() {
                if i == 0 {
                    (index[v], low[v], open[v]) = (next, next, true);
                    next += 1;
                    stack.push(v);
                }
                if let Some(&w) = needs[v].get(i) {
                    calls.push((v, i + 1));
                    if index[w] == usize::MAX {
                        calls.push((w, 0));
                    } else if open[w] {
                        low[v] = low[v].min(index[w]);
                    }
                    continue;
                }
                if low[v] == index[v] {
                    let at = stack.iter().rposition(|&w| w == v).unwrap_or(0);
                    let component = stack.split_off(at);
                    component.iter().for_each(|&w| open[w] = false);
                    found.push(component);
                }
                if let Some(&(user, _)) = calls.last() {
                    low[user] = low[user].min(low[v]);
                }
            }
        }
        found.reverse();
        found
    }

    /// For each class no more than computing it costs: the dearest of what is needed, alone.
    pub(super) fn least(&self) -> Vec<Option<Picos>> {
        let mut least: Vec<Option<Picos>> = vec![None; self.classes.len()];
        loop {
            let mut changed = false;
            for (c, candidates) in self.classes.iter().enumerate() {
                let of = |k: &Candidate| {
                    let dearest = k.needs.iter().try_fold(0, |most: Picos, &n| least[n].map(|l| most.max(l)))?;
                    Some(dearest.saturating_add(k.price))
                };
                let best = candidates.iter().filter_map(of).min();
                if best.is_some_and(|b| least[c].is_none_or(|l| b < l)) {
                    least[c] = best;
                    changed = true;
                }
            }
            if !changed {
                return least;
            }
        }
    }
}
