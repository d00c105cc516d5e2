//! A hospital (the client) has a chest X-ray, a provider (the server) has a trained network. Neither shows what it has
//! to the other; the hospital learns the diagnosis.
//!
//! `cargo run --release -p picc-examples --bin xray [IMAGE.png]`
//!
//! Both parties run in this process, as two threads that share nothing but the channel, with all cryptography. The same
//! with the command line: see the README.

use picc_ir::op::F32;
use picc_ir::program::{Layout, Preprocess};
use picc_ir::{Tensor, npy::NpyArray};
use picc_runtime::channel::memory_pair;
use picc_runtime::exec::{Executable, ServerModel, quantize, run_client, run_server};
use picc_runtime::inputs::{ImageOptions, read_samples};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let image = std::env::args_os().nth(1).map_or_else(|| here.join("data/xray_pneumonia.png"), PathBuf::from);

    // The provider compiles its model. Calibration images tell how large the activations get.
    let imported =
        picc_compiler::onnx::import_file(&here.join("models/pneumonia_vggsmall.onnx"), &Default::default())?;
    let calibration = NpyArray::parse(&std::fs::read(here.join("data/xray_calibration.npy"))?)?.to_f32();
    let samples: Vec<BTreeMap<String, Tensor<f32>>> = calibration
        .data
        .chunks_exact(28 * 28)
        .map(|x| BTreeMap::from([("input".to_owned(), Tensor::new(&[1, 1, 28, 28], x.to_vec()))]))
        .collect();
    let options = picc_passes::Options {
        model: "pneumonia_vggsmall".to_owned(),
        // Recorded in the program, so that the hospital needs only the image.
        preprocess: Some(Preprocess {
            divisor: F32::from(255.0),
            mean: vec![F32::from(0.5)],
            std: vec![F32::from(0.5)],
            layout: Layout::Nchw,
            bgr: false,
        }),
        labels: vec!["normal".to_owned(), "pneumonia".to_owned()],
        ..Default::default()
    };
    let compiled = picc_passes::compile(&imported.graph, &imported.weights, &options, &samples)?;

    // What both hold: the program. It says nothing about the weights but their shapes and sizes.
    let exe = Executable::load(&compiled.program.to_bytes())?;
    // What only the server holds.
    let model = ServerModel::new(&exe, compiled.weights)?;
    // What only the client holds.
    let input = read_samples(&image, &exe.program().inputs, &ImageOptions::default())?;

    let (client, server) = memory_pair(Duration::from_secs(60));
    let start = Instant::now();
    let answer = std::thread::scope(|scope| {
        let server = scope.spawn(|| run_server(&exe, &model, server));
        let answer = run_client(&exe, &input, client);
        server.join().map_err(|_| "the server's thread panicked")??;
        answer.map_err(Box::<dyn Error>::from)
    })?;
    let seconds = start.elapsed().as_secs_f64();

    let logits = answer.0[0].outputs[0].1.to_real(exe.graph().ty(exe.graph().outputs[0].1));
    let best = if logits.data[1] > logits.data[0] { 1 } else { 0 };
    let traffic = answer.1.total().traffic;
    println!("{}: {}", image.display(), options.labels[best]);
    println!("logits {:?}", logits.data);
    println!(
        "client -> server {} bytes, server -> client {} bytes, {} rounds, {seconds:.2} s",
        traffic.client_to_server, traffic.server_to_client, traffic.rounds
    );

    // The same without cryptography: the private answer is within the bound that the program states.
    let inputs = quantize(&exe, &input[0])?;
    let reference = picc_ir::eval::run_ring(exe.graph(), &inputs, model.weights(), &mut |_, _| {})?;
    let reference = reference[0].1.to_real(exe.graph().ty(exe.graph().outputs[0].1));
    let ulp = 1.0 / 4096.0;
    for (private, plain) in logits.data.iter().zip(&reference.data) {
        assert!((private - plain).abs() <= exe.program().error_ulps[0] as f32 * ulp, "{private} is not {plain}");
    }
    if std::env::args_os().len() == 1 {
        assert_eq!(options.labels[best], "pneumonia");
    }
    Ok(())
}
