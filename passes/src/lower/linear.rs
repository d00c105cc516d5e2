//! Convolutions and matrix products with the server's weights.

use super::Lowering;
use crate::Linear;
use crate::eligible::Layer;
use crate::error::{CompileError, Result};
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::op::Op;
use picc_ir::ops::{Conv, Expand, MatMul};
use picc_ir::{Fixed, Id, Owner, Ty};

/// Bits of a signed weight whose range the type states.
fn weight_bits(ty: &Ty) -> u8 {
    let most = ty.as_fixed().unwrap_or(Fixed::full(64, 0)).max_abs();
    u8::try_from(65 - most.leading_zeros()).unwrap_or(64)
}

impl Lowering {
    pub(super) fn conv(&mut self, conv: &Conv, args: &[Id], name: &str) -> Result<Id> {
        let (x, w) = (args[0], args[1]);
        if self.owner(w) != Owner::Server {
            return Err(CompileError::Unsupported {
                node: name.to_owned(),
                op: "conv",
                why: "its weights are computed from the input".to_owned(),
                way_out: "use weights that the server knows".to_owned(),
            });
        }
        let op = self.protocol(&Layer::Conv(conv), &conv.clone().into(), [x, w], w, name)?;
        self.b.add(op, args, name)
    }

    pub(super) fn matmul(&mut self, args: &[Id], name: &str) -> Result<Id> {
        let weights_left = match (self.owner(args[0]), self.owner(args[1])) {
            (Owner::Shared, Owner::Server) => false,
            (Owner::Server, Owner::Shared) => true,
            _ => return self.secret_matmul(args, name),
        };
        let mut args = args.to_vec();
        self.common_batch(&mut args, name)?;
        let w = if weights_left { args[0] } else { args[1] };
        let layer = Layer::MatMul { weights_left };
        let op = self.protocol(&layer, &MatMul {}.into(), [args[0], args[1]], w, name)?;
        self.b.add(op, &args, name)
    }

    /// The protocol that the options ask for, or the one that can.
    fn protocol(&self, layer: &Layer, op: &Op, args: [Id; 2], w: Id, name: &str) -> Result<Op> {
        let fail = |source| CompileError::Type { node: name.to_owned(), op: op.name(), source };
        let weight_bits = weight_bits(self.ty(w));
        let tys = [self.ty(args[0]), self.ty(args[1])];
        let hiding = if self.protocols.exact { Hiding::Flood } else { Hiding::FullRange };
        let under_rlwe = match self.protocols.linear {
            Linear::Ot => None,
            Linear::Preprocessed => layer.preprocessed(tys, weight_bits).map_err(fail)?,
            Linear::Auto | Linear::Rlwe => layer.rlwe(tys, weight_bits, hiding).map_err(fail)?,
        };
        if let Some(rlwe) = under_rlwe {
            return Ok(rlwe);
        }
        if matches!(self.protocols.linear, Linear::Rlwe | Linear::Preprocessed) {
            return Err(CompileError::Unsupported {
                node: name.to_owned(),
                op: op.name(),
                why: format!("no RLWE parameters fit weights of {weight_bits} bits in {}", tys[0]),
                way_out: "give a smaller ring, fewer fraction bits, or choose OT for the linear layers".to_owned(),
            });
        }
        let ty = op.infer(&tys).map_err(fail)?;
        layer.ot(tys, &ty, weight_bits, self.protocols.source).map_err(fail)
    }

    /// Protocols take no broadcast of batches, except that a right factor may have none.
    fn common_batch(&mut self, args: &mut [Id], name: &str) -> Result<()> {
        if MatMul::geom(&self.ty(args[0]).shape, &self.ty(args[1]).shape).is_ok() {
            return Ok(());
        }
        let shapes: Vec<Vec<usize>> = args.iter().map(|&a| self.ty(a).shape.to_vec()).collect();
        let outer = |s: &[usize]| s[..s.len().saturating_sub(2)].to_vec();
        let Some(batch) = picc_ir::tensor::broadcast(&outer(&shapes[0]), &outer(&shapes[1])) else { return Ok(()) };
        for (a, shape) in args.iter_mut().zip(&shapes) {
            let full = [&batch[..], &shape[shape.len().saturating_sub(2)..]].concat();
            if full != *shape {
                *a = self.b.add(Expand { shape: full }, &[*a], name)?;
            }
        }
        Ok(())
    }
}
