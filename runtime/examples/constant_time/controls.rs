//! Positive controls: what must be reported. The first three are code of this project as it was. Those with names of
//! their own the check of the disassembly must find as well.

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
    rows.row("control: values selected by shares of signs", Expect::Reports, || {
        let (signs, values, mut shares) = (share(1, 64, 7), vec![5u64; 64], vec![6u64; 64]);
        select_under(&signs, &values, &mut shares);
        black_box(shares).len() == 64
    });
    rows.row("control: messages kept by choice bits", Expect::Reports, || {
        let (choices, pads, mut messages) = (share(1, 64, 8), vec![7u64; 64], vec![9u64; 64]);
        keep_under(&choices, &pads, &mut messages);
        black_box(messages).len() == 64
    });
    rows.row("control: rows of a product by bits of a weight", Expect::Reports, || {
        let (weight, mut out) = (share(1, 16, 9), vec![0u64; 8]);
        product_under(weight[0], &[3; 8], &mut out);
        black_box(out).len() == 8
    });
    rows.row("control: a way chosen among many", Expect::Reports, || {
        let x = share(4, 3, 10);
        black_box(x.iter().map(|tag| one_of_many(*tag, 3)).sum::<u64>());
        true
    });
    rows.row("control: a jump on a secret behind a table of ways", Expect::Reports, || {
        let x = share(4, 20, 11);
        black_box(x.iter().map(|v| behind_a_table(black_box(3), *v)).sum::<u64>());
        true
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

/// A bit of a vector of bits, as a truth value.
fn bit(words: &[u64], i: usize) -> bool {
    words[i / 64] >> (i % 64) & 1 == 1
}

#[inline(never)]
fn select_under(signs: &[u64], values: &[u64], shares: &mut [u64]) {
    for (i, s) in shares.iter_mut().enumerate() {
        let own = values[i] & u64::from(bit(signs, i)).wrapping_neg();
        *s = s.wrapping_add(own);
    }
}

#[inline(never)]
fn keep_under(choices: &[u64], pads: &[u64], messages: &mut [u64]) {
    for (e, (u, pad)) in messages.iter_mut().zip(pads).enumerate() {
        let y = u64::from(bit(choices, e)).wrapping_neg();
        *u = pad.wrapping_add(*u & y);
    }
}

#[inline(never)]
fn product_under(weight: u64, row: &[u64], out: &mut [u64]) {
    for k in 0..16 {
        let bit = u64::from(bit(&[weight], k)).wrapping_neg();
        for (out, value) in out.iter_mut().zip(row) {
            *out = out.wrapping_add((value & bit) << k);
        }
    }
}

/// A jump through a table.
#[inline(never)]
fn one_of_many(tag: u64, x: u64) -> u64 {
    match tag & 7 {
        0 => black_box(x) + 1,
        1 => black_box(x) * 3,
        2 => black_box(x) ^ 5,
        3 => black_box(x) << 2,
        4 => black_box(x) | 9,
        5 => !black_box(x),
        6 => black_box(x).rotate_left(9),
        _ => black_box(x).count_ones().into(),
    }
}

/// A jump through a table by what is public, and behind it one on a secret.
#[inline(never)]
fn behind_a_table(tag: u64, x: u64) -> u64 {
    match tag & 7 {
        0 => black_box(7) + 1,
        1 => black_box(7) * 3,
        2 => black_box(7) ^ 5,
        3 if x > 9 => black_box(7) << 2,
        3 | 4 => black_box(7) | 9,
        5 => !black_box(7),
        6 => black_box(7u64).rotate_left(9),
        _ => black_box(7u64).count_ones().into(),
    }
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
