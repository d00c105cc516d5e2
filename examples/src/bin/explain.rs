//! What the optimizer chose for two deployments, and why.
//!
//! `cargo run --release -p picc-examples --bin explain`

use picc::{Options, Profile};
use picc_examples::xrays;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (model, images) = xrays()?;
    let model = model.calibrate(images);
    let mut rounds = Vec::new();
    for profile in [Profile::lan(), Profile::wan()] {
        let options = Options { profile: Some(profile), ..Options::default() };
        let compiled = model.compile(&options)?;
        let explanation = compiled.explanation.ok_or("a program without rewrites")?;
        println!("{explanation}");
        let chosen = explanation.rules.iter().filter(|rule| rule.chosen > 0);
        let chosen: Vec<&str> = chosen.map(|rule| rule.name.as_str()).collect();
        println!("chosen: {}\n", chosen.join(", "));
        assert!(!chosen.is_empty());
        // All families of rewrites together never cost more than none.
        assert!(explanation.after.seconds <= explanation.before.seconds);
        rounds.push(compiled.program.traffic(1).rounds);
    }
    // Where a round trip takes 40 ms instead of 0.3, rounds are dearer than bytes.
    assert!(rounds[1] <= rounds[0], "{rounds:?}");
    Ok(())
}
