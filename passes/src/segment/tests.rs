//! Kernels of whole programs against their nodes one at a time.

use super::segments;
use crate::testing::Net;
use crate::tests::{mnist_like, random_net};
use crate::{Compiled, Options};
use picc_ir::cost::profile::Profile;
use picc_ir::kernel::construct::{Lanes, build};
use picc_ir::kernel::testing::agree;
use picc_ir::segment::{check, is_protocol, memory, one_each};
use picc_ir::{Graph, Party};

/// Both parties, wide and narrow memory.
fn kernels_agree(graph: &Graph, seed: u64) {
    let fused = segments(graph);
    for (party, lanes) in
        [(Party::Client, Lanes::Narrow), (Party::Server, Lanes::Narrow), (Party::Server, Lanes::Wide)]
    {
        agree(graph, &fused, party, lanes, seed).unwrap_or_else(|e| panic!("{e}\n{graph}"));
    }
}

fn compiled(net: &mut Net, options: &Options) -> Compiled {
    let calibration = net.samples(3, 1.0);
    net.compile(options, &calibration)
}

#[test]
fn kernels_of_a_small_net_equal_its_nodes() {
    for options in [Options::plain(), Options { ring: Some(40), exact: true, ..Options::plain() }] {
        let graph = compiled(&mut mnist_like(1), &options).program.graph;
        kernels_agree(&graph, 5);
        agree(&graph, &one_each(&graph), Party::Server, Lanes::Narrow, 6).unwrap();
    }
}

#[test]
fn kernels_of_random_nets_equal_their_nodes() {
    for seed in 0..24 {
        let profile = [None, Some(Profile::lan()), Some(Profile::wan())][seed as usize % 3].clone();
        let options = Options { profile, ..Options::plain() };
        kernels_agree(&compiled(&mut random_net(seed), &options).program.graph, seed);
    }
}

/// The residual block of a ResNet, with the downsampling between stages.
fn residual(channels: usize, stride: usize) -> Net {
    let mut net = Net::new(7);
    let x = net.input(&[1, channels, 8, 8]);
    let c = net.conv(x, channels, 3, 1, 1);
    let c = net.bias(c);
    let x = net.relu(c);
    let c = net.conv(x, channels * stride, 3, stride, 1);
    let c = net.bias(c);
    let c = net.relu(c);
    let c = net.conv(c, channels * stride, 3, 1, 1);
    let c = net.bias(c);
    let short = if stride == 1 { x } else { net.conv(x, channels * stride, 1, stride, 1) };
    let c = net.add(picc_ir::ops::Add {}, &[c, short]);
    let c = net.relu(c);
    let y = net.average_pool(c, 8 / stride);
    let y = net.gemm(y, 3);
    net.output(y);
    net
}

#[test]
fn kernels_of_residual_blocks() {
    for (stride, name) in [(1, "identity"), (2, "downsampling")] {
        let program = compiled(&mut residual(4, stride), &Options::plain()).program;
        kernels_agree(&program.graph, 11);
        let mut text = format!("{}\n", program.graph);
        for segment in &program.segments {
            let built = build(&program.graph, &segment.nodes, Party::Server, Lanes::Narrow).unwrap();
            let ids: Vec<String> = segment.nodes.iter().map(|id| format!("%{}", id.0)).collect();
            text += &format!("{} {:?} {:?}\n{}", ids.join(" "), built.roles, built.aliases, *built.kernel);
        }
        insta::assert_snapshot!(format!("residual_{name}"), text);
    }
}

#[test]
fn kernels_of_winograd_layers() {
    let mut net = residual(8, 1);
    let options = Options { profile: Some(Profile::mobile()), ..Options::plain() };
    kernels_agree(&compiled(&mut net, &options).program.graph, 12);
}

/// Fusion leaves less between kernels than one kernel for each node, and never more segments than local nodes.
#[test]
fn fusion_saves_memory() {
    for seed in 0..12 {
        let graph = compiled(&mut random_net(seed), &Options::plain()).program.graph;
        let (fused, plain) = (segments(&graph), one_each(&graph));
        let total = |s: &[picc_ir::Segment]| memory(&graph, s, &check(&graph, s).unwrap(), Lanes::Narrow).total;
        assert!(fused.len() <= plain.len());
        assert!(total(&fused) <= total(&plain), "seed {seed}");
        let protocols = graph.iter().filter(|(id, _)| is_protocol(&graph, *id)).count();
        assert!(fused.len() <= 2 * protocols + 2, "seed {seed}: {} segments, {protocols} protocols", fused.len());
    }
}
