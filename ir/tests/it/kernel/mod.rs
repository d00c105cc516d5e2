//! Kernels: text, verifier, interpreter.

mod build;
mod meaning;
mod rejections;
mod text;

use picc_ir::kernel::Kernel;

/// `x` (64 lanes) halved in resolution by sums of 2x2 windows, and its pieces put together in another order.
const POOL: &str = r#"kernel {
  b0: u64[64] read "x"
  b1: u32[16] write "y"
  b2: u64[64] scratch ""
  t0: [3, 2, 1, 0]
  # in two nests
  nest [1, 4, 8] {
    finish {
      r0 = load b0[t0[i1] + 4*i2]
      r1 = const u64 5
      r2 = add r0 r1
      store b2[8*i1 + i2] r2
    }
  }
  nest [4, 8] {
    finish {
      r0 = load b0[31 - 8*i0 + i1]
      store b2[32 + 8*i0 + i1] r0
    }
  }
  nest [4, 4] reduce [2, 2] {
    a0: u64 add 7
    body {
      r0 = load b2[16*i0 + 2*i1 + 8*i2 + i3]
      r1 = const u64 9
      r2 = ltu r0 r1
      r3 = select r2 r0 r1
      accumulate a0 r3
    }
    finish {
      r0 = total a0
      r1 = shr r0 1
      r2 = convert signed u32 r1
      store b1[4*i0 + i1] r2
    }
  }
}
"#;

fn parsed(text: &str) -> Kernel {
    text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"))
}
