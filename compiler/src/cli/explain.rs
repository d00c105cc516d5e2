//! `picc explain MODEL.pi`: the record that the compiler leaves beside a program compiled under a profile.

use super::Failure;
use super::args::Explain;
use super::files::write_public;
use picc_ir::program::Program;
use picc_passes::egraph::{Explanation, Region};
use picc_passes::retrain::{Choice, Report};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// An explanation and the program that it is about.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Digest of the program, in hexadecimal.
    program: String,
    /// What was chosen under a profile.
    explanation: Option<Explanation>,
    /// How the model was rewritten before.
    #[serde(default)]
    retrain: Option<Report>,
}

/// The record as `--json` prints it.
#[derive(Serialize)]
struct Printed<'r> {
    #[serde(flatten)]
    explanation: &'r Option<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retrain: &'r Option<Report>,
}

/// One node of it.
#[derive(Serialize)]
struct PrintedNode<'r> {
    #[serde(flatten)]
    region: Option<&'r Region>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retrain: Vec<&'r Choice>,
}

fn beside(program: &Path) -> PathBuf {
    program.with_extension("explain.json")
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes the record beside the program, if there is anything to explain.
pub fn write(
    path: &Path,
    program: &Program,
    explanation: Option<&Explanation>,
    retrain: Option<&Report>,
) -> Result<(), Failure> {
    if explanation.is_none() && retrain.is_none() {
        return Ok(());
    }
    let (explanation, retrain) = (explanation.cloned(), retrain.cloned());
    let record = Record { program: hex(program.digest()), explanation, retrain };
    let path = beside(path);
    let bytes =
        serde_json::to_vec(&record).map_err(|e| Failure::File { path: path.clone(), problem: e.to_string() })?;
    write_public(&path, &bytes)
}

pub fn run(args: &Explain) -> Result<(), Failure> {
    let bad = |path: &Path, problem: String| Failure::File { path: path.to_owned(), problem };
    let bytes = std::fs::read(&args.program).map_err(|e| bad(&args.program, e.to_string()))?;
    let program = Program::from_bytes(&bytes).map_err(|e| bad(&args.program, e.to_string()))?;
    let path = beside(&args.program);
    let text = std::fs::read(&path).map_err(|e| {
        bad(&path, format!("{e}; it is written by `picc MODEL.onnx -o MODEL.pi` with --profile or --allow"))
    })?;
    let record: Record = serde_json::from_slice(&text).map_err(|e| bad(&path, e.to_string()))?;
    if record.program != hex(program.digest()) {
        return Err(bad(&path, "explains another program; compile the model again".to_owned()));
    }
    let json = |text: serde_json::Result<String>| text.map_err(|e| bad(&path, e.to_string()));
    let Record { explanation, retrain, .. } = &record;
    let Some(name) = &args.node else {
        if args.json {
            println!("{}", json(serde_json::to_string(&Printed { explanation, retrain }))?);
        } else {
            retrain.iter().for_each(|r| println!("{r}"));
            explanation.iter().for_each(|e| print!("{e}"));
        }
        return Ok(());
    };
    let region = explanation.as_ref().and_then(|e| e.node(name));
    let choices = retrain.as_ref().map(|r| r.node(name)).unwrap_or_default();
    if region.is_none() && choices.is_empty() {
        let regions = explanation.iter().flat_map(|e| e.regions.iter().map(|r| r.node.as_str()));
        let rewritten = retrain.iter().flat_map(|r| r.choices.iter().map(|c| c.node.as_str()));
        let names: BTreeSet<&str> = regions.chain(rewritten).collect();
        let names: Vec<&str> = names.into_iter().collect();
        return Err(bad(&args.program, format!("no node `{name}`; there are {}", names.join(", "))));
    }
    if args.json {
        println!("{}", json(serde_json::to_string(&PrintedNode { region, retrain: choices }))?);
        return Ok(());
    }
    println!("{name}");
    for c in choices {
        println!(
            "  rewritten: {} ({}, {:?}), layer error {:.3}, {}",
            c.rule,
            c.family.name(),
            c.class,
            c.layer_error,
            c.detail
        );
    }
    if let Some(region) = region {
        println!("  before: {}\n  after:  {}", region.before, region.after);
        println!("  rules: {}", if region.chain.is_empty() { "none".to_owned() } else { region.chain.join(", ") });
        println!("  protocols: {}", region.protocols.join(", "));
    }
    Ok(())
}
