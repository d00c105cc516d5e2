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

const ENOUGH: u64 = 50 * super::exact::STEPS_PER_SECOND;

#[test]
fn the_exact_search_finds_the_optimum() {
    let mut rng = Rng(11);
    for _ in 0..400 {
        let p = random(&mut rng);
        let best = exhaustive(&p).expect("first candidates make a program");
        // From the worst start there is: the first candidates.
        let first: Choice = p.classes.iter().map(|c| (!c.is_empty()).then_some(0)).collect();
        let total = p.total(&first).expect("as above");
        let proof = p.exact((first, total), ENOUGH);
        assert!(proof.is_optimal());
        assert_eq!(proof.total, best);
        assert_eq!(p.total(&proof.choice), Some(best));
    }
}

/// A chain of blocks like those of a residual network: values in two rings, a skip connection, shared inputs.
fn chain(rng: &mut Rng, blocks: usize) -> Problem {
    let mut classes: Vec<Vec<Candidate>> = Vec::new();
    let k = |price: usize, needs: &[usize]| Candidate {
        node: 0,
        price: price as Picos,
        needs: needs.to_vec(),
        made_by: [].into(),
    };
    classes.push(vec![k(1, &[])]);
    classes.push(vec![k(1 + rng.below(5), &[0])]);
    let mut last = [0, 1];
    for _ in 0..blocks {
        let n = classes.len();
        let layer = |rng: &mut Rng, from: usize| k(20 + rng.below(60), &[from]);
        // Two rings of the layer's result, each from either ring of its input, or from the other.
        classes.push(vec![layer(rng, last[0]), layer(rng, last[1]), k(1 + rng.below(20), &[n + 1])]);
        classes.push(vec![layer(rng, last[0]), layer(rng, last[1]), k(1 + rng.below(20), &[n])]);
        let skip = |rng: &mut Rng, i: usize| k(1 + rng.below(30), &[n + i, last[i]]);
        classes.push(vec![skip(rng, 0), k(1 + rng.below(20), &[n + 3])]);
        classes.push(vec![skip(rng, 1), k(1 + rng.below(20), &[n + 2])]);
        last = [n + 2, n + 3];
    }
    Problem { classes, roots: vec![last[0]] }
}

#[test]
fn long_chains_are_solved_exactly_and_the_search_comes_close() {
    let mut rng = Rng(5);
    let (mut optimal, mut worst) = (0, 1.0f64);
    for _ in 0..20 {
        let p = chain(&mut rng, 60);
        let greedy = p.solve(Effort::Full).expect("a program");
        let total = greedy.1;
        let proof = p.exact(greedy, ENOUGH);
        assert!(proof.is_optimal(), "{} and {}", proof.bound, proof.total);
        assert_eq!(p.total(&proof.choice), Some(proof.total));
        optimal += usize::from(total == proof.total);
        worst = worst.max(total as f64 / proof.total as f64);
    }
    println!("{optimal} of 20 optimal, the worst {worst:.4} times the optimum");
    assert!(worst < 1.05, "{worst}");
}

#[test]
fn what_the_steps_do_not_reach_is_bounded() {
    // Many values stay open: twelve branches with two rings each, all joined at the end.
    let mut rng = Rng(3);
    let mut classes = vec![vec![Candidate { node: 0, price: 5, needs: vec![], made_by: [].into() }]];
    let mut ends = Vec::new();
    for _ in 0..14 {
        let n = classes.len();
        let k = |price: usize, needs: &[usize]| Candidate {
            node: 0,
            price: price as Picos,
            needs: needs.to_vec(),
            made_by: [].into(),
        };
        classes.push(vec![k(10 + rng.below(10), &[0])]);
        classes.push(vec![k(10 + rng.below(10), &[0])]);
        classes.push(vec![k(1 + rng.below(9), &[n]), k(1 + rng.below(9), &[n + 1])]);
        ends.push(n + 2);
    }
    let p = Problem { roots: ends, classes };
    let (choice, total) = p.solve(Effort::Full).expect("a program");
    let short = p.exact((choice.clone(), total), 2_000);
    assert!(short.bound <= short.total && short.total <= total);
    let proof = p.exact((choice, total), ENOUGH);
    assert!(proof.is_optimal() && short.bound <= proof.total && proof.total <= short.total);
    assert_eq!(p.exact(p.solve(Effort::Full).expect("a program"), ENOUGH), proof);
}
