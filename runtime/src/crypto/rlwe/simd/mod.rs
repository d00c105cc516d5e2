//! Vector code, chosen at run time. Each function says whether it did the work; if not, the portable twin does.

#[cfg(target_arch = "x86_64")]
mod avx512;

use super::ntt::NttTable;

#[cfg(target_arch = "x86_64")]
fn ifma() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")
}

/// Forward transform of `table.degree` reduced values.
pub(super) fn forward(table: &NttTable, a: &mut [u64]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if ifma() {
        // SAFETY: the features were detected.
        unsafe { avx512::forward(table, a) };
        return true;
    }
    let _ = (table, a);
    false
}

/// Inverse transform of `table.degree` reduced values.
pub(super) fn inverse(table: &NttTable, a: &mut [u64]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if ifma() {
        // SAFETY: the features were detected.
        unsafe { avx512::inverse(table, a) };
        return true;
    }
    let _ = (table, a);
    false
}

/// `low[i], high[i] += ` the 52-bit halves of `x[i] * w[i]`; all slices of one length, a multiple of eight.
pub(super) fn accumulate(low: &mut [u64], high: &mut [u64], x: &[u64], w: &[u64]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if ifma() {
        assert!(x.len().is_multiple_of(8) && [low.len(), high.len(), w.len()] == [x.len(); 3]);
        // SAFETY: the features were detected, the lengths checked.
        unsafe { avx512::accumulate(low, high, x, w) };
        return true;
    }
    let _ = (low, high, x, w);
    false
}

/// The same with one `w` for all.
pub(super) fn accumulate_scalar(low: &mut [u64], high: &mut [u64], x: &[u64], w: u64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if ifma() {
        assert!(x.len().is_multiple_of(8) && [low.len(), high.len()] == [x.len(); 2]);
        // SAFETY: the features were detected, the lengths checked.
        unsafe { avx512::accumulate_scalar(low, high, x, w) };
        return true;
    }
    let _ = (low, high, x, w);
    false
}
