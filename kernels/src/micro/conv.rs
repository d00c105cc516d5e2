//! Ring convolutions.

use super::arith::Scheme;
use super::choose::{Known, choose};
use super::element::Element;
use super::engine::Engine;
use super::isa::Isa;
use super::limbs::MOST_LANES;
use super::select::Tiles;
use picc_ir::geom::ConvGeom;

/// Why a product was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("{what} has {found} elements, its shape says {expected}")]
    Length { what: &'static str, expected: usize, found: usize },
    #[error("no convolution: {0:?}")]
    Geometry(Box<ConvGeom>),
}

pub(super) fn length(what: &'static str, expected: usize, found: usize) -> Result<(), ShapeError> {
    if expected == found { Ok(()) } else { Err(ShapeError::Length { what, expected, found }) }
}

/// Checked before anything divides by its fields or allocates.
pub(super) fn check(g: &ConvGeom) -> Result<(), ShapeError> {
    let fits = || {
        let extent = |k: usize, d: usize| {
            (d > 0).then_some(())?;
            k.checked_sub(1)?.checked_mul(d)?.checked_add(1)
        };
        let (eh, ew) = (extent(g.kh, g.dilation[0])?, extent(g.kw, g.dilation[1])?);
        let h = g.h.checked_add(g.pads[0])?.checked_add(g.pads[2])?;
        let w = g.w.checked_add(g.pads[1])?.checked_add(g.pads[3])?;
        let grouped = g.groups > 0 && g.c_in.is_multiple_of(g.groups) && g.c_out.is_multiple_of(g.groups);
        let nonempty = g.n > 0 && g.c_in > 0 && g.c_out > 0 && g.h > 0 && g.w > 0;
        let lanes =
            g.n.checked_mul(g.c_in)?
                .checked_mul(MOST_LANES)?
                .checked_mul(h.checked_add(64)?)?
                .checked_mul(w.checked_add(64)?)?;
        let out = g.n.checked_mul(g.c_out)?.checked_mul(h)?.checked_mul(w)?;
        let weights = g.c_out.checked_mul(g.c_in)?.checked_mul(g.kh)?.checked_mul(g.kw)?;
        let small = lanes.max(out).max(weights) <= u32::MAX as usize;
        (grouped && nonempty && small && g.stride[0] > 0 && g.stride[1] > 0 && eh <= h && ew <= w).then_some(())
    };
    fits().ok_or(ShapeError::Geometry(Box::new(*g)))
}

pub(super) enum Lanes<A, B, C> {
    Wide(A),
    Word(B),
    Float(C),
}

pub(super) type Engines = Lanes<Engine<u64>, Engine<u32>, Engine<f64>>;
pub(super) type Vectors = Lanes<Vec<u64>, Vec<u32>, Vec<f64>>;

pub(super) fn engine(geom: &ConvGeom, scheme: Scheme, isa: Isa) -> Engines {
    match scheme {
        Scheme::Wide | Scheme::Wide52 => Lanes::Wide(Engine::new(geom, scheme, isa)),
        Scheme::Float => Lanes::Float(Engine::new(geom, scheme, isa)),
        Scheme::Word | Scheme::Limbs(_) | Scheme::Half => Lanes::Word(Engine::new(geom, scheme, isa)),
    }
}

/// A convolution with its weights in the order in which the tiles read them. No `Debug`: weights may be secret.
pub struct PackedConv {
    geom: ConvGeom,
    scheme: Scheme,
    /// Bits of a u64 above the ring.
    shift: u32,
    engine: Engines,
    weights: Vectors,
}

impl PackedConv {
    /// Weights `[c_out, c_in / groups, kh, kw]` for products mod `2^ring_bits`, in the fastest arithmetic.
    pub fn new<W: Element>(
        w: &[W],
        geom: &ConvGeom,
        ring_bits: u8,
        known: Known,
    ) -> Result<PackedConv, ShapeError> {
        check(geom)?;
        let isa = Isa::best();
        PackedConv::with(w, geom, ring_bits, choose(geom, ring_bits, known, isa), isa)
    }

    /// The same in a given arithmetic and instruction set (for tests and measurements).
    ///
    /// # Panics
    /// If the processor lacks the instruction set or the arithmetic is too short for the ring.
    pub fn with<W: Element>(
        w: &[W],
        geom: &ConvGeom,
        ring_bits: u8,
        scheme: Scheme,
        isa: Isa,
    ) -> Result<PackedConv, ShapeError> {
        check(geom)?;
        length("the weights", geom.c_out * geom.fan_in(), w.len())?;
        assert!(isa.is_available(), "{isa:?} is not available");
        assert!((1..=64).contains(&ring_bits), "a ring of {ring_bits} bits");
        let short = ring_bits > scheme.ring_bits() && scheme != Scheme::Float;
        assert!(!short, "{scheme:?} in a ring of {ring_bits} bits");
        let engine = engine(geom, scheme, isa);
        let weights = match &engine {
            Lanes::Wide(e) => Lanes::Wide(e.pack(w)),
            Lanes::Word(e) => Lanes::Word(e.pack(w)),
            Lanes::Float(e) => Lanes::Float(e.pack(w)),
        };
        Ok(PackedConv { geom: *geom, scheme, shift: 64 - u32::from(ring_bits), engine, weights })
    }

    #[must_use]
    pub fn geom(&self) -> &ConvGeom {
        &self.geom
    }

    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `x [n, c_in, h, w]` into `out [n, c_out, oh, ow]`, on this thread.
    pub fn run<X: Element, O: Element>(&self, x: &[X], out: &mut [O]) -> Result<(), ShapeError> {
        let [image_in, image_out] = self.lengths();
        length("the input", self.geom.n * image_in, x.len())?;
        length("the output", self.geom.n * image_out, out.len())?;
        let images: Vec<&[X]> = x.chunks_exact(image_in).collect();
        let mut outs: Vec<&mut [O]> = out.chunks_exact_mut(image_out).collect();
        self.run_many(&images, &mut outs)
    }

    /// Images `[c_in, h, w]`, any number, into as many outputs `[c_out, oh, ow]`.
    pub fn run_many<X: Element, O: Element>(
        &self,
        images: &[&[X]],
        outs: &mut [&mut [O]],
    ) -> Result<(), ShapeError> {
        let [image_in, image_out] = self.lengths();
        length("the outputs", images.len(), outs.len())?;
        images.iter().try_for_each(|x| length("an image", image_in, x.len()))?;
        outs.iter().try_for_each(|o| length("an output", image_out, o.len()))?;
        let shift = self.shift;
        match (&self.engine, &self.weights) {
            (Lanes::Wide(e), Lanes::Wide(w)) => e.run(w, images, outs, |v| O::from_u64(v, shift)),
            (Lanes::Word(e), Lanes::Word(w)) => e.run(w, images, outs, |v| O::from_u64(v, shift)),
            (Lanes::Float(e), Lanes::Float(w)) => e.run(w, images, outs, |v| O::from_u64(v, shift)),
            _ => {}
        }
        Ok(())
    }

    /// As [`PackedConv::run`], on the threads of the current rayon pool.
    pub fn run_on_threads<X: Element, O: Element>(&self, x: &[X], out: &mut [O]) -> Result<(), ShapeError> {
        let [image_in, image_out] = self.lengths();
        length("the input", self.geom.n * image_in, x.len())?;
        length("the output", self.geom.n * image_out, out.len())?;
        for (x, out) in x.chunks_exact(image_in).zip(out.chunks_exact_mut(image_out)) {
            self.image_on_threads(x, out);
        }
        Ok(())
    }

    fn image_on_threads<X: Element, O: Element>(&self, x: &[X], out: &mut [O]) {
        fn one<L: Tiles, X: Element, O: Element>(e: &Engine<L>, w: &[L], x: &[X], out: &mut [O], shift: u32) {
            e.run_on_threads(w, x, out, |v| O::from_u64(v, shift));
        }
        match (&self.engine, &self.weights) {
            (Lanes::Wide(e), Lanes::Wide(w)) => one(e, w, x, out, self.shift),
            (Lanes::Word(e), Lanes::Word(w)) => one(e, w, x, out, self.shift),
            (Lanes::Float(e), Lanes::Float(w)) => one(e, w, x, out, self.shift),
            _ => {}
        }
    }

    /// Elements of an image and of its output.
    fn lengths(&self) -> [usize; 2] {
        let g = &self.geom;
        let [oh, ow] = g.out_hw();
        [g.c_in * g.h * g.w, g.c_out * oh * ow]
    }
}
