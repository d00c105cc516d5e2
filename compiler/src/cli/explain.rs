//! `picc explain MODEL.pi`: the record that the compiler leaves beside a program.

use super::Failure;
use super::args::Explain;
use super::files::write_public;
use picc_ir::cost::profile::Profile;
use picc_ir::program::Program;
use picc_passes::egraph::Explanation;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The deployment that a program was compiled for, and what was chosen.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Digest of the program, in hexadecimal.
    program: String,
    profile: Profile,
    /// Absent from a plain lowering, where nothing was chosen.
    explanation: Option<Explanation>,
}

fn beside(program: &Path) -> PathBuf {
    program.with_extension("explain.json")
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes the record beside the program.
pub fn write(
    path: &Path,
    program: &Program,
    profile: &Profile,
    explanation: Option<&Explanation>,
) -> Result<(), Failure> {
    let record =
        Record { program: hex(program.digest()), profile: profile.clone(), explanation: explanation.cloned() };
    let path = beside(path);
    let bytes =
        serde_json::to_vec(&record).map_err(|e| Failure::File { path: path.clone(), problem: e.to_string() })?;
    write_public(&path, &bytes)
}

/// What was chosen for a program, where a record of it lies beside it.
pub fn explanation_of(path: &Path, program: &Program) -> Option<Explanation> {
    let record: Record = serde_json::from_slice(&std::fs::read(beside(path)).ok()?).ok()?;
    (record.program == hex(program.digest())).then_some(record.explanation).flatten()
}

/// The deployment that a program was compiled for, where a record of it lies beside it.
pub fn profile_of(path: &Path, program: &Program) -> Option<Profile> {
    let record: Record = serde_json::from_slice(&std::fs::read(beside(path)).ok()?).ok()?;
    (record.program == hex(program.digest())).then_some(record.profile)
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
    let explanation = record.explanation.ok_or_else(|| {
        bad(&args.program, "a plain lowering (--passes none, or --ring): nothing was chosen".to_owned())
    })?;
    let Some(name) = &args.node else {
        if args.json {
            println!("{}", serde_json::to_string(&explanation).map_err(|e| bad(&path, e.to_string()))?);
        } else {
            print!("{explanation}");
        }
        return Ok(());
    };
    let region = explanation.node(name).ok_or_else(|| {
        let names: Vec<&str> = explanation.regions.iter().map(|r| r.node.as_str()).collect();
        bad(&args.program, format!("no node `{name}`; there are {}", names.join(", ")))
    })?;
    if args.json {
        println!("{}", serde_json::to_string(region).map_err(|e| bad(&path, e.to_string()))?);
    } else {
        println!("{name}\n  before: {}\n  after:  {}", region.before, region.after);
        println!("  rules: {}", if region.chain.is_empty() { "none".to_owned() } else { region.chain.join(", ") });
        println!("  protocols: {}", region.protocols.join(", "));
    }
    Ok(())
}
