//! Filters and pointwise weights from the original weights and calibration activations.
//!
//! ```text
//!   run 1   G = sum of patches x patches, for each channel (or group of channels)
//!           filters: the first right singular vectors of W G[:, T] G[T, T]^(-1/2), with T the taps that the member has
//!   run 2   z = filters(x), and sums of z z^T and z y^T over pixels
//!           pointwise weights and bias: Cholesky, with a ridge where channels depend on each other
//! ```
//! Both runs see the same subset of pixels, enough for the number of unknowns.

use super::super::solve::{Symmetric, back_substitute, eigen, inverse_root, ridged};
use super::super::{Model, Sample};
use super::{Build, GROUP, Layer, MAX_TAPS, Member, Part, Taps, front};
use crate::error::{CompileError, Result};
use crate::graph_edit::known;
use picc_ir::eval::run_real;
use picc_ir::geom::ConvGeom;
use picc_ir::ops::Input;
use picc_ir::{Id, Owner, Tensor, Ty};
use std::collections::BTreeMap;

/// A fitted member.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    pub parts: Vec<Part>,
    pub pointwise: Tensor<f32>,
    pub bias: Tensor<f32>,
    /// Of the layer's output, relative to it, root mean square.
    pub error: f64,
}

/// Fits members to convolutions: the node, its geometry and the members that are of interest.
pub(super) fn fit(
    model: &Model,
    tasks: Vec<(Id, ConvGeom, Vec<Member>)>,
    samples: &[Sample],
) -> Result<Vec<Vec<Fitted>>> {
    let mut layers = Vec::with_capacity(tasks.len());
    for (conv, geom, members) in tasks {
        let missing = || CompileError::Internal("a convolution's weights are not known".to_owned());
        let w = known(&model.graph, &model.weights, model.graph.node(conv).args[1])?.ok_or_else(missing)?;
        layers.push(LayerFit::new(conv, geom, members, w.into_owned(), samples.len()));
    }
    for sample in samples {
        observe(model, sample, &mut layers, |layer, x, _| {
            layer.patches(x);
            Ok(())
        })?;
    }
    layers.iter_mut().for_each(LayerFit::filters);
    for sample in samples {
        observe(model, sample, &mut layers, |layer, x, y| layer.products(x, y))?;
    }
    Ok(layers.into_iter().map(LayerFit::solve).collect())
}

/// Runs the network; every layer sees its input and its output.
fn observe(
    model: &Model,
    sample: &Sample,
    layers: &mut [LayerFit],
    mut see: impl FnMut(&mut LayerFit, &Tensor<f32>, &Tensor<f32>) -> Result<()>,
) -> Result<()> {
    let inputs: Vec<Id> = layers.iter().map(|l| model.graph.node(l.conv).args[0]).collect();
    let mut seen: BTreeMap<Id, Tensor<f32>> = BTreeMap::new();
    let mut failed = Ok(());
    run_real(&model.graph, sample, &model.weights, &mut |id, value| {
        if inputs.contains(&id) {
            seen.insert(id, value.clone());
        }
        for (layer, input) in layers.iter_mut().zip(&inputs).filter(|(l, _)| l.conv == id) {
            if let (Some(x), Ok(())) = (seen.get(input), &failed) {
                failed = see(layer, x, value);
            }
        }
    })
    .map_err(|e| CompileError::Internal(e.to_string()))?;
    failed
}

struct LayerFit {
    conv: Id,
    geom: ConvGeom,
    weights: Tensor<f32>,
    /// One pixel in so many is looked at.
    every: usize,
    /// Pixels that were.
    seen: usize,
    /// Channels of one block of patch moments.
    group: usize,
    moments: Vec<Symmetric>,
    members: Vec<MemberFit>,
    /// Sum of squares of the outputs.
    size: f64,
}

struct MemberFit {
    member: Member,
    parts: Vec<Part>,
    /// Sums over `[z, 1]`.
    zz: Symmetric,
    /// For each output channel sums of `y [z, 1]`.
    yz: Vec<Vec<f64>>,
}

impl LayerFit {
    fn new(conv: Id, geom: ConvGeom, members: Vec<Member>, weights: Tensor<f32>, samples: usize) -> LayerFit {
        let [oh, ow] = geom.out_hw();
        let wanted = (4 * geom.c_in).max(2048);
        let every = (geom.n * oh * ow * samples / wanted).max(1);
        let group = if members.contains(&Member::GroupedPointwise) { GROUP } else { 1 };
        let side = group * geom.kh * geom.kw;
        let blocks = if side <= MAX_TAPS { geom.c_in / group } else { 0 };
        let member = |member| MemberFit {
            member,
            parts: Vec::new(),
            zz: Symmetric::zeros(geom.c_in + 1),
            yz: vec![vec![0.0; geom.c_in + 1]; geom.c_out],
        };
        LayerFit {
            conv,
            geom,
            weights,
            every,
            seen: 0,
            group,
            moments: vec![Symmetric::zeros(side); blocks],
            members: members.into_iter().map(member).collect(),
            size: 0.0,
        }
    }

    /// Pixels of the output that are looked at.
    fn pixels(&self) -> impl Iterator<Item = usize> + use<> {
        let [oh, ow] = self.geom.out_hw();
        (0..self.geom.n * oh * ow).step_by(self.every)
    }

    fn patches(&mut self, x: &Tensor<f32>) {
        let g = self.geom;
        let [oh, ow] = g.out_hw();
        let taps = g.kh * g.kw;
        let mut patch = vec![0.0; self.group * taps];
        for pixel in self.pixels() {
            self.seen += 1;
            let (image, oy, ox) = (pixel / (oh * ow), pixel / ow % oh, pixel % ow);
            for (block, moments) in self.moments.iter_mut().enumerate() {
                for c in 0..self.group {
                    let plane = &x.data[(image * g.c_in + block * self.group + c) * g.h * g.w..][..g.h * g.w];
                    for t in 0..taps {
                        let y = (oy * g.stride[0] + t / g.kw * g.dilation[0]).wrapping_sub(g.pads[0]);
                        let x = (ox * g.stride[1] + t % g.kw * g.dilation[1]).wrapping_sub(g.pads[1]);
                        let inside = y < g.h && x < g.w;
                        patch[c * taps + t] = if inside { f64::from(plane[y * g.w + x]) } else { 0.0 };
                    }
                }
                moments.add_outer(&patch);
            }
        }
    }

    /// Chooses halves and filters for every member.
    fn filters(&mut self) {
        self.moments.iter_mut().for_each(Symmetric::mirror);
        let mut members = std::mem::take(&mut self.members);
        for m in &mut members {
            m.parts = self.parts(m.member);
        }
        self.members = members;
    }

    fn parts(&self, member: Member) -> Vec<Part> {
        let channels = self.geom.c_in;
        match *member.taps() {
            [taps] => vec![self.part(taps, (0..channels).collect())],
            [first, second] => {
                // The channels that lose least by the first half's taps go there.
                let loss = |c: usize| self.filter(second, c).1 - self.filter(first, c).1;
                let losses: Vec<f64> = (0..channels).map(loss).collect();
                let mut order: Vec<usize> = (0..channels).collect();
                order.sort_by(|&a, &b| losses[a].total_cmp(&losses[b]));
                let mut halves = [order[..channels / 2].to_vec(), order[channels / 2..].to_vec()];
                halves.iter_mut().for_each(|h| h.sort_unstable());
                let [a, b] = halves;
                vec![self.part(first, a), self.part(second, b)]
            }
            _ => Vec::new(),
        }
    }

    fn part(&self, taps: Taps, channels: Vec<usize>) -> Part {
        let Some((kernel, _)) = taps.conv(&self.geom, channels.len()) else {
            return Part { channels, taps, filters: None };
        };
        let group = taps.group();
        let mut data = Vec::new();
        for block in channels.chunks(group) {
            data.extend(self.filter(taps, block[0]).0.into_iter().flatten());
        }
        let filters = Tensor::new(&[channels.len(), group, kernel[0], kernel[1]], data);
        Part { channels, taps, filters: Some(filters) }
    }

    /// Filters of the group of channels from `first` on, and how much of the layer's output they capture.
    fn filter(&self, taps: Taps, first: usize) -> (Vec<Vec<f32>>, f64) {
        let (group, all) = (taps.group(), self.geom.kh * self.geom.kw);
        // The block of moments may hold more channels than are wanted.
        let block = &self.moments[first / self.group];
        let within = (first % self.group) * all;
        let g = block.minor(&(within..within + group * all).collect::<Vec<_>>());
        let chosen: Vec<usize> =
            (0..group).flat_map(|c| taps.of(&self.geom).into_iter().map(move |t| c * all + t)).collect();
        let root = inverse_root(&g.minor(&chosen), 1e-10);
        // W G[:, T] G[T, T]^(-1/2), row by row.
        let columns = chosen.len();
        let mut squares = Symmetric::zeros(columns);
        let per_out = self.geom.c_in * all;
        for out in self.weights.data.chunks_exact(per_out) {
            let w = &out[first * all..(first + group) * all];
            let wg: Vec<f64> = chosen
                .iter()
                .map(|&t| w.iter().enumerate().map(|(i, &v)| f64::from(v) * g.at(i, t)).sum())
                .collect();
            let row: Vec<f64> = (0..columns).map(|j| (0..columns).map(|i| wg[i] * root.at(i, j)).sum()).collect();
            squares.add_outer(&row);
        }
        squares.mirror();
        let (values, vectors) = eigen(&squares);
        let rank = if matches!(taps, Taps::Pass) { 1 } else { group };
        let filter = |v: &Vec<f64>| -> Vec<f32> {
            (0..columns).map(|i| (0..columns).map(|j| root.at(i, j) * v[j]).sum::<f64>() as f32).collect()
        };
        // Outputs of unit size: the moments are sums over the pixels seen.
        let scale = (self.seen.max(1) as f32).sqrt();
        let filters = vectors[..rank].iter().map(|v| filter(v).iter().map(|f| f * scale).collect()).collect();
        (filters, values[..rank].iter().sum())
    }

    fn products(&mut self, x: &Tensor<f32>, y: &Tensor<f32>) -> Result<()> {
        let g = self.geom;
        let [oh, ow] = g.out_hw();
        let area = oh * ow;
        let pixels: Vec<usize> = self.pixels().collect();
        for m in &mut self.members {
            let z = spatial(&g, &m.parts, x)?;
            let mut row = vec![1.0; g.c_in + 1];
            for &pixel in &pixels {
                let (image, at) = (pixel / area, pixel % area);
                for (c, slot) in row[..g.c_in].iter_mut().enumerate() {
                    *slot = f64::from(z.data[(image * g.c_in + c) * area + at]);
                }
                m.zz.add_outer(&row);
                for (o, sums) in m.yz.iter_mut().enumerate() {
                    let v = f64::from(y.data[(image * g.c_out + o) * area + at]);
                    sums.iter_mut().zip(&row).for_each(|(s, z)| *s += v * z);
                }
            }
        }
        for &pixel in &pixels {
            let (image, at) = (pixel / area, pixel % area);
            let values = (0..g.c_out).map(|o| f64::from(y.data[(image * g.c_out + o) * area + at]));
            self.size += values.map(|v| v * v).sum::<f64>();
        }
        Ok(())
    }

    fn solve(self) -> Vec<Fitted> {
        let LayerFit { geom, members, size, .. } = self;
        members.into_iter().map(|m| m.solve(&geom, size)).collect()
    }
}

impl MemberFit {
    fn solve(mut self, g: &ConvGeom, size: f64) -> Fitted {
        self.zz.mirror();
        let factor = ridged(&self.zz, 1e-10);
        let mut pointwise = Vec::with_capacity(g.c_out * g.c_in);
        let mut bias = Vec::with_capacity(g.c_out);
        let mut error = size;
        for yz in &self.yz {
            let mut p = yz.clone();
            match &factor {
                Some(l) => back_substitute(l, &mut p),
                None => p.fill(0.0),
            }
            // |y - p z|^2 = y y - 2 p (y z) + p (z z) p
            let linear: f64 = p.iter().zip(yz).map(|(a, b)| a * b).sum();
            let rows = self.zz.data.chunks_exact(self.zz.n);
            let quadratic: f64 =
                rows.zip(&p).map(|(row, a)| a * row.iter().zip(&p).map(|(z, b)| z * b).sum::<f64>()).sum();
            error += quadratic - 2.0 * linear;
            pointwise.extend(p[..g.c_in].iter().map(|&v| v as f32));
            bias.push(p[g.c_in] as f32);
        }
        Fitted {
            parts: self.parts,
            pointwise: Tensor::new(&[g.c_out, g.c_in, 1, 1], pointwise),
            bias: Tensor::new(&[g.c_out, 1, 1], bias),
            error: (error.max(0.0) / size.max(f64::MIN_POSITIVE)).sqrt(),
        }
    }
}

/// What the pointwise part reads, computed by the operators themselves.
fn spatial(g: &ConvGeom, parts: &[Part], x: &Tensor<f32>) -> Result<Tensor<f32>> {
    let mut one = Layer::default();
    let input = Input { name: "x".to_owned(), ty: Ty::real(&x.shape, Owner::Client) };
    let id = one.op(input.into(), &[], "x")?;
    let z = front(&mut one, g, parts, id, "w", "z")?;
    one.graph.outputs.push(("z".to_owned(), z));
    let inputs = BTreeMap::from([("x".to_owned(), x.clone())]);
    let out = run_real(&one.graph, &inputs, &one.weights, &mut |_, _| {});
    let out = out.map_err(|e| CompileError::Internal(e.to_string()))?;
    out.into_iter().next().map(|(_, t)| t).ok_or_else(|| CompileError::Internal("no output".to_owned()))
}
