//! `--allow retrain`: the model is rewritten before it is compiled, and written as ONNX for fine-tuning.

use super::Failure;
use super::args::RetrainArgs;
use super::calibration::Sample;
use super::compile::refused;
use picc_compiler::onnx::Imported;
use picc_compiler::onnx::export::export;
use picc_passes::retrain::{Family, MAX_LAYER_ERROR, Report, Settings, retrain};
use picc_passes::{Options, compile};
use std::path::Path;
use std::str::FromStr;

/// Which classes of rewrites are allowed: `retrain`, or `retrain=FAMILY,..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// As they were written; none: all.
    pub families: Vec<String>,
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Allow, String> {
        let (class, families) = text.split_once('=').map_or((text, None), |(c, f)| (c, Some(f)));
        if class != "retrain" {
            return Err(format!("there is no class `{class}` to allow; write retrain or retrain=FAMILY,.."));
        }
        let families: Vec<String> = families.iter().flat_map(|f| f.split(',')).map(str::to_owned).collect();
        Family::parse(&families).map_err(|e| e.to_string())?;
        Ok(Allow { families })
    }
}

/// Rewrites the imported model if that is allowed; the report knows the bytes of the model as it was.
pub fn rewrite(
    model: &Path,
    args: &RetrainArgs,
    imported: &mut Imported,
    options: &Options,
    samples: &[Sample],
) -> Result<Option<Report>, Failure> {
    let Some(allow) = &args.allow else { return Ok(None) };
    let settings = Settings {
        families: Family::parse(&allow.families).map_err(|e| refused(model, e))?,
        named: !allow.families.is_empty(),
        relu_budget: args.relu_budget,
        max_layer_error: args.max_layer_error.unwrap_or(MAX_LAYER_ERROR),
    };
    let rewritten =
        retrain(&imported.graph, &imported.weights, options, &settings, samples).map_err(|e| refused(model, e))?;
    let before = compile(&imported.graph, &imported.weights, options, samples).map_err(|e| refused(model, e))?;
    let mut report = rewritten.report;
    report.bytes_before = Some(before.report.cost.inference().total());
    imported.graph = rewritten.graph;
    imported.weights = rewritten.weights;
    imported.notes.push("rewritten by rules of class Retrain: made to be fine-tuned before it is used".to_owned());
    Ok(Some(report))
}

/// The rewritten model, for the file at `path`.
pub fn model(imported: &Imported, path: &Path) -> Result<Vec<u8>, Failure> {
    export(&imported.graph, &imported.weights, &imported.model)
        .map_err(|e| Failure::File { path: path.to_owned(), problem: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_families_are_checked() {
        assert_eq!("retrain".parse(), Ok(Allow { families: Vec::new() }));
        let two: Allow = "retrain=prune,x-operator".parse().unwrap();
        assert_eq!(two.families, ["prune", "x-operator"]);
        assert!("approx".parse::<Allow>().unwrap_err().contains("write retrain"));
        let unknown = "retrain=winograd".parse::<Allow>().unwrap_err();
        assert!(unknown.contains("`winograd`") && unknown.contains("linearize"), "{unknown}");
        assert!("retrain=".parse::<Allow>().is_err());
    }
}
