//! Emitted code touches nothing outside its buffers: each lies against a page that cannot be touched, first with its
//! end, then with its start.
#![cfg(unix)]

use crate::memory::callers;
use picc_ir::kernel::{Access, Lane, Verified, interp, testing, verify::verify};
use picc_kernels::jit::{BufferRef, CompiledKernel, Jit, Scratch};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;

const PAGE: usize = 1 << 16;

#[derive(Clone, Copy, Debug)]
enum Flush {
    End,
    Start,
}

/// Pages with a guard before and behind them, and the place of a buffer in them.
struct Guarded {
    map: *mut c_void,
    len: usize,
    start: *mut u8,
}

impl Guarded {
    fn new(bytes: usize, flush: Flush) -> Guarded {
        let inner = bytes.next_multiple_of(PAGE);
        let len = inner + 2 * PAGE;
        // SAFETY: a fresh mapping at an address of the system's choice.
        let map = unsafe {
            mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
                .unwrap()
        };
        let (first, last) = (map.cast::<u8>().wrapping_add(PAGE), map.cast::<u8>().wrapping_add(PAGE + inner));
        for guard in [map, last.cast()] {
            // SAFETY: whole pages of the mapping, to which nothing refers yet.
            unsafe { mprotect(guard, PAGE, MprotectFlags::empty()).unwrap() };
        }
        let start = match flush {
            Flush::End => last.wrapping_sub(bytes),
            Flush::Start => first,
        };
        Guarded { map, len, start }
    }

    fn fill<T: Copy>(&mut self, values: &[u64], of: impl Fn(u64) -> T) -> &mut [T] {
        // SAFETY: `start` lies `values.len()` elements before the guard at most, in pages that may be written and are
        // zero, and is aligned, because the guard is; `self` is borrowed for as long as the slice.
        let slice = unsafe { std::slice::from_raw_parts_mut(self.start.cast::<T>(), values.len()) };
        slice.iter_mut().zip(values).for_each(|(s, &v)| *s = of(v));
        slice
    }

    fn lend(&mut self, lane: Lane, access: Access, values: &[u64]) -> BufferRef<'_> {
        match (lane, access) {
            (Lane::U16, Access::Read) => BufferRef::U16(self.fill(values, |v| v as u16)),
            (Lane::U32, Access::Read) => BufferRef::U32(self.fill(values, |v| v as u32)),
            (Lane::U64, Access::Read) => BufferRef::U64(self.fill(values, |v| v)),
            (Lane::U16, Access::Write | Access::Scratch) => BufferRef::U16Mut(self.fill(values, |v| v as u16)),
            (Lane::U32, Access::Write | Access::Scratch) => BufferRef::U32Mut(self.fill(values, |v| v as u32)),
            (Lane::U64, Access::Write | Access::Scratch) => BufferRef::U64Mut(self.fill(values, |v| v)),
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`; slices of it borrowed `self`.
        unsafe { munmap(self.map, self.len).unwrap() };
    }
}

fn values(buffer: &BufferRef<'_>) -> Vec<u64> {
    match buffer {
        BufferRef::U16(v) => v.iter().map(|&v| v.into()).collect(),
        BufferRef::U32(v) => v.iter().map(|&v| v.into()).collect(),
        BufferRef::U64(v) => v.to_vec(),
        BufferRef::U16Mut(v) => v.iter().map(|&v| v.into()).collect(),
        BufferRef::U32Mut(v) => v.iter().map(|&v| v.into()).collect(),
        BufferRef::U64Mut(v) => v.to_vec(),
    }
}

pub fn check(what: &str, kernel: &Verified, code: &CompiledKernel) {
    let mut expected = testing::memory(kernel, 11);
    let given = expected.clone();
    interp::run(kernel, &mut expected).unwrap();
    for (flush, parts) in [(Flush::End, 1), (Flush::Start, 1), (Flush::End, 3), (Flush::Start, 4)] {
        let bytes = |b: &picc_ir::kernel::Buffer| b.len * b.lane.bytes();
        let mut pages: Vec<Guarded> = callers(kernel).map(|b| Guarded::new(bytes(b), flush)).collect();
        let lent = pages.iter_mut().zip(callers(kernel)).zip(&given);
        let mut lent: Vec<BufferRef> = lent.map(|((p, b), values)| p.lend(b.lane, b.access, values)).collect();
        code.run_in_parts(&mut lent, &mut Scratch::default(), parts).unwrap();
        for ((found, expected), b) in lent.iter().zip(&expected).zip(callers(kernel)) {
            assert!(values(found) == *expected, "{what}, {flush:?}, {parts} parts, buffer {}", b.name);
        }
    }
}

#[test]
fn nothing_outside_the_buffers_is_touched() {
    let kernels: Vec<Verified> = (500..900).map(|s| verify(testing::kernel(s)).unwrap()).collect();
    let (codes, _) = Jit::with_cache(None).unwrap().compile(&kernels.iter().collect::<Vec<_>>()).unwrap();
    for ((seed, kernel), code) in (500..).zip(&kernels).zip(&codes) {
        check(&format!("seed {seed}"), kernel, code);
    }
}
