//! The table of rewrites. One row: a name, what it says, how exact it is, and a function that matches and builds.
//!
//! A rule looks at one node of a class ([`Site`]) and states what else the class equals. Whatever it states is typed
//! before it is believed: an expression without a type, or with another shape, ring, fraction or owner, is refused, so
//! a condition that cannot be shown is a condition that is false.

mod expr;
mod hygiene;
mod linear;
mod merging;
mod protocol;
mod relu;
mod ring;
mod truncation;
mod winograd;

pub(crate) use expr::{Expr, View};
pub(crate) use protocol::refusal;

use super::language::Enode;
use crate::compile::Linear;
use egg::Id;
use picc_ir::Op;
use serde::{Deserialize, Serialize};

/// How much a rewrite may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErrorClass {
    /// Equal over the reals and bit-equal over the ring.
    Exact,
    /// Equal over the reals; over the ring off by at most so many units in the last place.
    Ulp(u32),
    /// Changes the function a little: only under an accuracy budget.
    Approx,
    /// Changes the function: the model must be trained again.
    Retrain,
}

/// Rules that are studied, allowed and forbidden together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    Hygiene,
    Linear,
    /// Several layers become one, or one becomes several.
    Merging,
    Winograd,
    #[serde(rename = "fuse-relu")]
    Relu,
    /// The ring in which something is computed.
    Ring,
    Truncation,
    /// From what to how. Without it there is no program.
    Protocol,
}

impl Family {
    pub const ALL: [Family; 8] = [
        Family::Hygiene,
        Family::Linear,
        Family::Merging,
        Family::Winograd,
        Family::Relu,
        Family::Ring,
        Family::Truncation,
        Family::Protocol,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Hygiene => "hygiene",
            Family::Linear => "linear",
            Family::Merging => "merging",
            Family::Winograd => "winograd",
            Family::Relu => "fuse-relu",
            Family::Ring => "ring",
            Family::Truncation => "truncation",
            Family::Protocol => "protocol",
        }
    }

    /// What its rules do, in one line.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Family::Hygiene => "what changes nothing is dropped, moves cancel",
            Family::Linear => "pooling before 1x1 convolutions, layers in a row as one, products of products",
            Family::Merging => "parallel layers become one, a layer over a concat becomes two",
            Family::Winograd => {
                "convolutions by F(2,3), F(4,3), F(2,5), with stride 2 by F(2,2), in exact integers"
            }
            Family::Relu => "activations after pooling, once, or not at all",
            Family::Ring => "every step in the shortest ring that holds it",
            Family::Truncation => "fewer truncations, and where they cost least",
            Family::Protocol => "always on: only what each step is computed with",
        }
    }

    /// The family of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Family> {
        Family::ALL.into_iter().find(|f| f.name() == name)
    }
}

/// A named rewrite.
pub(crate) struct Rule {
    pub name: &'static str,
    pub family: Family,
    pub class: ErrorClass,
    /// The rewrite as a person would write it.
    pub says: &'static str,
    pub offer: Offer,
    pub rewrite: fn(&Site, &mut Out),
}

/// Which programs a rule is for, beside its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Always,
    /// Linear layers computed in this way.
    Layers(Linear),
    /// The same in exact programs, in the place of the rule of this name: what disables the one disables both. A
    /// program hides all its layers in one way, so that its figure is that of one argument.
    ExactLayers(Linear, &'static str),
    /// What has a price and no implementation.
    Priced,
}

/// A node and the class that it is in.
pub(crate) struct Site<'a> {
    pub view: View<'a>,
    pub class: Id,
    pub node: &'a Enode,
}

impl Site<'_> {
    pub fn op(&self) -> &Op {
        &self.node.op
    }

    pub fn arg(&self, i: usize) -> Id {
        self.node.args[i]
    }
}

/// What rules state.
#[derive(Default)]
pub(crate) struct Out {
    pub equalities: Vec<(Id, Expr)>,
}

impl Out {
    /// The value of `class` is that of `expr`.
    pub fn equal(&mut self, class: Id, expr: impl Into<Expr>) {
        self.equalities.push((class, expr.into()));
    }
}

/// Every rule, families in the order in which they are tried.
pub(crate) fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        hygiene::RULES,
        linear::RULES,
        merging::RULES,
        winograd::RULES,
        relu::RULES,
        ring::RULES,
        truncation::RULES,
        protocol::RULES,
    ]
    .into_iter()
    .flatten()
}
