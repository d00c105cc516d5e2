//! How each layer under ring LWE hides its weights from the client, for `picc inspect`.

use picc_compiler::report::costs::aligned;
use picc_ir::mpc::rlwe::{Hiding, figure};
use picc_ir::mpc::schedule::schedule;
use picc_ir::program::Program;
use picc_ir::ty::TypeError;
use serde::Serialize;

/// Distances as powers of two: -45.3 is 2^-45.3. `None` is 0.
#[derive(Debug, Serialize)]
pub struct Layer {
    node: String,
    parameters: &'static str,
    hiding: &'static str,
    /// What the client receives, from what says nothing about the weights.
    message: Option<f64>,
    /// The protocol from its ideal functionality.
    functionality: Option<f64>,
    /// The functionality from one whose coins do not depend on the noise.
    coins: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Hidden {
    layers: Vec<Layer>,
    /// Of one inference, all layers together.
    functionality: Option<f64>,
    coins: Option<f64>,
}

fn power(distance: f64) -> Option<f64> {
    (distance > 0.0).then(|| distance.log2())
}

/// All layers under ring LWE, and the program.
pub fn hidden(program: &Program) -> Result<Hidden, TypeError> {
    let schedule = schedule(&program.graph)?;
    let layer = |(id, plan): (&picc_ir::Id, &std::sync::Arc<picc_ir::mpc::rlwe::LinearPlan>)| {
        let figure = plan.figure();
        let message = match figure.hiding {
            Hiding::FullRange => 0.0,
            Hiding::Flood => figure.distance,
        };
        Layer {
            node: program.graph.node(*id).name.clone(),
            parameters: plan.budget.set.name,
            hiding: figure.hiding.name(),
            message: power(message),
            functionality: power(figure.distance),
            coins: power(figure.coins),
        }
    };
    let total = schedule.figure();
    Ok(Hidden {
        layers: schedule.plans.iter().map(layer).collect(),
        functionality: power(total.distance()),
        coins: power(total.coins),
    })
}

impl Hidden {
    /// Nothing for a program without ring LWE.
    pub fn text(&self) -> String {
        if self.layers.is_empty() {
            return String::new();
        }
        let show = |p: Option<f64>| p.map_or_else(|| "0".to_owned(), |p| format!("2^{p:.1}"));
        let head = ["layer under ring LWE", "parameters", "weights hidden by", "message", "functionality", "coins"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        lines.extend(self.layers.iter().map(|l| {
            let [message, functionality, coins] = [l.message, l.functionality, l.coins].map(show);
            vec![l.node.clone(), l.parameters.to_owned(), l.hiding.to_owned(), message, functionality, coins]
        }));
        format!(
            "{}an inference: statistical distance {} (at most 2^{:.0}) from the ideal functionality, {} to coins that know no \
             noise\n",
            aligned(&lines),
            show(self.functionality),
            figure::MOST.log2(),
            show(self.coins)
        )
    }
}
