//! How a response hides the weights from the client, who knows the noise of its own request.

use serde::{Deserialize, Serialize};

/// An attribute of every layer under ring LWE: both parties plan by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hiding {
    /// Every returned coefficient is masked by a uniform value of all of `Z_q`: the message is exactly uniform. The
    /// shares add up to the result, or to one more or less: see [`COIN_RATE`].
    FullRange,
    /// A mask of multiples of `q / 2^l` and noise that floods the layer's own. The shares add up to the result.
    Flood,
}

impl Hiding {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Hiding::FullRange => "full range",
            Hiding::Flood => "flood",
        }
    }
}

/// Under [`Hiding::FullRange`] the shares of an element miss the result by one with at most this probability, by +1 and
/// -1 alike, and never by more (2^-60 for a layer). Every [`super::Budget`] is chosen so.
pub const COIN_RATE: f64 = 0.25;
