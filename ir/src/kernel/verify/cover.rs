//! Which elements of a buffer were stored: disjoint, sorted runs.

#[derive(Debug, Default)]
pub(super) struct Cover {
    /// `start..end`; sorted, disjoint and not touching once [`Cover::settle`] ran.
    runs: Vec<(u64, u64)>,
    settled: usize,
}

impl Cover {
    /// Elements `start..end` are stored.
    pub fn add(&mut self, start: u64, end: u64) {
        self.runs.push((start, end));
    }

    fn settle(&mut self) {
        if self.settled == self.runs.len() {
            return;
        }
        self.runs.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for &(start, end) in &self.runs {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        self.settled = merged.len();
        self.runs = merged;
    }

    /// Whether elements `lo..=hi` are all stored.
    pub fn contains(&mut self, lo: u64, hi: u64) -> bool {
        self.settle();
        let after = self.runs.partition_point(|&(start, _)| start <= lo);
        after.checked_sub(1).is_some_and(|i| hi < self.runs[i].1)
    }

    /// The first of `len` elements that is not stored.
    pub fn first_gap(&mut self, len: u64) -> Option<u64> {
        self.settle();
        let end = self.runs.first().filter(|(start, _)| *start == 0).map_or(0, |(_, end)| *end);
        (end < len).then_some(end)
    }
}
