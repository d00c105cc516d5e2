//! A run's measurements, as `pirun local --json` and `pirun bench --json` print them.

use picc_passes::egraph::Totals;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a run took.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Model that was run, as the file says.
    pub model: String,
    /// Network that was emulated.
    pub network: String,
    /// The whole session: setup, inferences, end.
    pub total: Totals,
    pub inferences: u64,
    /// Parts of it, where the run says them.
    pub setup: Option<Totals>,
    pub extension: Option<Totals>,
    pub as_predicted: bool,
    /// Of one inference.
    nodes: BTreeMap<String, Totals>,
}

/// Why a text is no measurement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeasuredError {
    #[error("not JSON: {0}")]
    Syntax(String),
    #[error("`{0}` is missing: give the output of `pirun local --json` or `pirun bench --json`")]
    Missing(&'static str),
}

impl Measured {
    /// Reads what `pirun` printed.
    ///
    /// # Errors
    /// If the text is something else.
    pub fn parse(text: &str) -> Result<Measured, MeasuredError> {
        let json: Value = serde_json::from_str(text).map_err(|e| MeasuredError::Syntax(e.to_string()))?;
        let text = |key: &'static str| json[key].as_str().map(str::to_owned).ok_or(MeasuredError::Missing(key));
        let bench = json.get("networks").and_then(|n| n.get(0));
        let (network, seconds) = match bench {
            Some(first) => {
                let network = first["network"].as_str().ok_or(MeasuredError::Missing("network"))?;
                (network.to_owned(), first["seconds_median"].as_f64())
            }
            None => (text("network")?, json["seconds"].as_f64()),
        };
        let inferences = json.get("inferences").map_or(Some(1), Value::as_u64).filter(|&n| n > 0);
        let inferences = inferences.ok_or(MeasuredError::Missing("inferences"))?;
        let mut nodes: BTreeMap<String, Totals> = BTreeMap::new();
        for node in json["nodes"].as_array().ok_or(MeasuredError::Missing("nodes"))? {
            let name = node["name"].as_str().filter(|n| !n.is_empty()).or(node["op"].as_str());
            let sum = nodes.entry(name.unwrap_or_default().to_owned()).or_default();
            let local = node["client"]["seconds"].as_f64().or(node["seconds"].as_f64());
            let all = totals(node, local.unwrap_or(0.0));
            let one = Totals {
                bytes: all.bytes / inferences,
                rounds: all.rounds / inferences,
                seconds: all.seconds / inferences as f64,
                ..Totals::default()
            };
            *sum = *sum + one;
        }
        let part = |key: &str| json.get(key).map(|part| totals(part, part["seconds"].as_f64().unwrap_or(0.0)));
        let rounds = json["rounds"].as_u64().ok_or(MeasuredError::Missing("rounds"))?;
        Ok(Measured {
            model: text("model")?,
            network,
            total: Totals {
                bytes: sent(&json),
                rounds,
                seconds: seconds.ok_or(MeasuredError::Missing("seconds"))?,
                ..Totals::default()
            },
            inferences,
            setup: part("setup"),
            extension: part("extension"),
            as_predicted: json["as_predicted"].as_bool().unwrap_or(false),
            nodes,
        })
    }

    /// What one node of the model took.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<Totals> {
        self.nodes.get(name).copied()
    }
}

fn totals(json: &Value, seconds: f64) -> Totals {
    Totals { bytes: sent(json), rounds: json["rounds"].as_u64().unwrap_or(0), seconds, ..Totals::default() }
}

fn sent(json: &Value) -> u64 {
    let count = |key: &str| json[key].as_u64().unwrap_or(0);
    count("bytes") + count("bytes_client_to_server") + count("bytes_server_to_client")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let local = r#"{"model":"m","network":"lan","rounds":7,"seconds":0.5,"as_predicted":true,
            "bytes_client_to_server":10,"bytes_server_to_client":5,
            "nodes":[{"name":"conv","op":"conv.rlwe","bytes_client_to_server":4,"bytes_server_to_client":2,
                      "rounds":2,"seconds":0.25},
                     {"name":"conv","op":"add","bytes_client_to_server":0,"rounds":0,"seconds":0.125}]}"#;
        let run = Measured::parse(local).unwrap();
        assert_eq!(run.node("conv").unwrap(), Totals { bytes: 6, rounds: 2, seconds: 0.375, ..Totals::default() });
        assert_eq!((run.total.bytes, run.total.rounds, run.inferences), (15, 7, 1));
        // Nodes and the extension are sums over the inferences of a session; a layer is shown for one of them.
        let many = local.replace(
            "\"model\"",
            "\"inferences\":2,\"extension\":{\"bytes_client_to_server\":3,\"rounds\":4,\"seconds\":0.5},\"model\"",
        );
        let run = Measured::parse(&many).unwrap();
        assert_eq!(run.node("conv").unwrap(), Totals { bytes: 3, rounds: 1, seconds: 0.1875, ..Totals::default() });
        assert_eq!(run.extension, Some(Totals { bytes: 3, rounds: 4, seconds: 0.5, ..Totals::default() }));
        assert_eq!((run.inferences, run.setup, run.total.bytes), (2, None, 15));
        assert_eq!(
            Measured::parse(&local.replace("\"model\"", "\"inferences\":0,\"model\"")),
            Err(MeasuredError::Missing("inferences"))
        );
        let bench = r#"{"model":"m","rounds":7,"as_predicted":true,"bytes_client_to_server":10,
            "bytes_server_to_client":5,"networks":[{"network":"wan","seconds_median":2.0}],
            "nodes":[{"name":"","op":"relu.ot","bytes":9,"rounds":1,"client":{"seconds":0.5}}]}"#;
        let run = Measured::parse(bench).unwrap();
        assert_eq!(run.node("relu.ot").unwrap(), Totals { bytes: 9, rounds: 1, seconds: 0.5, ..Totals::default() });
        assert_eq!((run.network.as_str(), run.total.seconds), ("wan", 2.0));
        assert_eq!(Measured::parse("{}"), Err(MeasuredError::Missing("network")));
        assert!(matches!(Measured::parse("nothing"), Err(MeasuredError::Syntax(_))));
    }
}
