//! Sum over `axes`, which stay with extent 1 if `keep`.

use crate::op::{Arity, OpDef};
use crate::ops::axes::reduced;
use crate::ops::elementwise::map_range;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Sum over `axes`, which stay with extent 1 if `keep`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReduceSum {
    pub axes: Vec<usize>,
    pub keep: bool,
}

impl OpDef for ReduceSum {
    const NAME: &'static str = "reduce_sum";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (shape, count) = reduced(args[0], &self.axes, self.keep)?;
        Ok(map_range(&args[0].with_shape(&shape), |x| x.summed(count)))
    }
}
