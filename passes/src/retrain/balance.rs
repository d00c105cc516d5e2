//! ReLU balancing (CryptoNAS, Sphynx): as many ReLUs in every layer, however wide it is.
//!
//! Early layers have the most elements and the least use for them. Layers above a common level lose their least
//! damaging channels until they are at it; the level is the highest that the budget admits.

use super::sites::Site;

/// How many channels of each site keep their ReLU at the highest level that leaves at most `budget` elements.
pub(super) fn kept(sites: &[Site], budget: u64) -> Vec<usize> {
    let at = |level: u64| -> Vec<usize> {
        let channels = |s: &Site| s.channels.min(usize::try_from(level / s.each.max(1)).unwrap_or(usize::MAX));
        sites.iter().map(channels).collect()
    };
    let total = |kept: &[usize]| -> u64 { kept.iter().zip(sites).map(|(&k, s)| k as u64 * s.each).sum() };
    let most = sites.iter().map(Site::elements).max().unwrap_or(0);
    let (mut good, mut bad) = (0, most + 1);
    while bad - good > 1 {
        let level = good + (bad - good) / 2;
        if total(&at(level)) <= budget { good = level } else { bad = level }
    }
    at(good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::Id;

    #[test]
    fn the_level_is_the_highest_that_fits() {
        let site = |channels, each| Site { relu: Id(0), input: Id(0), axis: 1, channels, each, before: None };
        let sites = [site(16, 1024), site(32, 256), site(64, 64)];
        for budget in [0, 63, 64, 1000, 4096, 12_000, 20_000, 28_671, 28_672, 40_000] {
            let kept = kept(&sites, budget);
            let left: Vec<u64> = kept.iter().zip(&sites).map(|(&k, s)| k as u64 * s.each).collect();
            assert!(left.iter().sum::<u64>() <= budget, "{budget}: {left:?}");
            // One more channel of a layer that was cut would exceed the budget or stand above the others.
            let level = left.iter().max().unwrap();
            for ((&k, s), &l) in kept.iter().zip(&sites).zip(&left) {
                let next = l + s.each;
                assert!(k == s.channels || next > *level || left.iter().sum::<u64>() + s.each > budget, "{budget}");
            }
        }
        assert_eq!(kept(&sites, 40_000), [16, 32, 64]);
    }
}
