//! The table of what each family of rewrites saves; see `picc_tests::families`.
//!
//! ```text
//!   families --shared DIR [--models a,b] [--record]     Markdown; --record writes tests/data/families.tsv
//!   families --shared DIR --uniform                     one ring of 37 bits against exact rules, and against the
//!                                                       formats that an accuracy budget gave ResNet-20: prices,
//!                                                       no accuracy
//! ```

use picc_ir::cost::profile::Profile;
use picc_passes::{Options, compile};
use picc_tests::example::root;
use picc_tests::families::{HEADER, MODELS, Model, Row, load, rows};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("families: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let (mut shared, mut wanted, mut record, mut uniform) = (None, None, false, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--shared" => shared = args.next().map(PathBuf::from),
            "--models" => wanted = args.next(),
            "--record" => record = true,
            "--uniform" => uniform = true,
            other => return Err(format!("what is {other}?")),
        }
    }
    let shared = shared.ok_or("--shared names the folder with the models")?;
    let chosen = |m: &&Model| wanted.as_ref().is_none_or(|w| w.split(',').any(|name| name == m.name));
    let models: Vec<&Model> = MODELS.iter().filter(chosen).collect();
    if uniform { against_uniform(&shared, &models) } else { table(&shared, &models, record) }
}

fn table(shared: &Path, models: &[&Model], record: bool) -> Result<(), String> {
    let profiles = [Profile::lan(), Profile::wan()];
    let mut all: Vec<Row> = Vec::new();
    for model in models {
        let start = Instant::now();
        match rows(shared, model, &profiles) {
            Ok((rows, explanations)) => {
                let proofs: Vec<String> = explanations
                    .iter()
                    .map(|e| {
                        let gap = |over: f64| 100.0 * (over / e.extraction.bound.max(1e-12) - 1.0);
                        let greedy = gap(e.extraction.greedy);
                        let stop = e.stop;
                        if e.extraction.optimal {
                            format!("{stop:?}, optimal (local search +{greedy:.2}%)")
                        } else {
                            format!("{stop:?}, within {:.2}% (local search {greedy:.2}%)", gap(e.after.seconds))
                        }
                    })
                    .collect();
                eprintln!("{} {:.1} s; {}", model.name, start.elapsed().as_secs_f64(), proofs.join("; "));
                all.extend(rows);
            }
            Err(e) => eprintln!("{}: {}", model.name, e.lines().next().unwrap_or_default()),
        }
    }
    print!("{}", markdown(&all));
    if record {
        let path = root().join("tests/data/families.tsv");
        let lines: Vec<String> = all.iter().map(Row::tsv).collect();
        std::fs::write(&path, format!("{HEADER}\n{}\n", lines.join("\n")))
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

/// One line a model and profile, one column a family: megabytes, rounds, seconds.
fn markdown(rows: &[Row]) -> String {
    let mut families: Vec<&str> = Vec::new();
    for row in rows {
        if !families.contains(&row.families.as_str()) {
            families.push(&row.families);
        }
    }
    let mut text = format!("| model | profile | {} |\n", families.join(" | "));
    text += &format!("|---|---{}|\n", "|---".repeat(families.len()));
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        let key = (row.model.as_str(), row.profile.as_str());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    for (model, profile) in keys {
        let cell = |family: &&str| {
            let row = rows.iter().find(|r| r.model == model && r.profile == profile && r.families == *family);
            row.map_or(String::new(), |r| {
                format!("{:.2} / {} / {:.3}", r.after.bytes as f64 / 1e6, r.after.rounds, r.after.seconds)
            })
        };
        let cells: Vec<String> = families.iter().map(cell).collect();
        text += &format!("| {model} | {profile} | {} |\n", cells.join(" | "));
    }
    text
}

/// Number formats that a budget of half a point gave `cifar10_resnet20`: fraction bits of activations, bits of weights.
const BUDGET_FORMATS: (u8, u8) = (5, 9);

/// One ring of 37 bits for everything, against all exact rules under `lan`, and against few bits.
fn against_uniform(shared: &Path, models: &[&Model]) -> Result<(), String> {
    println!("| model | 37-bit uniform MB | exact rules MB | times fewer | few bits MB | times fewer | stop |");
    println!("|---|---|---|---|---|---|---|");
    for model in models {
        let (imported, samples) = load(shared, model)?;
        let compiled = |options: &Options| {
            compile(&imported.graph, &imported.weights, options, &samples).map_err(|e| e.to_string())
        };
        let lan = Options { profile: Some(Profile::lan()), ..Options::plain() };
        let uniform = compiled(&Options { ring: Some(37), frac: Some(12), exact: true, ..Options::plain() })?;
        let exact = compiled(&Options { exact: true, ..lan.clone() })?;
        let (frac, weight_bits) = BUDGET_FORMATS;
        let few = compiled(&Options { frac: Some(frac), weight_bits, ..lan })?;
        let [before, after, least] =
            [&uniform, &exact, &few].map(|c| c.report.cost.inference().total() as f64 / 1e6);
        let stop = exact.explanation.map(|e| format!("{:?} after {} iterations", e.stop, e.iterations));
        println!(
            "| {} | {before:.1} | {after:.1} | {:.2} | {least:.1} | {:.2} | {} |",
            model.name,
            before / after,
            before / least,
            stop.unwrap_or_default()
        );
    }
    Ok(())
}
