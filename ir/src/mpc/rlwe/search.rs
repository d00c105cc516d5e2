//! Search of the tiling: an estimate of all candidates, exact bytes of the best.
//!
//! The score of a plan is its bytes plus the server's polynomial products at [`PRODUCT_BYTES`] each. The estimate
//! differs from the exact score only in what several outputs per weight polynomial read (it says: everything) and
//! in the smaller polynomials at the edges, so the best few are then priced exactly.

use super::noise::Load;
use super::plan::{LinearPlan, SEED_BYTES};
use super::{Budget, Encoding, Hiding, Layer, PlanError, Tiling};

/// A product of one prime's polynomials (both halves) is worth this many bytes: its time on one core at 400 Mbit/s.
const PRODUCT_BYTES: u64 = 96;
/// Candidates that are priced exactly.
const FINALISTS: usize = 12;
/// Candidates that are estimated, at most, for one ring dimension.
const MAX_CANDIDATES: usize = 400_000;
/// Polynomials of a request or a response, at most.
const MAX_POLYNOMIALS: u64 = 1 << 18;

/// The cheapest plan of a layer.
pub(super) fn search(
    layer: &Layer,
    ring_bits: u32,
    weight_bits: u32,
    hiding: Hiding,
) -> Result<LinearPlan, PlanError> {
    if !(1..=64).contains(&ring_bits) {
        return Err(PlanError::RingBits(ring_bits));
    }
    if !(1..=32).contains(&weight_bits) {
        return Err(PlanError::WeightBits(weight_bits));
    }
    let mut too_large = false;
    let not_eligible = PlanError::NotEligible { ring_bits, weight_bits, fan_in: layer.fan_in };
    // A kernel wider than the largest ring; everything below may now multiply extents.
    if layer.extent.iter().any(|&e| e > 8192) {
        return Err(not_eligible);
    }
    for degree in [4096, 8192] {
        let mut finalists = Vec::<(u64, Tiling, Budget)>::new();
        candidates(layer, degree, &mut |tiling| {
            let outputs = layer.lens()[2] as u64;
            let counts = Counts::of(layer, &tiling);
            if counts.requests > MAX_POLYNOMIALS || counts.responses > MAX_POLYNOMIALS {
                too_large = true;
                return;
            }
            let terms = layer.fan_in.saturating_mul(tiling.outputs as u64);
            if terms >= 1 << 36 {
                return;
            }
            let load = Load { ring_bits, weight_bits, terms, outputs, responses: counts.responses };
            let Some(budget) = Budget::smallest(degree, hiding, load) else { return };
            let score = estimate(layer, &tiling, &budget, &counts);
            if finalists.len() < FINALISTS || score < finalists[FINALISTS - 1].0 {
                let at = finalists.partition_point(|f| f.0 <= score);
                finalists.insert(at, (score, tiling, budget));
                finalists.truncate(FINALISTS);
            }
        });
        let best = finalists
            .into_iter()
            .map(|(_, tiling, budget)| {
                let plan = LinearPlan::new(layer.clone(), Encoding::Coefficients(tiling), budget);
                (plan.traffic().total() + product_bytes(&budget, Counts::of(layer, &tiling).products), plan)
            })
            .min_by_key(|(score, _)| *score);
        if let Some((_, plan)) = best {
            return Ok(plan);
        }
    }
    if too_large {
        return Err(PlanError::TooLarge("number of polynomials"));
    }
    Err(not_eligible)
}

struct Counts {
    requests: u64,
    responses: u64,
    products: u64,
}

impl Counts {
    fn of(layer: &Layer, t: &Tiling) -> Counts {
        let groups = t.groups.min(layer.groups);
        let (c, m) = ((groups * layer.channels) as u64, (groups * layer.outputs) as u64);
        let (inputs, outputs) = (c.div_ceil(t.channels as u64), m.div_ceil(t.outputs as u64));
        let repeats = (t.blocks(layer) * t.tiles(layer)) as u64;
        // Off the diagonal of a block nothing is multiplied.
        let dense = inputs * outputs;
        let products = dense
            .min(
                groups as u64
                    * (layer.channels as u64).div_ceil(t.channels as u64).max(1)
                    * (layer.outputs as u64).div_ceil(t.outputs as u64).max(1),
            )
            .max(outputs.max(inputs));
        Counts {
            requests: repeats.saturating_mul(inputs),
            responses: repeats.saturating_mul(outputs),
            products: repeats.saturating_mul(products),
        }
    }
}

fn product_bytes(budget: &Budget, products: u64) -> u64 {
    products * budget.set.primes.len() as u64 * PRODUCT_BYTES * (budget.set.degree as u64 / 4096)
}

fn estimate(layer: &Layer, t: &Tiling, budget: &Budget, counts: &Counts) -> u64 {
    let pixels = if t.outputs == 1 {
        t.used(layer).min(t.channels * t.images * (t.rows + layer.extent[0] - 1) * (t.cols + layer.extent[1] - 1))
    } else {
        budget.set.degree
    };
    let request = (pixels as u64 * u64::from(budget.request_bits())).div_ceil(8);
    let outputs = layer.lens()[2] as u64 * u64::from(budget.response_bits - budget.response_drop);
    let response = budget.set.degree as u64 * u64::from(budget.response_bits) / 8;
    SEED_BYTES
        + counts.requests * request
        + counts.responses * response
        + outputs / 8
        + product_bytes(budget, counts.products)
}

/// Calls `visit` with every candidate that fits `degree`.
fn candidates(layer: &Layer, degree: usize, visit: &mut impl FnMut(Tiling)) {
    let mut visited = 0;
    let [oh, ow] = layer.out_hw;
    for groups in group_choices(layer) {
        let (channels, outputs) = (groups * layer.channels, groups * layer.outputs);
        for rows in part_sizes(oh, degree) {
            for cols in part_sizes(ow, degree) {
                if rows * cols > degree || visited >= MAX_CANDIDATES {
                    continue;
                }
                let whole = rows == oh && cols == ow;
                for images in part_sizes(if whole { layer.images } else { 1 }, degree) {
                    let tile = Tiling::new(layer, groups, images, rows, cols);
                    if !tile.fits(layer, degree) {
                        continue;
                    }
                    for c in part_sizes(channels, degree) {
                        let mut tile = Tiling { channels: c, ..tile };
                        if !tile.fits(layer, degree) {
                            continue;
                        }
                        for m in part_sizes(outputs, degree) {
                            tile.outputs = m;
                            if tile.fits(layer, degree) && visited < MAX_CANDIDATES {
                                visited += 1;
                                visit(tile);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One group, powers of two of them, and all.
fn group_choices(layer: &Layer) -> Vec<usize> {
    let all = layer.groups.min(256);
    let mut choices: Vec<usize> = (0..9).map(|i| 1 << i).chain([3, 5, 6, 7, all]).filter(|&g| g <= all).collect();
    choices.sort_unstable();
    choices.dedup();
    choices
}

/// Sizes of equal parts of `total`, largest first, none above `cap`: every `ceil(total / k)`.
fn part_sizes(total: usize, cap: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut size = total.min(cap);
    while size > 0 {
        let parts = total.div_ceil(size);
        let even = total.div_ceil(parts);
        sizes.push(even);
        // The largest size that needs more parts.
        size = (total - 1) / parts;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::part_sizes;

    #[test]
    fn part_sizes_are_all_even_divisions() {
        assert_eq!(part_sizes(7, 100), [7, 4, 3, 2, 1]);
        assert_eq!(part_sizes(1, 100), [1]);
        assert_eq!(part_sizes(10, 4), [4, 3, 2, 1]);
        assert!(part_sizes(1 << 24, 4096).len() <= 4096);
    }
}
