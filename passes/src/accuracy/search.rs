//! From a menu to a program: one number, the price of damage, orders all choices by what they save for what they harm.
//!
//! At a price `p` every place takes the level with the least `price + p * damage` on its own, so a lower p gives a
//! cheaper and worse program. The lowest p that holds the budget is found by bisection over measured accuracies; then
//! programs are tried from there upwards until one holds on the held-out samples too.

use super::probe::{Level, Menu, Place};
use crate::prepared::Tuning;

/// Prices of damage that are tried, from dear to cheap: neighbours differ by the square root of two.
pub(super) const STEPS: usize = 72;
/// The cheapest: as much damage as signal costs a sixteenth of the program.
const CHEAPEST: f64 = -4.0;

/// The choices at a price of damage; step 0 is the dearest.
pub(super) fn choose(menu: &Menu, step: usize) -> Tuning {
    let dearest = CHEAPEST + STEPS as f64 / 2.0;
    let whole = menu.fractions.iter().map(|f| f.price).max().unwrap_or(0) as f64;
    let price = whole / menu.signal * (dearest - step as f64 / 2.0).exp2();
    let weigh = |l: &Level| l.price as f64 + price * l.damage;
    let best = |place: &Place| -> Option<Level> {
        // Of equals the one that changes less.
        place.levels.iter().copied().reduce(|a, b| if weigh(&b) < weigh(&a) { b } else { a })
    };
    let total = |fraction: &super::probe::Fraction| {
        let saved = |place: &Place| match (place.levels.first(), best(place)) {
            (Some(first), Some(best)) => weigh(first) - weigh(&best),
            _ => 0.0,
        };
        let windows: f64 = fraction.windows.iter().map(saved).sum();
        fraction.price as f64 + price * fraction.damage - windows
    };
    let fraction = menu.fractions.iter().reduce(|a, b| if total(b) < total(a) { b } else { a });
    let changed = |places: &[Place]| {
        let chosen = places.iter().filter_map(|p| Some((p.node.clone(), p.levels.first()?.value, best(p)?.value)));
        chosen.filter(|(_, first, best)| first != best).map(|(node, _, best)| (node, best)).collect()
    };
    Tuning {
        bits: fraction.map(|f| f.bits),
        weight_bits: changed(&menu.weights),
        windows: fraction.map(|f| changed(&f.windows)).unwrap_or_default(),
    }
}

/// Steps between the programs that are tried where the dearest one does not hold.
const STRIDE: usize = 4;

/// The largest step up to [`STEPS`] for which `holds`, if it holds up to there. If it does not hold at step 0 (fewer
/// fraction bits may leave room for more bits of weights), the largest one of every fourth; `None` if there is none.
pub(super) fn last_that_holds<E>(mut holds: impl FnMut(usize) -> Result<bool, E>) -> Result<Option<usize>, E> {
    if !holds(0)? {
        for step in (STRIDE..=STEPS).rev().step_by(STRIDE) {
            if holds(step)? {
                return Ok(Some(step));
            }
        }
        return Ok(None);
    }
    let (mut low, mut high) = (0, STEPS + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        *(if holds(middle)? { &mut low } else { &mut high }) = middle;
    }
    Ok(Some(low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::probe::Fraction;

    fn place(node: &str, prices: &[u64], unit: f64) -> Place {
        let level = |(i, &price): (usize, &u64)| Level {
            value: i as u8,
            price,
            damage: if i == 0 { 0.0 } else { unit * 8f64.powi(i as i32) },
        };
        Place { node: node.into(), levels: prices.iter().enumerate().map(level).collect() }
    }

    fn menu() -> Menu {
        let fraction = |bits: u8, price, damage| Fraction {
            bits,
            price,
            damage,
            windows: vec![place("robust", &[50, 40, 30, 20], 1e-7), place("fragile", &[50, 40, 30, 20], 1e-3)],
        };
        let fractions = vec![fraction(12, 1000, 1e-9), fraction(8, 800, 1e-6), fraction(4, 600, 1e-2)];
        Menu { fractions, weights: vec![place("layer", &[300, 200, 150], 1e-5)], signal: 1.0 }
    }

    /// Cheaper damage never makes the program dearer, and what harms less goes first.
    #[test]
    fn choices_are_nested_and_ordered_by_saving_for_harm() {
        let menu = menu();
        assert_eq!(choose(&menu, 0).windows.len() + choose(&menu, 0).weight_bits.len(), 0);
        let mut last = Tuning { bits: Some(12), ..Tuning::default() };
        for step in 0..=STEPS {
            let now = choose(&menu, step);
            assert!(now.bits <= last.bits, "step {step}");
            for (node, level) in &last.windows {
                assert!(now.windows[node] >= *level, "step {step}, {node}");
            }
            assert!(now.windows.contains_key("robust") || !now.windows.contains_key("fragile"), "step {step}");
            last = now;
        }
        assert_eq!(last.bits, Some(4));
        assert_eq!(last.windows["fragile"], 2);
        assert_eq!(last.weight_bits["layer"], 2);
    }

    #[test]
    fn bisection_finds_the_last_step() {
        for last in [0, 1, 35, STEPS - 1, STEPS] {
            let found = last_that_holds(|s| Ok::<bool, ()>(s <= last));
            assert_eq!(found, Ok(Some(last)));
        }
        assert_eq!(last_that_holds(|_| Ok::<bool, ()>(false)), Ok(None));
        assert_eq!(last_that_holds(|s| Ok::<bool, ()>((5..14).contains(&s))), Ok(Some(12)));
        assert_eq!(last_that_holds(|_| Err("broken")), Err("broken"));
    }
}
