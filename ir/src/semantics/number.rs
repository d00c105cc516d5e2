//! The two kinds of numbers that a reference meaning computes with.

/// f32 over the reals, i64 with wrap-around over a ring (the interpreter then wraps to the smaller ring).
pub(crate) trait Number: Copy + PartialOrd {
    const ZERO: Self;
    /// No number is smaller.
    const LOWEST: Self;

    fn plus(self, o: Self) -> Self;
    fn minus(self, o: Self) -> Self;
    fn times(self, o: Self) -> Self;

    fn larger(self, o: Self) -> Self {
        if self < o { o } else { self }
    }
}

impl Number for f32 {
    const ZERO: f32 = 0.0;
    const LOWEST: f32 = f32::NEG_INFINITY;

    fn plus(self, o: f32) -> f32 {
        self + o
    }

    fn minus(self, o: f32) -> f32 {
        self - o
    }

    fn times(self, o: f32) -> f32 {
        self * o
    }
}

/// Exact as long as every sum stays below 2^53.
impl Number for f64 {
    const ZERO: f64 = 0.0;
    const LOWEST: f64 = f64::NEG_INFINITY;

    fn plus(self, o: f64) -> f64 {
        self + o
    }

    fn minus(self, o: f64) -> f64 {
        self - o
    }

    fn times(self, o: f64) -> f64 {
        self * o
    }
}

impl Number for i64 {
    const ZERO: i64 = 0;
    const LOWEST: i64 = i64::MIN;

    fn plus(self, o: i64) -> i64 {
        self.wrapping_add(o)
    }

    fn minus(self, o: i64) -> i64 {
        self.wrapping_sub(o)
    }

    fn times(self, o: i64) -> i64 {
        self.wrapping_mul(o)
    }
}
