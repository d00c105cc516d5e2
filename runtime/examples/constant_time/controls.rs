//! Positive controls: what must be reported. The first three are code of this project as it was. Those with names of their own
//! the check of the disassembly must find as well.

use super::{Expect, Rows, share};
use picc_runtime::crypto::ct::taint::secret;
use std::hint::black_box;

pub fn run(rows: &mut Rows) {
    rows.row("control: children swapped by a bit of a path", Expect::Reports, || {
        let (path, mut nodes) = (share(4, 64, 1), vec![[1u128, 2]; 16]);
        path.iter().for_each(|word| swap_under(&mut nodes, word & 1 == 1));
        black_box(nodes).len() == 16
    });
    rows.row("control: a column under a bit of delta", Expect::Reports, || {
        let mut delta = [0x5aa5_u64];
        secret(&mut delta);
        let mut column = vec![1u128; 64];
        (0..16).for_each(|b| add_under(&mut column, &[3; 64], delta[0] >> b & 1 == 1));
        black_box(column).len() == 64
    });
    rows.row("control: division of 128 bits by a prime", Expect::Reports, || {
        let x = share(16, 51, 3);
        black_box(x.iter().map(|v| quotient(*v, 0x7_ffff_fffe_0001)).collect::<Vec<_>>()).len() == 16
    });
    rows.row("control: division of 64 bits", Expect::Reports, || {
        let x = share(16, 51, 3);
        black_box(x.iter().map(|v| word_quotient(*v, 1000)).collect::<Vec<_>>()).len() == 16
    });
    rows.row("control: rejection not declared", Expect::Reports, || {
        let x = share(64, 8, 4);
        black_box(x.iter().filter(|b| **b < 255).map(|b| b % 3).collect::<Vec<_>>()).len() <= 64
    });
    rows.row("control: a table indexed by a secret", Expect::Reports, || {
        let (table, x) = (black_box([7u64; 256]), share(4, 8, 5));
        black_box(x.iter().map(|i| looked_up(&table, *i)).sum::<u64>());
        true
    });
    rows.row("control: a jump on a sign", Expect::Reports, || {
        let x = share(4, 20, 6);
        x.iter().filter(|v| **v >> 19 == 1).for_each(|_| black_box(()));
        true
    });
}

#[inline(never)]
fn swap_under(nodes: &mut [[u128; 2]], right: bool) {
    let right = u128::from(right).wrapping_neg();
    for pair in nodes {
        let swap = (pair[0] ^ pair[1]) & right;
        pair[0] ^= swap;
        pair[1] ^= swap;
    }
}

#[inline(never)]
fn add_under(column: &mut [u128], d: &[u128], bit: bool) {
    let mask = u128::from(bit).wrapping_neg();
    column.iter_mut().zip(d).for_each(|(w, d)| *w ^= d & mask);
}

#[inline(never)]
fn quotient(value: u64, p: u64) -> u64 {
    ((u128::from(value) << 52) / u128::from(p)) as u64
}

#[inline(never)]
fn word_quotient(value: u64, by: u64) -> u64 {
    value / black_box(by)
}

#[inline(never)]
fn looked_up(table: &[u64; 256], index: u64) -> u64 {
    table[index as usize & 255]
}
