//! For the constant-time test only: requests to valgrind's memcheck, which mark memory as undefined (a secret) or
//! defined (public), and the choice of the portable code. Without valgrind every request does nothing.
//!
//! The sequence of instructions and the numbers are those of `valgrind.h` and `memcheck.h`.

use super::Plain;

const MAKE_MEM_UNDEFINED: usize = 0x4d43_0001;
const MAKE_MEM_DEFINED: usize = 0x4d43_0002;
const GET_VBITS: usize = 0x4d43_0008;
const COUNT_ERRORS: usize = 0x1201;
const RUNNING_ON_VALGRIND: usize = 0x1001;

/// Values that are secret from here on.
pub fn secret<T: Plain>(values: &mut [T]) {
    request([MAKE_MEM_UNDEFINED, values.as_mut_ptr().addr(), size_of_val(values), 0, 0, 0]);
}

/// A value that may be known.
#[must_use]
pub fn public<T: Plain>(value: T) -> T {
    let mut one = [value];
    show(&mut one);
    one[0]
}

/// Values that may be known from here on.
pub fn show<T: Plain>(values: &mut [T]) {
    request([MAKE_MEM_DEFINED, values.as_mut_ptr().addr(), size_of_val(values), 0, 0, 0]);
}

/// Whether any bit of the values is secret.
#[must_use]
pub fn is_secret<T: Plain>(values: &[T]) -> bool {
    // One byte at a time: its undefined bits are ones.
    let bits = |at: usize| {
        let mut bits = 0u8;
        let byte = values.as_ptr().addr() + at;
        request([GET_VBITS, byte, (&raw mut bits).addr(), 1, 0, 0]);
        bits
    };
    (0..size_of_val(values)).any(|at| bits(at) != 0)
}

/// How often a jump or an address depended on a secret so far.
#[must_use]
pub fn reports() -> usize {
    request([COUNT_ERRORS, 0, 0, 0, 0, 0])
}

#[must_use]
pub fn under_valgrind() -> bool {
    request([RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0]) > 0
}

/// Whether the portable code is to run: `PICC_TAINT_PORTABLE` is set.
#[must_use]
pub fn portable() -> bool {
    std::env::var_os("PICC_TAINT_PORTABLE").is_some()
}

#[cfg(target_arch = "x86_64")]
fn request(arguments: [usize; 6]) -> usize {
    let mut result = 0usize;
    // SAFETY: the rotations add up to 128 bits and the exchange is of a register with itself, so on a processor nothing
    // changes; valgrind changes what it knows of the memory named, and the result. The asm may write memory, so that
    // the compiler keeps no copy of what was marked.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") &raw const arguments,
            inout("rdx") result,
            options(nostack),
        );
    }
    result
}

#[cfg(not(target_arch = "x86_64"))]
fn request(_arguments: [usize; 6]) -> usize {
    0
}
