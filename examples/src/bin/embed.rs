//! Both parties inside one program, connected by memory instead of a network: for tests, for measuring, and for a
//! sandbox that talks to the rest of a system by other means than sockets.
//!
//! `cargo run --release -p picc-examples --bin embed`

use picc::channel::memory_pair;
use picc::{Client, Options, Server};
use picc_examples::xrays;
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let (model, images) = xrays()?;
    // Equal to the reference in every bit, for more bytes.
    let options = Options { exact: true, ..Options::default() };
    let compiled = model.calibrate(images.clone()).compile(&options)?;
    let program = compiled.program;
    let some = &images[..3];
    let expected = some.iter().map(|x| program.reference(&compiled.weights, x)).collect::<Result<Vec<_>, _>>()?;
    let server = Server::new(&program, compiled.weights)?;

    // Each end has a party; whoever hears nothing for a minute gives up.
    let (client, serving) = memory_pair(Duration::from_secs(60));
    let (answers, traffic) = std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.over(serving));
        // One session pays for its setup once, however many inferences it takes.
        let mut client = Client::over(&program, client)?;
        let answers = some.iter().map(|x| client.infer(x)).collect::<Result<Vec<_>, _>>()?;
        let traffic = client.close()?;
        let session = serving.join().map_err(|_| "the server's thread panicked")??;
        assert_eq!((session.inferences, session.traffic), (3, traffic));
        Ok::<_, Box<dyn Error>>((answers, traffic))
    })?;
    println!("{} answers, {} bytes, {} rounds", answers.len(), traffic.total(), traffic.rounds);

    assert_eq!(answers, expected);
    assert_eq!(traffic, program.traffic(3));
    Ok(())
}
