//! Which unknowns a system of linear equations determines.

use std::collections::HashMap;

/// Unknowns of a system that is solved; nothing is said of larger ones.
pub(super) const LARGEST: usize = 64;

/// Below this, relative to its row, a pivot is taken for zero: then less is known, which is the safe side.
const TINY: f64 = 1e-9;

/// The unknowns that have one value only, whatever the right-hand sides are.
pub(super) fn determined(rows: Vec<Vec<(u32, f64)>>) -> Vec<u32> {
    let mut found = Vec::new();
    for system in systems(rows) {
        found.extend(system.solve());
    }
    found.sort_unstable();
    found.dedup();
    found
}

struct System {
    unknowns: Vec<u32>,
    rows: Vec<Vec<f64>>,
}

/// The representative of the unknowns that `v` is tied to.
fn root(group: &mut HashMap<u32, u32>, v: u32) -> u32 {
    let mut at = v;
    while let Some(&up) = group.get(&at).filter(|&&up| up != at) {
        at = up;
    }
    group.insert(v, at);
    at
}

/// Rows that share unknowns, directly or through others, together.
fn systems(rows: Vec<Vec<(u32, f64)>>) -> Vec<System> {
    let mut group: HashMap<u32, u32> = HashMap::new();
    for row in &rows {
        for pair in row.windows(2) {
            let (a, b) = (root(&mut group, pair[0].0), root(&mut group, pair[1].0));
            group.insert(a, b);
        }
    }
    let mut members: HashMap<u32, Vec<Vec<(u32, f64)>>> = HashMap::new();
    for row in rows.into_iter().filter(|r| !r.is_empty()) {
        let of = root(&mut group, row[0].0);
        members.entry(of).or_default().push(row);
    }
    members.into_values().filter_map(System::new).collect()
}

impl System {
    fn new(rows: Vec<Vec<(u32, f64)>>) -> Option<System> {
        let mut unknowns: Vec<u32> = rows.iter().flatten().map(|(v, _)| *v).collect();
        unknowns.sort_unstable();
        unknowns.dedup();
        if unknowns.len() > LARGEST || rows.len() > 4 * LARGEST {
            return None;
        }
        let dense = |row: Vec<(u32, f64)>| {
            let mut dense = vec![0.0; unknowns.len()];
            for (v, c) in row {
                dense[unknowns.partition_point(|u| *u < v)] += c;
            }
            dense
        };
        let rows = rows.into_iter().map(dense).collect();
        Some(System { unknowns, rows })
    }

    /// Gauss and Jordan; an unknown is determined if its row holds nothing else.
    fn solve(mut self) -> Vec<u32> {
        let mut rank = 0;
        let mut pivots = Vec::new();
        for column in 0..self.unknowns.len() {
            let size = |row: &Vec<f64>| row.iter().fold(0.0f64, |m, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
            let relative = |i: usize| self.rows[i][column].abs() / size(&self.rows[i]);
            let Some(best) = (rank..self.rows.len()).max_by(|&a, &b| relative(a).total_cmp(&relative(b))) else {
                break;
            };
            if relative(best) <= TINY {
                (rank..self.rows.len()).for_each(|i| self.rows[i][column] = 0.0);
                continue;
            }
            self.rows.swap(rank, best);
            let pivot = self.rows[rank][column];
            self.rows[rank].iter_mut().for_each(|v| *v /= pivot);
            let taken = self.rows[rank].clone();
            for (i, row) in self.rows.iter_mut().enumerate() {
                let factor = row[column];
                if i == rank || factor == 0.0 {
                    continue;
                }
                for (v, &t) in row.iter_mut().zip(&taken) {
                    let (before, less) = (*v, factor * t);
                    *v = before - less;
                    // What cancels up to rounding is zero.
                    if v.abs() <= TINY * before.abs().max(less.abs()) {
                        *v = 0.0;
                    }
                }
            }
            pivots.push((column, rank));
            rank += 1;
        }
        let alone = |&(column, row): &(usize, usize)| {
            self.rows[row].iter().enumerate().all(|(j, &v)| j == column || v == 0.0)
        };
        pivots.iter().filter(|p| alone(p)).map(|&(column, _)| self.unknowns[column]).collect()
    }
}
