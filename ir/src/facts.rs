//! What passes must know of an operator beside its type and its values: each operator says it itself
//! ([`crate::op::OpDef::facts`]), so that a pass has a case for each rule and not one for each operator.

use crate::op::F32;

/// See the fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    pub needs: Needs,
    pub movement: Movement,
    pub interval: IntervalRule,
    pub error: ErrorRule,
    pub client: ClientPart,
}

/// What an operator needs from the parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// No arguments.
    Source,
    /// Linear: local on shares.
    Linear,
    /// Local unless two different parties' secrets meet.
    Product,
    /// Not linear: local only for a value that one party knows.
    Nonlinear,
    /// Over the reals, or from a ring to them: the client alone.
    Real,
    /// A value changes hands, or becomes shares of itself.
    Boundary,
    /// Says how, not what.
    Protocol,
}

/// How an operator moves elements, if that is all that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// It computes.
    None,
    /// Each element of the argument stands in the result once.
    Keeps,
    /// Some of them do.
    Picks,
    /// They may stand in it several times.
    Repeats,
    /// With zeros between or around them.
    Inserts,
    /// Those of several arguments.
    Joins,
}

/// How intervals of the arguments, element by element, give those of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalRule {
    /// The least arguments give the least result, the greatest the greatest.
    Monotone,
    /// `a - b`
    Difference,
    /// `-a`
    Negation,
    /// Elementwise; the least and the greatest are products of ends.
    Product,
    /// A sum of products, centre and radius apart.
    Layer,
    /// Between zero and the argument times this factor.
    Shrunk(F32),
    /// An index along this axis.
    Index { axis: usize },
    /// It does not stand in the secure part of a real graph.
    Undefined,
}

/// How errors of the arguments, in units of the last place, give that of the result; `e` and `f` are the arguments'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ErrorRule {
    /// A source: none.
    Exact,
    /// `e + f`
    Sum,
    /// Each element is one of the arguments' or depends on one alone: the largest.
    Largest,
    /// [`ErrorRule::Largest`], with `levels` comparisons one after the other that leave out `skip_low` bits.
    Compared { skip_low: u8, levels: u64 },
    /// Times a known factor, or a sum of products with known factors of these norms.
    Scaled { l1: f64, l2_squared: f64 },
    /// A sum of as many elements as the argument has for each of the result.
    Summed,
    /// Elementwise `(a + e)(b + f) - a b`; the square of a lone argument.
    Product,
    /// A sum of products of two values that may both be off.
    Products,
    /// A convolution with weights that are exact: by the norms of its filters.
    Filters,
    /// A matrix product with exact weights of the server: by the norms of its rows or columns.
    Rows,
    /// Division by `2^shift`, rounded as the reference rounds.
    Shifted { shift: u8 },
    /// Division by `2^shift` on each share.
    ShiftedShares { shift: u8 },
    /// An index along an axis: another element may win.
    Index { axis: usize },
}

/// What an operator can be once the client computes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientPart {
    /// Starts the client's part: over the reals there is nothing secure for it.
    Starts,
    /// Elementwise or a matter of shape: the client can do it too.
    Follows,
    /// Takes the server's weights in a way that would make them public, or has no meaning there.
    Never,
}

impl Facts {
    /// Of a value that stands at the beginning.
    #[must_use]
    pub fn source() -> Facts {
        Facts::fixed_point(Needs::Source, ErrorRule::Exact)
    }

    /// Of a protocol: it stands in no real graph.
    #[must_use]
    pub fn protocol(error: ErrorRule) -> Facts {
        Facts {
            movement: Movement::None,
            needs: Needs::Protocol,
            interval: IntervalRule::Undefined,
            error,
            client: ClientPart::Never,
        }
    }

    /// Of what stands in fixed-point graphs only.
    #[must_use]
    pub fn fixed_point(needs: Needs, error: ErrorRule) -> Facts {
        Facts {
            needs,
            movement: Movement::None,
            interval: IntervalRule::Undefined,
            error,
            client: ClientPart::Never,
        }
    }

    /// Of what adds elements up or compares them.
    #[must_use]
    pub fn monotone(needs: Needs, error: ErrorRule) -> Facts {
        Facts {
            needs,
            movement: Movement::None,
            interval: IntervalRule::Monotone,
            error,
            client: ClientPart::Follows,
        }
    }

    /// Of what moves them and does nothing else.
    #[must_use]
    pub fn moved(movement: Movement) -> Facts {
        Facts { movement, ..Facts::monotone(Needs::Linear, ErrorRule::Largest) }
    }
}
