//! Disjoint sets of small numbers: union-find.

/// Each set is named by its least member.
pub(crate) struct Sets(Vec<u32>);

impl Sets {
    /// `0..n`, each alone.
    pub fn new(n: usize) -> Sets {
        Sets((0..n as u32).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `n` more members, each alone: the first of them.
    pub fn grow(&mut self, n: usize) -> u32 {
        let first = self.0.len() as u32;
        self.0.extend(first..first + n as u32);
        first
    }

    /// The least member of the set that `i` is in.
    pub fn root(&self, mut i: u32) -> u32 {
        while self.0[i as usize] != i {
            i = self.0[i as usize];
        }
        i
    }

    /// Makes one set of those of `a` and `b`: its least member.
    pub fn unite(&mut self, a: u32, b: u32) -> u32 {
        let (a, b) = (self.settled(a), self.settled(b));
        let (low, high) = (a.min(b), a.max(b));
        self.0[high as usize] = low;
        low
    }

    /// [`Self::root`], and halves the way to it.
    fn settled(&mut self, mut i: u32) -> u32 {
        while self.0[i as usize] != i {
            let next = self.0[self.0[i as usize] as usize];
            self.0[i as usize] = next;
            i = next;
        }
        i
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_by_their_least_member() {
        let mut sets = Sets::new(6);
        sets.unite(5, 4);
        sets.unite(4, 2);
        sets.unite(1, 3);
        assert_eq!([0, 1, 2, 3, 4, 5].map(|i| sets.root(i)), [0, 1, 2, 1, 2, 2]);
        assert_eq!((sets.unite(3, 5), sets.root(4), sets.grow(2), sets.len()), (1, 1, 6, 8));
    }
}
