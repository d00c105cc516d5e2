//! How well the layers under ring LWE of real models hide their weights, and in which way.

use picc_ir::cost::profile::Profile;
use picc_ir::mpc::rlwe::{Hiding, figure};
use picc_ir::mpc::schedule::{schedule, scheduled_cost};
use picc_passes::{Options, compile};
use picc_tests::example::{self, root};
use picc_tests::families::{MODELS, Model, load};
use std::path::{Path, PathBuf};

/// `PICC_SHARED`, or the folder beside the repository.
fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| root().join("../shared"));
    if folder.join("models").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no models in {}", folder.display());
    None
}

/// Every layer hides its weights as the options say, and an inference stays within 2^-40; prints its bytes.
fn hides(name: &str, program: &picc_ir::program::Program, exact: bool) {
    let schedule = schedule(&program.graph).unwrap_or_else(|e| panic!("{name}: {e}"));
    let wanted = if exact { Hiding::Flood } else { Hiding::FullRange };
    assert!(schedule.plans.values().all(|p| p.budget.hiding == wanted), "{name}");
    let total = schedule.figure();
    assert!(total.distance() <= (-40f64).exp2(), "{name}, exact {exact}: 2^{}", total.distance().log2());
    if exact {
        assert!(
            total.distance() <= (-50f64).exp2() && total.masked == 0.0,
            "{name}: 2^{}",
            total.distance().log2()
        );
    } else {
        assert_eq!(total.flooded, 0.0, "{name}");
    }
    let sets: Vec<&str> = schedule.rlwe_sets().iter().map(|s| s.name).collect();
    let bytes = scheduled_cost(program, &schedule).expect("priced").inference().total();
    println!(
        "{name}\t{}\t{bytes}\t{} layers\t2^{:.1}\tcoins 2^{:.1}\t{}",
        if exact { "exact" } else { "default" },
        schedule.plans.len(),
        total.distance().log2(),
        total.coins.log2(),
        sets.join(",")
    );
}

fn model(shared: &Path, model: &Model) {
    let (imported, samples) = load(shared, model).unwrap_or_else(|e| panic!("{}: {e}", model.name));
    for exact in [false, true] {
        let options = Options { exact, profile: Some(Profile::lan()), ..Options::plain() };
        match compile(&imported.graph, &imported.weights, &options, &samples) {
            Ok(compiled) => hides(model.name, &compiled.program, exact),
            Err(e) => println!("{}\texact {exact} does not compile: {e}", model.name),
        }
    }
}

#[test]
fn the_example_hides_its_weights() {
    for (exact, profile) in [(false, None), (true, None), (false, Some(Profile::wan()))] {
        let compiled = example::compiled(1, Options { exact, profile, ..Options::plain() });
        assert!(!schedule(&compiled.program.graph).unwrap().plans.is_empty());
        hides("the example", &compiled.program, exact);
    }
    assert!(figure::MOST <= (-40f64).exp2() && figure::MOST_FLOODED * 1024.0 <= figure::MOST);
}

#[test]
fn small_models_hide_their_weights() {
    let Some(shared) = shared() else { return };
    MODELS.iter().take(6).for_each(|m| model(&shared, m));
}

/// Minutes: `cargo test --release -p picc-tests --test hiding -- --ignored --nocapture`.
#[test]
#[ignore = "minutes"]
fn all_models_hide_their_weights() {
    let Some(shared) = shared() else { return };
    MODELS.iter().for_each(|m| model(&shared, m));
}
