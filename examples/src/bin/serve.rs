//! A server and its clients over TCP, each from the files that it holds: `model.pi` at all of them, `model.piw` at the
//! server alone.
//!
//! `cargo run --release -p picc-examples --bin serve`
//!
//! A server that faces the open network also decides how long a stranger may wait, how many sessions run at a time and
//! how it ends: `pirun serve` does.

use picc::{Client, Error as Failure, Options, Program, Server, Weights};
use picc_examples::xrays;
use std::error::Error;
use std::net::TcpListener;

/// How many clients this example serves.
const CLIENTS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let (model, images) = xrays()?;
    let compiled = model.calibrate(images.clone()).compile(&Options::default())?;
    let (public, secret) = (compiled.program.to_bytes(), compiled.weights.to_bytes());

    // The server's machine.
    let program = Program::from_bytes(&public)?;
    let weights = Weights::from_bytes(&secret, &program)?;
    let server = Server::new(&program, weights)?.with_max_inferences(2);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;

    let answers = std::thread::scope(|scope| {
        // One thread for each session that may run at a time.
        let serving: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| server.accept(&listener))).collect();

        // The machines of two clients. Each asks once more than the server allows, and is told so.
        let client = |input: usize| {
            let program = Program::from_bytes(&public)?;
            let mut client = Client::connect(&program, address)?;
            let answers = [client.infer(&images[input])?, client.infer(&images[input + 1])?];
            Ok::<_, Failure>((answers, client.infer(&images[input]).err()))
        };
        let clients: Vec<_> = (0..CLIENTS).map(|i| scope.spawn(move || client(2 * i))).collect();
        let mut answers = Vec::new();
        for (client, server) in clients.into_iter().zip(serving) {
            let (two, refusal) = client.join().map_err(|_| "a client's thread panicked")??;
            println!("scores {:?}", two.each_ref().map(|answer| &answer.outputs[0].1.data));
            answers.extend(two);
            let refusal = refusal.ok_or("a third inference was answered")?;
            println!("then: {refusal}");
            assert!(refusal.to_string().contains("a session takes 2 inferences at most"), "{refusal}");
            assert!(server.join().map_err(|_| "a session's thread panicked")?.is_err(), "the session was cut off");
        }
        Ok::<_, Box<dyn Error>>(answers)
    })?;

    // One class of the two for each image, and the one that the program means.
    let weights = Weights::from_bytes(&secret, &program)?;
    for (image, answer) in images.iter().zip(&answers) {
        assert_eq!(answer.best(), program.reference(&weights, image)?.best());
    }
    assert_eq!(answers.len(), 2 * CLIENTS);
    Ok(())
}
