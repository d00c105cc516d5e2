//! The recorded table of what each family of rewrites saves: it holds the promise, and it is what the compiler says
//! now.
//!
//! It is made by `cargo run --release -p picc-tests --bin families -- --shared ../shared --record`.

use picc_ir::cost::profile::Profile;
use picc_tests::example::root;
use picc_tests::families::{HEADER, MODELS, Row, rows};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn recorded() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("tests/data/families.tsv")).expect("the recorded table");
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some(HEADER));
    lines.collect()
}

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

#[test]
fn everything_on_costs_no_more_than_any_family_alone() {
    let mut seconds: BTreeMap<(String, String), BTreeMap<String, f64>> = BTreeMap::new();
    for line in recorded() {
        let cells: Vec<&str> = line.split('\t').collect();
        let &[model, profile, families, _, _, time] = &cells[..] else { panic!("{line}") };
        let of = seconds.entry((model.to_owned(), profile.to_owned())).or_default();
        of.insert(families.to_owned(), time.parse().unwrap());
    }
    for name in ["cifar10_resnet20", "imagenet_squeezenet1.0_dc", "light_resnet50", "imagenet_densenet121"] {
        for profile in ["lan", "wan"] {
            assert!(seconds.contains_key(&(name.to_owned(), profile.to_owned())), "{name} under {profile}");
        }
    }
    for (which, of) in seconds {
        let all = of["all"];
        assert!(of.len() >= 9, "{which:?}: {of:?}");
        of.iter().for_each(|(family, &s)| assert!(all <= s, "{which:?}: all {all}, {family} {s}"));
    }
}

fn recomputed(names: &[&str]) {
    let Some(shared) = shared() else { return };
    let recorded = recorded();
    for name in names {
        let model = MODELS.iter().find(|m| m.name == *name).expect("a model of the table");
        let (found, _) = rows(&shared, model, &[Profile::lan(), Profile::wan()]).expect("the model compiles");
        let found: Vec<String> = found.iter().map(Row::tsv).collect();
        let expected: Vec<String> =
            recorded.iter().filter(|l| l.split('\t').next() == Some(name)).cloned().collect();
        assert_eq!(found, expected, "record the table again");
    }
}

#[test]
fn small_models_cost_what_is_recorded() {
    recomputed(&["mnist_fc_256x2", "mnist_cntk", "mnist_convnet_maxpool", "mnist_heir_lenet5", "mnist_tfe_b_cnn"]);
}

#[test]
fn resnet20_costs_what_is_recorded() {
    recomputed(&["cifar10_resnet20"]);
}
