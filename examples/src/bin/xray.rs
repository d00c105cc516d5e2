//! A hospital (the client) has a chest X-ray, a provider (the server) has a trained network. Neither shows what it has
//! to the other; the hospital learns the diagnosis.
//!
//! `cargo run --release -p picc-examples --bin xray [IMAGE.png]`
//!
//! Both parties run in this process, as two threads that share nothing but a connection, with all cryptography. The
//! same with the command line: see the README.

use picc::{Client, Layout, Options, Preprocess, Server};
use picc_examples::{file, xrays};
use std::error::Error;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let image = std::env::args_os().nth(1).map_or_else(|| file("data/xray_pneumonia.png"), PathBuf::from);

    // The provider compiles its model. Calibration images tell how large the activations get.
    let (model, calibration) = xrays()?;
    let options = Options {
        // Recorded in the program, so that the hospital needs only the image.
        preprocess: Some(Preprocess {
            divisor: 255.0.into(),
            mean: vec![0.5.into()],
            std: vec![0.5.into()],
            layout: Layout::Nchw,
            bgr: false,
        }),
        labels: vec!["normal".to_owned(), "pneumonia".to_owned()],
        ..Options::default()
    };
    let compiled = model.calibrate(calibration).compile(&options)?;

    // What both hold: the program. It says nothing about the weights but their shapes and sizes.
    let program = compiled.program;
    // What only the client holds.
    let input = program.image(&std::fs::read(&image)?)?;
    // The same without cryptography, to compare with.
    let reference = program.reference(&compiled.weights, &input)?;
    // What only the server holds.
    let server = Server::new(&program, compiled.weights)?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let start = Instant::now();
    let (answer, traffic) = std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.accept(&listener));
        let mut client = Client::connect(&program, address)?;
        let answer = client.infer(&input)?;
        let traffic = client.close()?;
        serving.join().map_err(|_| "the server's thread panicked")??;
        Ok::<_, Box<dyn Error>>((answer, traffic))
    })?;
    let seconds = start.elapsed().as_secs_f64();

    let logits = &answer.outputs[0].1;
    let class = &program.labels()[answer.best().ok_or("a network without outputs")?];
    println!("{}: {class}", image.display());
    println!("logits {:?}", logits.data);
    println!(
        "client -> server {} bytes, server -> client {} bytes, {} rounds, {seconds:.2} s",
        traffic.client_to_server, traffic.server_to_client, traffic.rounds
    );

    // The private answer is within the bound that the program states.
    let ulp = 1.0 / 4096.0;
    for (private, plain) in logits.data.iter().zip(&reference.outputs[0].1.data) {
        assert!((private - plain).abs() <= program.error_ulps()[0] as f32 * ulp, "{private} is not {plain}");
    }
    if std::env::args_os().len() == 1 {
        assert_eq!(class, "pneumonia");
    }
    Ok(())
}
