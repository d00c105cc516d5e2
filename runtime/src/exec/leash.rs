//! How far a server lets a session go, and how another thread ends it.

use crate::error::{Refusal, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One session's limits, shared by its thread and whoever watches over it.
#[derive(Debug)]
pub struct Leash {
    inferences: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when the session waits for a request of its client.
    resting: Option<Instant>,
    ended: Option<Refusal>,
}

impl Leash {
    /// A session of at most this many inferences.
    #[must_use]
    pub fn new(inferences: u64) -> Leash {
        Leash { inferences, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every state is a valid one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session, if nobody did before. Whether it waits for a request: then it needs to be woken and can say
    /// farewell, and otherwise it goes on until it waits or its connection closes.
    pub fn end(&self, why: Refusal) -> bool {
        let mut state = self.state();
        state.ended.get_or_insert(why);
        state.resting.is_some()
    }

    /// Since when it waits for a request.
    #[must_use]
    pub fn resting(&self) -> Option<Instant> {
        self.state().resting
    }

    /// Why it was ended.
    #[must_use]
    pub fn ended(&self) -> Option<Refusal> {
        self.state().ended.clone()
    }

    /// The session waits from now on, unless it was ended.
    pub(super) fn rest(&self) -> Result<()> {
        let mut state = self.state();
        state.resting = Some(Instant::now());
        match &state.ended {
            Some(why) => Err(why.clone().into()),
            None => Ok(()),
        }
    }

    /// The session waits no longer. Whether it may begin another inference after `done` of them.
    pub(super) fn work(&self, done: u64) -> std::result::Result<(), Refusal> {
        let mut state = self.state();
        state.resting = None;
        match &state.ended {
            Some(why) => Err(why.clone()),
            None if done >= self.inferences => Err(Refusal::Inferences { most: self.inferences }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_where_it_rests() {
        let leash = Leash::new(2);
        assert!(leash.resting().is_none());
        leash.rest().unwrap();
        assert!(leash.resting().is_some());
        leash.work(0).unwrap();
        assert!(!leash.end(Refusal::Stopped), "it works");
        assert!(leash.rest().is_err());
        assert!(leash.end(Refusal::ShuttingDown), "it rests");
        assert_eq!(leash.work(1), Err(Refusal::Stopped));
        assert_eq!(leash.ended(), Some(Refusal::Stopped));
    }

    #[test]
    fn inferences_are_counted() {
        let leash = Leash::new(2);
        leash.work(1).unwrap();
        assert_eq!(leash.work(2), Err(Refusal::Inferences { most: 2 }));
    }
}
