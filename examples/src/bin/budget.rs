//! Accuracy for bytes: fewer bits, tighter ranges and comparisons without low bits, as long as measured accuracy holds.
//!
//! `cargo run --release -p picc-examples --bin budget`
//!
//! Labels should come from data that the model was not trained on. This repository has none, so each image is labelled
//! with the answer of the program without a budget, and shifted copies stand for more images: what is bounded here is
//! how often the cheaper program answers something else.

use picc::{MaxDrop, Options, Sample, Tensor};
use picc_examples::xrays;
use std::error::Error;

/// Copies of an image of 28 x 28, moved by up to one pixel.
fn moved(image: &Tensor<f32>) -> Vec<Tensor<f32>> {
    let at = |y: isize, x: isize| image.data[(y.clamp(0, 27) * 28 + x.clamp(0, 27)) as usize];
    let shift = |dy: isize, dx: isize| {
        let pixels = (0..28).flat_map(|y| (0..28).map(move |x| (y + dy, x + dx)));
        Tensor::new(&image.shape, pixels.map(|(y, x)| at(y, x)).collect())
    };
    (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))).map(|(dy, dx)| shift(dy, dx)).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let (model, images) = xrays()?;
    let samples: Vec<Sample> = images
        .iter()
        .flat_map(|image| image.iter())
        .flat_map(|(name, image)| moved(image).into_iter().map(|copy| Sample::from([(name.clone(), copy)])))
        .collect();
    let model = model.calibrate(samples.clone());

    let default = model.compile(&Options::default())?;
    let class = |sample| default.program.reference(&default.weights, sample).map(|answer| answer.best());
    let classes = samples.iter().map(class).collect::<Result<Vec<_>, _>>()?;
    let classes: Vec<i64> = classes.into_iter().map(|best| best.map_or(0, |class| class as i64)).collect();

    let drop = MaxDrop { points: 4.0, confidence: 90.0, classes: &classes };
    let budget = model.compile_within(&Options::default(), drop)?;
    let accuracy = budget.accuracy.as_ref().ok_or("nothing was measured")?;
    print!("{accuracy}");
    let bytes = |program: &picc::Program| program.traffic(1).total();
    println!("{} bytes instead of {}", bytes(&budget.program), bytes(&default.program));

    assert!(accuracy.holds);
    assert!(bytes(&budget.program) < bytes(&default.program));
    Ok(())
}
