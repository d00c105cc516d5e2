//! What one layer costs, dense or factorised: compiled alone, for the protocols and the deployment of the options.

use super::{Build, Layer, Member, Part, front, pointwise};
use crate::compile::Options;
use crate::error::Result;
use crate::prepared::{Prepared, Tuning};
use picc_ir::geom::ConvGeom;
use picc_ir::ops::{Conv, Input};
use picc_ir::{Owner, Tensor, Ty};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Price of a layer. Sharing its input and revealing its output, which any form of it does, are left out of the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    pub bytes: u64,
    /// Under a profile.
    pub seconds: Option<f64>,
}

impl Price {
    /// What is compared: time under a profile, else bytes.
    pub(super) fn order(&self) -> u64 {
        self.seconds.map_or(self.bytes, |s| (s * 1e12) as u64)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} MB", self.bytes as f64 / 1e6)?;
        if let Some(s) = self.seconds {
            write!(f, " ({s:.4} s)")?;
        }
        Ok(())
    }
}

/// The price of a convolution of this geometry, or of a member of the family in its place.
///
/// # Errors
/// If no protocol of the options computes it.
pub fn price(geom: &ConvGeom, member: Option<Member>, options: &Options) -> Result<Price> {
    let mut layer = Layer::default();
    let shape = [geom.n, geom.c_in, geom.h, geom.w];
    let x = Input { name: "x".to_owned(), ty: Ty::real(&shape, Owner::Client) };
    let x = layer.op(x.into(), &[], "x")?;
    let y = match member {
        None => {
            let shape = [geom.c_out, geom.c_in / geom.groups, geom.kh, geom.kw];
            let w = layer.weight("dense", wave(&shape), "layer")?;
            layer.op(Conv::of(geom).into(), &[x, w], "layer")?
        }
        Some(member) => {
            let halves = member.taps().len();
            let each = geom.c_in / halves;
            let part = |(i, taps): (usize, &super::Taps)| Part {
                channels: (i * each..(i + 1) * each).collect(),
                taps: *taps,
                filters: taps.conv(geom, each).map(|(k, _)| wave(&[each, taps.group(), k[0], k[1]])),
            };
            let parts: Vec<Part> = member.taps().iter().enumerate().map(part).collect();
            let z = front(&mut layer, geom, &parts, x, "layer", "layer")?;
            let w = layer.weight("pointwise", wave(&[geom.c_out, geom.c_in, 1, 1]), "layer")?;
            layer.op(pointwise().into(), &[z, w], "layer")?
        }
    };
    layer.graph.outputs.push(("y".to_owned(), y));
    let sample = BTreeMap::from([("x".to_owned(), wave(&shape).map(|v| v * scale_of(geom.c_in)))]);
    let options = Options { preprocess: None, labels: Vec::new(), ..options.clone() };
    // Composing the factors again would price the dense layer.
    let model = Prepared::as_it_is(&layer.graph, &layer.weights, &options, &[sample])?;
    let compiled = model.compile(&options, &Tuning::default(), &model.bounds(&options, options.margin())?)?;
    let source = compiled.program.source;
    let rows = compiled.report.rows.iter().filter(|row| row.op != "share" && row.op != "reveal");
    let seconds = compiled.explanation.map(|e| e.after.seconds);
    let bytes = rows.map(|row| row.cost.online.total() + source.reserve_traffic(row.cost.cots).total()).sum();
    Ok(Price { bytes, seconds })
}

/// Inputs of unit size, whatever the number of channels: the wave's own size is 1 / sqrt(fan-in).
fn scale_of(channels: usize) -> f32 {
    (channels as f32).sqrt()
}

/// Values without a pattern that matters, of size 1 / sqrt(fan-in).
fn wave(shape: &[usize]) -> Tensor<f32> {
    let fan_in: usize = shape[1..].iter().product();
    let scale = 1.0 / (fan_in as f32).sqrt();
    let value = |i: usize| (((i * 2_654_435_761) % 2001) as f32 / 1000.0 - 1.0) * scale;
    Tensor::new(shape, (0..shape.iter().product()).map(value).collect())
}

/// Prices by geometry: networks repeat their layers.
pub(super) struct Prices<'o> {
    options: &'o Options,
    known: HashMap<(ConvGeom, Option<Member>), Price>,
}

impl Prices<'_> {
    pub fn new(options: &Options) -> Prices<'_> {
        Prices { options, known: HashMap::new() }
    }

    pub fn of(&mut self, geom: &ConvGeom, member: Option<Member>) -> Result<Price> {
        if let Some(price) = self.known.get(&(*geom, member)) {
            return Ok(*price);
        }
        let price = price(geom, member, self.options)?;
        self.known.insert((*geom, member), price);
        Ok(price)
    }
}
