//! Ring matrix products: the left factor is the weights of a 1x1 convolution over the columns of the right one.

use super::choose::{Known, choose};
use super::conv::{Engines, Lanes, PackedConv, ShapeError, Vectors, check, engine, length};
use super::element::Element;
use super::engine::Engine;
use super::isa::Isa;
use super::select::Tiles;
use super::source::Source;
use picc_ir::geom::{ConvGeom, MatMulGeom};

/// One product `[rows, inner] x [inner, cols]` as a convolution of the right factor.
fn as_conv(g: &MatMulGeom) -> ConvGeom {
    ConvGeom {
        n: 1,
        c_in: g.inner,
        h: 1,
        w: g.cols,
        c_out: g.rows,
        kh: 1,
        kw: 1,
        stride: [1, 1],
        pads: [0; 4],
        dilation: [1, 1],
        groups: 1,
    }
}

/// A right factor `[inner, cols]` that meets many left ones, laid out once. No `Debug`: it may be secret.
pub struct PackedRight {
    geom: MatMulGeom,
    shift: u32,
    engine: Engines,
    planes: Vectors,
}

impl PackedConv {
    /// A left factor `w [rows, inner]` that meets many right ones `[inner, cols]`, as a 1x1 convolution of them;
    /// `geom.batch` is 1.
    pub fn left<W: Element>(
        w: &[W],
        geom: &MatMulGeom,
        ring_bits: u8,
        known: Known,
    ) -> Result<PackedConv, ShapeError> {
        length("the batch", 1, geom.batch)?;
        PackedConv::new(w, &as_conv(geom), ring_bits, known)
    }
}

impl PackedRight {
    /// `w [inner, cols]` for products of `rows` rows mod `2^ring_bits`; `geom.batch` is 1.
    pub fn new<W: Element>(
        w: &[W],
        geom: &MatMulGeom,
        ring_bits: u8,
        known: Known,
    ) -> Result<PackedRight, ShapeError> {
        let conv = as_conv(geom);
        check(&conv)?;
        length("the batch", 1, geom.batch)?;
        length("the weights", geom.inner * geom.cols, w.len())?;
        // Here the values are the packed factor.
        let known = known.swapped();
        let isa = Isa::best();
        let engine = engine(&conv, choose(&conv, ring_bits, known, isa), isa);
        let planes = match &engine {
            Lanes::Wide(e) => Lanes::Wide(e.planes(w, 0)),
            Lanes::Word(e) => Lanes::Word(e.planes(w, 0)),
            Lanes::Float(e) => Lanes::Float(e.planes(w, 0)),
        };
        Ok(PackedRight { geom: *geom, shift: 64 - u32::from(ring_bits.clamp(1, 64)), engine, planes })
    }

    /// Elements of a product.
    #[must_use]
    pub fn product_len(&self) -> usize {
        self.geom.rows * self.geom.cols
    }

    /// `x [rows, inner]` into `out [rows, cols]`.
    pub fn run<X: Element, O: Element>(&self, x: &[X], out: &mut [O]) -> Result<(), ShapeError> {
        length("the left factor", self.geom.rows * self.geom.inner, x.len())?;
        length("the product", self.geom.rows * self.geom.cols, out.len())?;
        fn one<L: Tiles, X: Element, O: Element>(e: &Engine<L>, planes: &[L], x: &[X], out: &mut [O], shift: u32) {
            let planes = Source::Planes(planes);
            e.blocks_of(&e.pack(x), planes, e.all_blocks(), &mut [out], |v| O::from_u64(v, shift));
        }
        match (&self.engine, &self.planes) {
            (Lanes::Wide(e), Lanes::Wide(p)) => one(e, p, x, out, self.shift),
            (Lanes::Word(e), Lanes::Word(p)) => one(e, p, x, out, self.shift),
            (Lanes::Float(e), Lanes::Float(p)) => one(e, p, x, out, self.shift),
            _ => {}
        }
        Ok(())
    }
}

/// `batch` products `[rows, inner] x [inner, cols]` mod `2^ring_bits`, in the fastest arithmetic; `known` calls the
/// left factor weights.
pub fn matmul<A: Element, B: Element, O: Element>(
    left: &[A],
    right: &[B],
    out: &mut [O],
    geom: &MatMulGeom,
    ring_bits: u8,
    known: Known,
) -> Result<(), ShapeError> {
    each(left, right, out, geom, |left, right, out| {
        PackedConv::new(left, &as_conv(geom), ring_bits, known)?.run(right, out)
    })
}

/// [`matmul`] on the threads of the current rayon pool.
pub fn matmul_on_threads<A: Element, B: Element, O: Element>(
    left: &[A],
    right: &[B],
    out: &mut [O],
    geom: &MatMulGeom,
    ring_bits: u8,
    known: Known,
) -> Result<(), ShapeError> {
    each(left, right, out, geom, |left, right, out| {
        PackedConv::new(left, &as_conv(geom), ring_bits, known)?.run_on_threads(right, out)
    })
}

fn each<A, B, O>(
    left: &[A],
    right: &[B],
    out: &mut [O],
    geom: &MatMulGeom,
    mut one: impl FnMut(&[A], &[B], &mut [O]) -> Result<(), ShapeError>,
) -> Result<(), ShapeError> {
    check(&as_conv(geom))?;
    let &MatMulGeom { batch, rows, inner, cols } = geom;
    length("the left factor", batch.saturating_mul(rows * inner), left.len())?;
    length("the right factor", batch.saturating_mul(inner * cols), right.len())?;
    length("the product", batch.saturating_mul(rows * cols), out.len())?;
    let factors = left.chunks_exact(rows * inner).zip(right.chunks_exact(inner * cols));
    for ((left, right), out) in factors.zip(out.chunks_exact_mut(rows * cols)) {
        one(left, right, out)?;
    }
    Ok(())
}
