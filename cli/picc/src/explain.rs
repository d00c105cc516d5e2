//! `picc explain MODEL.pi`: the record that the compiler leaves beside a program.

use super::Failure;
use super::args::Explain;
use picc_compiler::report::Known;
use picc_ir::cost::profile::Profile;
use picc_ir::program::Program;
use picc_passes::Compiled;
use picc_passes::accuracy::Accuracy;
use picc_passes::egraph::Explanation;
use picc_passes::{decimal, retrain};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The deployment that a program was compiled for, and what was chosen.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// Digest of the program, in hexadecimal.
    program: String,
    pub profile: Profile,
    /// Absent where nothing may be rewritten.
    pub explanation: Option<Explanation>,
    /// Under an accuracy budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// How the model was rewritten before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retrain: Option<retrain::Report>,
    /// What the compiler knows and the program must not say.
    #[serde(flatten)]
    pub known: Known,
}

/// Where the record of a program is.
pub fn beside(program: &Path) -> PathBuf {
    program.with_extension("explain.json")
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

impl Record {
    /// Of a program that was compiled with so many calibration inputs.
    pub fn new(
        profile: &Profile,
        compiled: &Compiled,
        samples: usize,
        rewritten: Option<&retrain::Report>,
    ) -> Record {
        let Compiled { program, explanation, accuracy, .. } = compiled;
        Record {
            program: hex(program.digest()),
            profile: profile.clone(),
            explanation: explanation.clone(),
            accuracy: accuracy.clone(),
            retrain: rewritten.cloned(),
            known: Known::of(compiled, samples),
        }
    }

    /// As it lies beside the program.
    pub fn to_json(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(self).map_err(|e| Failure::File { path: "explain.json".into(), problem: e.to_string() })
    }

    /// The record of a program, where it lies beside it.
    pub fn beside(path: &Path, program: &Program) -> Option<Record> {
        let record: Record = serde_json::from_slice(&std::fs::read(beside(path)).ok()?).ok()?;
        (record.program == hex(program.digest())).then_some(record)
    }
}

pub fn run(args: &Explain) -> Result<(), Failure> {
    let bad = |path: &Path, problem: String| Failure::File { path: path.to_owned(), problem };
    let bytes = std::fs::read(&args.program).map_err(|e| bad(&args.program, e.to_string()))?;
    let program = Program::from_bytes(&bytes).map_err(|e| bad(&args.program, e.to_string()))?;
    let path = beside(&args.program);
    let text = std::fs::read(&path)
        .map_err(|e| bad(&path, format!("{e}; it is written by `picc MODEL.onnx -o MODEL.pi`")))?;
    let record: Record = serde_json::from_slice(&text).map_err(|e| bad(&path, e.to_string()))?;
    if record.program != hex(program.digest()) {
        return Err(bad(&path, "explains another program; compile the model again".to_owned()));
    }
    let Record { explanation, accuracy, retrain, .. } = record;
    if explanation.is_none() && accuracy.is_none() && retrain.is_none() {
        let problem =
            "no rewrites were allowed (--passes none, or --ring), so there is nothing to explain".to_owned();
        return Err(bad(&args.program, problem));
    }
    let printed = |value: serde_json::Result<String>| value.map_err(|e| bad(&path, e.to_string()));
    let Some(name) = &args.node else {
        if args.json {
            // One object: the accuracy stands beside the explanation's own fields.
            let mut object = json!({});
            if let Some(explanation) = &explanation {
                object = serde_json::to_value(explanation).map_err(|e| bad(&path, e.to_string()))?;
            }
            if let Some(accuracy) = &accuracy {
                object["accuracy"] = serde_json::to_value(accuracy).map_err(|e| bad(&path, e.to_string()))?;
            }
            if let Some(retrain) = &retrain {
                object["retrain"] = serde_json::to_value(retrain).map_err(|e| bad(&path, e.to_string()))?;
            }
            println!("{object}");
            return Ok(());
        }
        retrain.iter().for_each(|r| println!("{r}"));
        if let Some(explanation) = &explanation {
            print!("{explanation}");
        }
        if let Some(accuracy) = &accuracy {
            print!("{}{accuracy}", if explanation.is_some() { "\n" } else { "" });
            accuracy.changes.iter().for_each(|change| println!("    {change}"));
        }
        return Ok(());
    };
    let region = explanation.as_ref().and_then(|e| e.node(name));
    let change = accuracy.as_ref().and_then(|a| a.node(name));
    let choices = retrain.as_ref().map(|r| r.node(name)).unwrap_or_default();
    if region.is_none() && change.is_none() && choices.is_empty() {
        let regions = explanation.iter().flat_map(|e| e.regions.iter().map(|r| r.node.as_str()));
        let changes = accuracy.iter().flat_map(|a| a.changes.iter().map(|c| c.node.as_str()));
        let rewritten = retrain.iter().flat_map(|r| r.choices.iter().map(|c| c.node.as_str()));
        let names: BTreeSet<&str> = regions.chain(changes).chain(rewritten).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let there = if names.is_empty() {
            "the record names none".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        return Err(bad(&args.program, format!("no node `{name}`; {there}")));
    }
    if args.json {
        match (region, change, &choices[..]) {
            (Some(region), None, []) => println!("{}", printed(serde_json::to_string(region))?),
            (region, change, choices) => {
                println!("{}", json!({ "region": region, "approximation": change, "retrain": choices }));
            }
        }
        return Ok(());
    }
    for c in choices {
        println!(
            "{name}\n  rewritten: {} ({}, {:?}), layer error {}, {}",
            c.rule,
            c.family.name(),
            c.class,
            decimal(c.layer_error, 3),
            c.detail
        );
    }
    if let Some(region) = region {
        println!("{name}\n  before: {}\n  after:  {}", region.before, region.after);
        println!("  rules: {}", if region.chain.is_empty() { "none".to_owned() } else { region.chain.join(", ") });
        if region.protocols.is_empty() {
            println!("  protocols: none, it sends nothing");
        } else {
            println!("  protocols: {}", region.protocols.join(", "));
        }
    }
    if let Some(change) = change {
        println!("{}{change}", if region.is_some() { "  Approx: " } else { "" });
    }
    Ok(())
}
