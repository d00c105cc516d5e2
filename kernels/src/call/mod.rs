//! Calls from emitted code to the runtime's products in rings, through function pointers.
//!
//! A [`Site`] is one call of one kernel: the function, and the public shape of the product. Emitted code passes the
//! site back, with three addresses that the verifier has proven inside their buffers.

mod portable;

use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::kernel::{Lane, Primitive};
use portable::Word;

/// `run(this, x, y, result)`.
type Run = unsafe extern "C" fn(*const Site, *const u8, *const u8, *mut u8);

/// One call of a compiled kernel. Emitted code reads `run` and knows nothing else of it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Site {
    run: Run,
    primitive: Primitive,
}

impl Site {
    /// Where emitted code finds the function, in bytes.
    pub const RUN_OFFSET: usize = std::mem::offset_of!(Site, run);

    pub fn new(primitive: Primitive, lane: Lane) -> Site {
        let run = match lane {
            Lane::U16 => run::<u16>,
            Lane::U32 => run::<u32>,
            Lane::U64 => run::<u64>,
        };
        Site { run, primitive }
    }
}

/// Elements of both arguments and of the result.
fn lengths(primitive: &Primitive) -> [usize; 3] {
    match primitive {
        Primitive::Conv(g) => conv_lengths(g),
        Primitive::MatMul(g) => matmul_lengths(g),
    }
}

fn conv_lengths(g: &ConvGeom) -> [usize; 3] {
    let [oh, ow] = g.out_hw();
    [g.n * g.c_in * g.h * g.w, g.c_out * g.fan_in(), g.n * g.c_out * oh * ow]
}

fn matmul_lengths(g: &MatMulGeom) -> [usize; 3] {
    [g.batch * g.rows * g.inner, g.batch * g.inner * g.cols, g.batch * g.rows * g.cols]
}

/// What emitted code calls. A panic in here ends the process: it cannot unwind through emitted code.
///
/// # Safety
/// `site` is valid; `x`, `y` and `result` are aligned for `T` and valid for the lengths of the site's primitive,
/// `result` for writes and apart from the others. The verifier of the kernel IR proves the lengths and that the views
/// do not overlap; `CompiledKernel::run` checks the buffers against the kernel.
unsafe extern "C" fn run<T: Word>(site: *const Site, x: *const u8, y: *const u8, result: *mut u8) {
    // SAFETY: the site belongs to the compiled kernel that is running.
    let primitive = unsafe { (*site).primitive };
    let [nx, ny, nr] = lengths(&primitive);
    // SAFETY: see above.
    let (x, y, result) = unsafe {
        (
            std::slice::from_raw_parts(x.cast::<T>(), nx),
            std::slice::from_raw_parts(y.cast::<T>(), ny),
            std::slice::from_raw_parts_mut(result.cast::<T>(), nr),
        )
    };
    let done = match &primitive {
        Primitive::Conv(g) => T::conv(x, y, result, g),
        Primitive::MatMul(g) => T::matmul(x, y, result, g),
    };
    if !done {
        // A shape that the micro-kernels refuse still has a meaning.
        match &primitive {
            Primitive::Conv(g) => portable::conv(g, x, y, result),
            Primitive::MatMul(g) => portable::matmul(g, x, y, result),
        }
    }
}
