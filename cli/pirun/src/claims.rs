//! Ranges that a program claims (`assume`), against values in the clear. Private answers are promised only for inputs
//! that keep them.
//!
//! What is seen is what the program computes: values mod their ring. One that wrapped around it may lie in the range
//! again, so counts are at the least: a ring has a bit or two more than its range, and of values far outside every
//! second or fourth is not counted. An input with many such values is, all the same.

use picc_ir::eval::Value;
use picc_ir::{Id, Op};
use picc_kernels::fast::Left;
use picc_runtime::exec::{Executable, short};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// A node whose values leave the range that is claimed for them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftRange {
    pub node: String,
    /// The range, as numbers.
    pub low: f64,
    pub high: f64,
    /// How many values of how many inputs.
    pub values: u64,
    pub inputs: u64,
}

impl fmt::Display for LeftRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeftRange { node, low, high, values, inputs } = self;
        let [low, high] = [*low, *high].map(short);
        write!(f, "node `{node}`: {values} values outside {low} to {high}, in {inputs} inputs")
    }
}

/// Counts over several inputs.
pub struct Claims<'a> {
    exe: &'a Executable,
    inputs: u64,
    /// Those with a value outside some range, and whether the one at hand is among them.
    outside: u64,
    is_outside: bool,
    /// Values and inputs of each node.
    left: BTreeMap<Id, (u64, u64)>,
}

impl<'a> Claims<'a> {
    pub fn new(exe: &'a Executable) -> Claims<'a> {
        Claims { exe, inputs: 0, outside: 0, is_outside: false, left: BTreeMap::new() }
    }

    /// Counts for another input from now on.
    pub fn next(&mut self) {
        self.inputs += 1;
        self.is_outside = false;
    }

    /// For an interpreter that shows every value.
    pub fn observe(&mut self, node: Id, value: &Value) {
        if let (Op::Assume(claim), Some(v)) = (&self.exe.graph().node(node).op, value.as_ring()) {
            let values = v.data.iter().filter(|v| !(claim.lo..=claim.hi).contains(*v)).count() as u64;
            if values > 0 {
                self.add(Left { node, values });
            }
        }
    }

    /// Of the input at hand.
    pub fn add(&mut self, left: Left) {
        let (values, inputs) = self.left.entry(left.node).or_default();
        *values += left.values;
        *inputs += 1;
        self.outside += u64::from(!std::mem::replace(&mut self.is_outside, true));
    }

    /// Inputs that leave some range.
    pub fn outside(&self) -> u64 {
        self.outside
    }

    /// Says on standard error what was found.
    pub fn warn(&self) {
        if self.outside > 0 {
            eprintln!(
                "pirun: warning: {} of {} inputs leave ranges that the program was compiled for, and answers to them may be \
                 wrong; compile with --calibrate on inputs like these",
                self.outside, self.inputs
            );
            self.found().iter().for_each(|left| eprintln!("pirun: warning:   {left}"));
        }
    }

    /// In the order of the nodes.
    pub fn found(&self) -> Vec<LeftRange> {
        let graph = self.exe.graph();
        let one = |(id, &(values, inputs)): (&Id, &(u64, u64))| {
            let node = graph.node(*id);
            let Op::Assume(claim) = &node.op else { return None };
            let scale = node.ty.as_fixed().map_or(1.0, |f| f64::from(f.frac_bits).exp2());
            Some(LeftRange {
                node: node.name.clone(),
                low: claim.lo as f64 / scale,
                high: claim.hi as f64 / scale,
                values,
                inputs,
            })
        };
        self.left.iter().filter_map(one).collect()
    }
}
