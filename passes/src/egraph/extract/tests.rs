//! The search against every combination of choices.

use super::*;
use crate::testing::Rng;

/// The optimum by trying every combination of choices.
fn exhaustive(p: &Problem) -> Option<Picos> {
    let mut best = None;
    let mut choice: Choice = p.classes.iter().map(|c| (!c.is_empty()).then_some(0)).collect();
    loop {
        best = match (best, p.total(&choice)) {
            (Some(a), Some(b)) => Some(Picos::min(a, b)),
            (a, b) => a.or(b),
        };
        let mut i = 0;
        loop {
            if i == choice.len() {
                return best;
            }
            match choice[i] {
                Some(k) if k + 1 < p.classes[i].len() => {
                    choice[i] = Some(k + 1);
                    break;
                }
                Some(_) => choice[i] = Some(0),
                None => {}
            }
            i += 1;
        }
    }
}

fn random(rng: &mut Rng) -> Problem {
    let n = 3 + rng.below(7);
    let class = |c: usize, rng: &mut Rng| {
        let count = 1 + rng.below(3);
        (0..count)
            .map(|node| {
                let mut needs: Vec<usize> = (0..rng.below(3)).map(|_| rng.below(n)).collect();
                // Mostly downwards, sometimes in circles.
                if node == 0 {
                    needs.retain(|&m| m < c);
                }
                needs.sort_unstable();
                needs.dedup();
                Candidate { node, price: 1 + rng.below(20) as Picos, needs, made_by: [].into() }
            })
            .collect()
    };
    let classes = (0..n).map(|c| class(c, rng)).collect();
    Problem { classes, roots: vec![n - 1, rng.below(n)] }
}

#[test]
fn small_problems_are_solved_within_a_tenth_of_the_optimum_and_mostly_to_it() {
    let mut rng = Rng(7);
    let (mut optimal, mut all, mut excess) = (0u32, 0u32, 0.0);
    for _ in 0..400 {
        let p = random(&mut rng);
        let best = exhaustive(&p).expect("first candidates make a program");
        let (choice, total) = p.solve(Effort::Full).expect("as above");
        assert_eq!(p.total(&choice), Some(total));
        assert!(total >= best);
        all += 1;
        optimal += u32::from(total == best);
        excess += total as f64 / best as f64 - 1.0;
    }
    assert!(f64::from(optimal) >= 0.97 * f64::from(all), "{optimal} of {all} optimal");
    assert!(excess / f64::from(all) < 0.01, "{excess}");
}

#[test]
fn what_pays_only_together_is_chosen_together() {
    // Classes: 0 input, 1 wide layer, 2 and 3 two users: a layer of their own, or their part of the wide one.
    let k = |node, price, needs: &[usize]| Candidate { node, price, needs: needs.to_vec(), made_by: [].into() };
    let user = |node| vec![k(node, 10, &[0]), k(node + 1, 1, &[1])];
    let p =
        Problem { classes: vec![vec![k(0, 1, &[])], vec![k(1, 13, &[0])], user(2), user(4)], roots: vec![2, 3] };
    let (choice, total) = p.solve(Effort::Full).unwrap();
    assert_eq!(total, 1 + 13 + 2);
    assert_eq!(choice[2], Some(1));
    assert_eq!(choice[3], Some(1));
}
