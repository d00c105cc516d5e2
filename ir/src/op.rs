//! The table of operators. One operator is one file under `ops/` (tensor dialect) or `mpc/` (how it is computed).

use crate::cost::Cost;
use crate::facts::Facts;
use crate::graph::{Graph, Id};
use crate::mpc::protocol::{Division, Protocol, Way};
use crate::mpc::rlwe::LinearPlan;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// How many arguments an operator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    Exactly(usize),
    AtLeast(usize),
}

/// An f32 with total equality (by bits), so that operators can be compared and hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "f32", into = "f32")]
pub struct F32(u32);

impl From<f32> for F32 {
    fn from(v: f32) -> F32 {
        F32(v.to_bits())
    }
}

impl From<F32> for f32 {
    fn from(v: F32) -> f32 {
        f32::from_bits(v.0)
    }
}

impl F32 {
    #[must_use]
    pub fn value(self) -> f32 {
        f32::from_bits(self.0)
    }
}

impl std::fmt::Debug for F32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value().fmt(f)
    }
}

/// Meaning, type rule and reference semantics of one operator.
///
/// `eval_real` and `eval_ring` may rely on `infer` having accepted the types. Ring values are signed
/// representatives; the interpreter wraps each result to the ring of the node's type, so an operator
/// computes with wrapping 64-bit arithmetic and need not reduce.
pub trait OpDef: Serialize + for<'de> Deserialize<'de> {
    const NAME: &'static str;

    fn arity(&self) -> Arity;

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError>;

    /// What passes must know of it.
    fn facts(&self) -> Facts;

    /// Values over the reals, for the float interpreter and the client's post-processing.
    fn eval_real(&self, _args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Err(TypeError::new(format!("{} has no meaning over the reals", Self::NAME)))
    }

    /// Values over the ring: the bit-exact meaning of a program.
    fn eval_ring(&self, _args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Err(TypeError::new(format!("{} has no meaning over a ring", Self::NAME)))
    }
}

macro_rules! op_table {
    (tensor { $($variant:ident),* $(,)? } mpc { $($protocol:ident),* $(,)? }) => {
        /// Every operator: those of the tensor dialect, and those of the mpc dialect as one.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "Flat", into = "Flat")]
        pub enum Op {
            $($variant($variant),)*
            /// How a value is computed between the parties.
            Mpc(MpcOp),
        }

        /// Every operator of the mpc dialect.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MpcOp { $($protocol($protocol)),* }

        /// As a program stores it: one list of both dialects, so that a program's bytes do not depend on how the code
        /// sorts them.
        #[derive(Serialize, Deserialize)]
        enum Flat { $($variant($variant),)* $($protocol($protocol)),* }

        impl From<Flat> for Op {
            fn from(flat: Flat) -> Op {
                match flat {
                    $(Flat::$variant(op) => Op::$variant(op),)*
                    $(Flat::$protocol(op) => Op::Mpc(MpcOp::$protocol(op)),)*
                }
            }
        }

        impl From<Op> for Flat {
            fn from(op: Op) -> Flat {
                match op {
                    $(Op::$variant(op) => Flat::$variant(op),)*
                    $(Op::Mpc(MpcOp::$protocol(op)) => Flat::$protocol(op),)*
                }
            }
        }

        $(impl From<$variant> for Op { fn from(op: $variant) -> Op { Op::$variant(op) } })*

        $(impl From<$protocol> for Op { fn from(op: $protocol) -> Op { Op::Mpc(MpcOp::$protocol(op)) } })*

        /// The same expression for the operator at hand, whichever it is.
        macro_rules! each {
            ($self:expr, $op:ident => $value:expr) => {
                match $self {
                    $(Op::$variant($op) => $value,)*
                    $(Op::Mpc(MpcOp::$protocol($op)) => $value,)*
                }
            };
        }

        /// The same for one of the mpc dialect.
        macro_rules! each_protocol {
            ($self:expr, $op:ident => $value:expr) => { match $self { $(MpcOp::$protocol($op) => $value,)* } };
        }

        impl Op {
            /// The operator called `name` with these attributes.
            pub fn from_attributes(name: &str, attributes: serde_json::Value) -> Result<Op, TypeError> {
                $(if name == $variant::NAME { return parsed::<$variant>(attributes).map(Op::from); })*
                $(if name == $protocol::NAME { return parsed::<$protocol>(attributes).map(Op::from); })*
                Err(TypeError::new(format!("unknown operator `{name}`")))
            }
        }
    };
}

/// An operator from the attributes of its text form.
fn parsed<T: OpDef>(attributes: serde_json::Value) -> Result<T, TypeError> {
    serde_json::from_value(attributes).map_err(|e| TypeError::new(format!("{}: {e}", T::NAME)))
}

fn name_of<T: OpDef>(_: &T) -> &'static str {
    T::NAME
}

// The lists of names stand with the modules: a second one here would say nothing.
#[allow(clippy::wildcard_imports)]
use crate::mpc::*;
#[allow(clippy::wildcard_imports)]
use crate::ops::*;

tensor_dialect! { mpc_dialect op_table }

impl Op {
    /// Name in the text form.
    #[must_use]
    pub fn name(&self) -> &'static str {
        each!(self, op => name_of(op))
    }

    #[must_use]
    pub fn arity(&self) -> Arity {
        each!(self, op => op.arity())
    }

    /// Type of the result, or why these arguments are not allowed. Checks the arity.
    pub fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let fits = match self.arity() {
            Arity::Exactly(n) => args.len() == n,
            Arity::AtLeast(n) => args.len() >= n,
        };
        if !fits {
            let (name, arity) = (self.name(), self.arity());
            return Err(TypeError::new(format!("{name} takes {arity:?} arguments, got {}", args.len())));
        }
        each!(self, op => op.infer(args))
    }

    /// What passes must know of it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        each!(self, op => op.facts())
    }

    pub fn eval_real(&self, args: &[&Tensor<f32>], tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        each!(self, op => op.eval_real(args, tys))
    }

    pub fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        each!(self, op => op.eval_ring(args, tys))
    }

    /// Attributes as JSON, for the text form.
    #[must_use]
    pub fn attributes(&self) -> serde_json::Value {
        each!(self, op => serde_json::to_value(op).unwrap_or(serde_json::Value::Null))
    }

    /// A protocol that has a price and that no party can run: programs with it are for study.
    #[must_use]
    pub fn is_priced_only(&self) -> bool {
        matches!(self, Op::Mpc(op) if !op.way().runs)
    }

    /// A layer whose exchange a plan describes, see [`crate::mpc::rlwe`].
    #[must_use]
    pub fn is_planned(&self) -> bool {
        matches!(self, Op::Mpc(op) if op.way().planned)
    }
}

impl MpcOp {
    /// Name in the text form.
    #[must_use]
    pub fn name(&self) -> &'static str {
        each_protocol!(self, op => name_of(op))
    }

    /// How it runs.
    #[must_use]
    pub fn way(&self) -> Way {
        each_protocol!(self, op => op.way())
    }

    /// Adds what it computes to a ring graph: see [`Protocol::erased`].
    pub fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        each_protocol!(self, op => op.erased(ring, args, name))
    }

    /// What it works on one by one.
    #[must_use]
    pub fn division(&self, args: &[&Ty], ty: &Ty) -> Division {
        each_protocol!(self, op => op.division(args, ty))
    }

    /// Cost of so many of its units, run at once.
    pub fn cost(&self, args: &[&Ty], ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        each_protocol!(self, op => op.cost(args, ty, units))
    }

    /// The plan of a layer under ring LWE; `None` for other operators. Takes milliseconds: keep it.
    pub fn plan(&self, args: &[&Ty]) -> Result<Option<LinearPlan>, TypeError> {
        each_protocol!(self, op => op.plan(args))
    }

    /// Cost of a layer whose plan is at hand.
    pub fn planned_cost(&self, args: &[&Ty], plan: &LinearPlan) -> Result<Cost, TypeError> {
        each_protocol!(self, op => op.planned_cost(args, plan))
    }
}
