//! ReLU pruning (DeepReDuce, CryptoNAS): a whole ReLU goes where networks need it least.
//!
//! Behind a residual sum, whose skip path then is linear from end to end, and behind a 1x1 convolution that widens (the
//! output of a bottleneck). What remains is linear after linear, which the optimizer composes where that is cheaper.

use super::mask::Kind;
use super::sites::Site;
use crate::graph_edit::is_known;
use picc_ir::Graph;
use picc_ir::op::Op;

/// The rule that drops this ReLU, if one does.
pub(super) fn rule(graph: &Graph, site: &Site) -> Option<&'static str> {
    let node = graph.node(site.input);
    if let (Op::Add(_), &[a, b]) = (&node.op, &node.args[..])
        && !is_known(graph, a)
        && !is_known(graph, b)
    {
        return Some("no_relu_on_skip");
    }
    let layer = graph.node(site.before?.linear);
    let w = &graph.ty(*layer.args.get(1)?).shape;
    let widens = matches!(&layer.op, Op::Conv(c) if c.groups == 1) && w[2..] == [1, 1] && w[0] > w[1];
    widens.then_some("no_relu_after_bottleneck")
}

/// Every channel passes.
pub(super) fn kinds(site: &Site) -> Vec<Kind> {
    vec![Kind::Identity; site.channels]
}
