//! Memory of values that are dead, for those that kernels store next: fresh pages of large buffers cost more than a
//! kernel that writes them.

/// Buffers to be written in full before they are read.
#[derive(Default)]
pub struct Spare {
    /// Shortest capacity first.
    buffers: Vec<Vec<u64>>,
}

/// As many as the values of a layer; more would be memory that nobody needs.
const KEPT: usize = 4;
/// Shorter ones come from the allocator as fast.
const SHORTEST: usize = 1 << 12;

impl Spare {
    /// A buffer of `len` elements, whatever they are: the shortest spare one that is long enough and not much longer,
    /// or a new one.
    pub fn take(&mut self, len: usize) -> Vec<u64> {
        let fits = self.buffers.partition_point(|b| b.capacity() < len);
        if len < SHORTEST || self.buffers.get(fits).is_none_or(|b| b.capacity() / 4 > len) {
            return vec![0; len];
        }
        let mut buffer = self.buffers.remove(fits);
        buffer.resize(len, 0);
        buffer
    }

    /// Takes a buffer that nobody needs any more.
    pub fn give(&mut self, buffer: Vec<u64>) {
        if buffer.capacity() < SHORTEST {
            return;
        }
        let at = self.buffers.partition_point(|b| b.capacity() < buffer.capacity());
        self.buffers.insert(at, buffer);
        if self.buffers.len() > KEPT {
            // The shortest is the cheapest to make again.
            self.buffers.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back() {
        let mut spare = Spare::default();
        for len in [SHORTEST, 3 * SHORTEST, 2 * SHORTEST] {
            spare.give(vec![7; len]);
        }
        assert_eq!(spare.take(2 * SHORTEST), vec![7; 2 * SHORTEST]);
        assert_eq!(spare.take(2 * SHORTEST - 1), vec![7; 2 * SHORTEST - 1], "the longer one");
        assert_eq!(spare.take(2 * SHORTEST), vec![0; 2 * SHORTEST], "none is long enough");
        assert_eq!(spare.buffers.len(), 1);
        (1..=KEPT + 1).for_each(|n| spare.give(vec![1; n * 8 * SHORTEST]));
        assert_eq!(spare.buffers.len(), KEPT);
        assert_eq!(spare.take(SHORTEST), vec![0; SHORTEST], "all are much longer");
    }
}
