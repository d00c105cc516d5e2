//! Memory of a kernel's own, kept from run to run.

use zeroize::Zeroizing;

/// Scratch memory for any kernel, one at a time; wiped when dropped, since it holds shares. A verified kernel loads
/// nothing from it that it has not stored in the same run.
#[derive(Default)]
pub struct Scratch {
    words: Zeroizing<Vec<u64>>,
}

impl Scratch {
    /// The start of at least that many words.
    pub(super) fn at_least(&mut self, words: usize) -> *mut u64 {
        if self.words.len() < words {
            // The old words are wiped, not copied.
            self.words = Zeroizing::new(vec![0; words]);
        }
        self.words.as_mut_ptr()
    }
}
