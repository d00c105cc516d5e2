//! Somebody on the wire, who flips, cuts, drops, inserts, reorders, replays or holds back bytes.

use super::setting::Setting;
use picc_ir::npy::NpyArray;
use picc_tests::commands::{Server, pirun};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A party's patience with the other, in seconds.
const PATIENCE: u64 = 4;

/// A run that takes longer hangs.
const HANG: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    None,
    Flip(u8),
    Zeros,
    Cut,
    Drop,
    Insert,
    Reorder,
    Replay,
    Stall,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    damage: Damage,
    /// From the client?
    up: bool,
    at: usize,
}

/// A small generator of what is done where: the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}

struct Proxy {
    address: String,
    plan: Arc<Mutex<Plan>>,
    /// Bytes up and down in the last connection.
    bytes: Arc<[AtomicUsize; 2]>,
}

impl Proxy {
    fn new(server: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let plan = Arc::new(Mutex::new(Plan { damage: Damage::None, up: true, at: 0 }));
        let bytes: Arc<[AtomicUsize; 2]> = Arc::default();
        let (plans, counts, server) = (Arc::clone(&plan), Arc::clone(&bytes), server.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(&server)) else { continue };
                let plan = *plans.lock().expect("a plan");
                for (up, from, to) in [(true, &near, &far), (false, &far, &near)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let counts = Arc::clone(&counts);
                    std::thread::spawn(move || {
                        let sent = pump(&from, &to, plan, plan.up == up);
                        counts[usize::from(!up)].store(sent, Ordering::Relaxed);
                        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    });
                }
            }
        });
        Proxy { address, plan, bytes }
    }
}

/// Copies, with the damage of the plan if it is for this direction; how many bytes came.
fn pump(mut from: &TcpStream, mut to: &TcpStream, plan: Plan, damaged: bool) -> usize {
    let (mut came, mut before) = (0, Vec::new());
    let mut buffer = vec![0; 1 << 14];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) | Err(_) => return came,
            Ok(n) => n,
        };
        let mut data = buffer[..n].to_vec();
        let at = plan.at.wrapping_sub(came);
        came += n;
        if damaged && at < n && !spoil(plan.damage, &mut data, at, &before) {
            let _ = to.write_all(&data[..at]);
            return came;
        }
        before.extend_from_slice(&buffer[..n]);
        if to.write_all(&data).is_err() {
            return came;
        }
    }
}

/// Whether anything follows.
fn spoil(damage: Damage, data: &mut Vec<u8>, at: usize, before: &[u8]) -> bool {
    let end = data.len();
    match damage {
        Damage::None => {}
        Damage::Flip(bit) => data[at] ^= 1 << bit,
        Damage::Zeros => data[at..end.min(at + 200)].fill(0),
        Damage::Cut => return false,
        Damage::Drop => drop(data.drain(at..end.min(at + 8))),
        Damage::Insert => drop(data.splice(at..at, *b"somebody")),
        Damage::Reorder => data[at..].reverse(),
        Damage::Replay => {
            let earlier = if before.is_empty() { data.clone() } else { before[before.len() / 2..].to_vec() };
            drop(data.splice(at..at, earlier));
        }
        Damage::Stall => {
            std::thread::sleep(Duration::from_secs(PATIENCE + 2));
            return false;
        }
    }
    true
}

/// The exit code and the answer of a client; `None` if it hangs.
fn client(setting: &Setting, address: &str) -> Option<(i32, Vec<f32>)> {
    let answer = setting.path("wire.npy");
    let _ = std::fs::remove_file(&answer);
    let mut infer = pirun(setting.folder());
    infer.args(["infer", "model.pi", "--input", "photo.png", "--threads", "1", "-o", "wire.npy"]);
    infer.args(["--server", address, "--identity", "clinic.key", "--timeout", &PATIENCE.to_string()]);
    infer.args(["--server-key", &setting.fingerprint("provider").to_string()]);
    let mut child = infer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pirun");
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            let code = status.code().expect("no signal");
            let read = |bytes: Vec<u8>| NpyArray::parse(&bytes).expect("an array").to_f32().data;
            let values = if code == 0 { read(std::fs::read(&answer).expect("an answer")) } else { Vec::new() };
            return Some((code, values));
        }
        if start.elapsed() > HANG {
            let _ = (child.kill(), child.wait());
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn damaged_runs(runs: usize, seed: u64) {
    let setting = Setting::shared();
    let key = setting.fingerprint("clinic").to_string();
    let patience = PATIENCE.to_string();
    let server: Server = setting.serve(&["--client-key", &key, "--timeout", &patience, "--threads", "1"]);
    let proxy = Proxy::new(&server.address);
    let (code, right) = client(setting, &proxy.address).expect("no hang");
    assert_eq!(code, 0);
    let sizes = loop {
        let sizes = [0, 1].map(|i| proxy.bytes[i].load(Ordering::Relaxed));
        if sizes.iter().all(|&n| n > 0) {
            break sizes;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut dice = Dice(seed);
    let (mut answered, mut refused) = (0, 0);
    for run in 0..runs {
        let damage = match dice.below(16) {
            0..5 => Damage::Flip(dice.below(8) as u8),
            5 => Damage::Zeros,
            6 | 7 => Damage::Cut,
            8 | 9 => Damage::Drop,
            10 | 11 => Damage::Insert,
            12 => Damage::Reorder,
            13 | 14 => Damage::Replay,
            _ => Damage::Stall,
        };
        let up = dice.below(2) == 0;
        // Half of it in the handshakes and the setup.
        let size = sizes[usize::from(!up)];
        let within = [3000, 70_000, size, size][dice.below(4)].min(size);
        let plan = Plan { damage, up, at: dice.below(within) };
        *proxy.plan.lock().expect("a plan") = plan;
        match client(setting, &proxy.address) {
            None => panic!("run {run} hangs: {plan:?}"),
            // Damage behind the last message that anybody waits for.
            Some((0, values)) => {
                // Shares are drawn anew: a value may be off by the last bit at each layer.
                let off = right.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(
                    values.len() == right.len() && off < 0.05,
                    "run {run}: a wrong answer: {plan:?} {values:?}"
                );
                answered += 1;
            }
            Some((code, _)) => {
                assert!([3, 4].contains(&code), "run {run}: exit code {code}: {plan:?}");
                refused += 1;
            }
        }
    }
    println!("{runs} damaged runs: {refused} refused, {answered} answered rightly, 0 wrong answers, 0 hangs");
    assert!(refused > runs * 3 / 4, "{refused} of {runs}: the damage is not on the wire");
    *proxy.plan.lock().expect("a plan") = Plan { damage: Damage::None, up: true, at: 0 };
    assert_eq!(client(setting, &proxy.address).expect("no hang").0, 0, "the server goes on");
    let log = server.stop();
    assert!(!log.contains("panicked") && !log.contains("bug:"), "{log}");
}

#[test]
fn damage_on_the_wire_is_no_answer() {
    damaged_runs(30, 7);
}

/// `cargo test --release --workspace --test identities -- --ignored`: some minutes.
#[test]
#[ignore = "300 runs take minutes"]
fn damage_on_the_wire_is_no_answer_in_300_runs() {
    damaged_runs(300, 11);
}
