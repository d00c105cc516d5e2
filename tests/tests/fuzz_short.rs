//! A short run of every fuzz target: seeded mutations of valid inputs, and noise. Nothing panics, nothing takes long,
//! nothing allocates what its input does not justify. A failure prints target and seed; `FUZZ_ROUNDS` multiplies the
//! rounds.

#[path = "../../compiler/tests/builder/mod.rs"]
mod builder;

use builder::Builder;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use peak_alloc::PeakAlloc;
use picc_ir::Tensor;
use picc_ir::npy::{write_f32, write_i64};
use picc_ir::testing::splitmix;
use picc_ir::weights::{Salt, write_weights};
use picc_passes::Linear;
use picc_runtime::inputs::write_npz;
use picc_tests::{example, fuzz};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// More than this for an input of less than 100 kB is a way to exhaust a machine.
const MAX_HEAP: usize = 256 << 20;
/// Generous: other tests may use the processor.
const MAX_TIME: Duration = Duration::from_secs(20);

/// One target at a time, so that the heap is its own.
static ALONE: Mutex<()> = Mutex::new(());

/// The same mutations every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        splitmix(&mut self.0)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}

/// What parsers stumble over, in binary and in text.
const TOKENS: [&[u8]; 25] = [
    &[0],
    &[1],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    b"0",
    b"1",
    b"-1",
    b"2",
    b"3",
    b"4",
    b"5",
    b"7",
    b"8",
    b"16",
    b"64",
    b"255",
    b"65536",
    b"2147483648",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551615",
];

fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let some = random.below(16).min(bytes.len() - at);
        match random.below(8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..at + some)),
            3 => {
                let token = TOKENS[random.below(TOKENS.len())];
                drop(bytes.splice(at..at, token.iter().copied()));
            }
            4 => {
                // A number of the text becomes another one.
                let is_digit = |i: &usize| bytes.get(*i).is_some_and(u8::is_ascii_digit);
                if let Some(start) = (at..bytes.len()).find(is_digit) {
                    let end = (start..bytes.len()).find(|i| !is_digit(i)).unwrap_or(bytes.len());
                    let token = TOKENS[random.below(TOKENS.len())];
                    drop(bytes.splice(start..end, token.iter().copied()));
                }
            }
            5 => {
                // A piece of another seed, or of this one, moves here.
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let piece = &other[from..(from + random.below(64)).min(other.len())];
                drop(bytes.splice(at..at + some, piece.iter().copied()));
            }
            6 if random.below(8) == 0 => bytes.truncate(at),
            _ => {
                let token = TOKENS[random.below(TOKENS.len())];
                let end = (at + token.len()).min(bytes.len());
                drop(bytes.splice(at..end, token.iter().copied()));
            }
        }
    }
    bytes
}

/// One input: whether it is accepted, and bytes of heap that it took.
fn one(what: &str, target: fn(&[u8]) -> bool, input: &[u8]) -> (bool, usize) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let begin = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    let (time, heap) = (begin.elapsed(), HEAP.peak_usage().saturating_sub(before));
    let Ok(is_accepted) = outcome else { panic!("{what}: panicked on {}", input.escape_ascii()) };
    assert!(heap < MAX_HEAP, "{what}: {heap} bytes of heap for {}", input.escape_ascii());
    assert!(time < MAX_TIME, "{what}: {time:?} for {}", input.escape_ascii());
    (is_accepted, heap)
}

/// Runs what libFuzzer found worth keeping, then the seeds, which the target accepts, then `rounds` inputs, one in
/// sixteen of them noise.
fn run(name: &str, target: fn(&[u8]) -> bool, seeds: &[Vec<u8>], rounds: u64) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let factor = std::env::var("FUZZ_ROUNDS").map_or(1, |n| n.parse().expect("FUZZ_ROUNDS is a number"));
    let start = Instant::now();
    let (mut most, mut accepted) = (0, 0);
    let kept = corpus(name);
    for (file, input) in &kept {
        most = most.max(one(&format!("{name}, {file}"), target, input).1);
    }
    for seed in 0..seeds.len() as u64 + rounds * factor {
        let mut random = Random(seed);
        let input = match seeds.get(seed as usize) {
            Some(whole) => whole.clone(),
            None if seed % 16 == 0 => {
                let n = random.below(400);
                random.bytes(n)
            }
            None => mutated(seeds, &mut random),
        };
        assert!(input.len() < 100_000, "{name}: an input of {} bytes", input.len());
        let what = format!("{name}, seed {seed}");
        let (is_accepted, heap) = one(&what, target, &input);
        (most, accepted) = (most.max(heap), accepted + u64::from(is_accepted && seed >= seeds.len() as u64));
        assert!(is_accepted || seed >= seeds.len() as u64, "{what}: an undamaged input is refused");
    }
    let share = accepted as f64 / (rounds * factor) as f64;
    println!(
        "{name}: {} kept, {:.1} s, at most {:.1} MB, {share:.3} accepted",
        kept.len(),
        start.elapsed().as_secs_f64(),
        most as f64 / 1e6
    );
}

/// The minimised corpus of a target, `tests/fuzz/corpus/TARGET`: inputs that reach code which others do not.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(folder) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

fn onnx_seeds() -> Vec<Vec<u8>> {
    let net = Builder::new(13).input("x", &[1, 2, 6, 6]).weight("w", &[4, 1, 3, 3], &[0.1; 36]);
    let net = net.weight("b", &[4], &[0.5; 4]).node("Conv", &["x", "w", "b"], &["c"]).int("group", 2);
    let net = net.ints("pads", &[1, 1, 1, 1]).ints("strides", &[2, 2]).weight("v", &[4], &[1.0; 4]);
    let net = net.node("BatchNormalization", &["c", "v", "b", "b", "v"], &["n"]).float("epsilon", 1e-5);
    let net = net.weight("six", &[], &[6.0]).weight("zero", &[], &[0.0]);
    let net = net.node("Clip", &["n", "zero", "six"], &["r"]);
    let net = net.node("AveragePool", &["r"], &["a"]).ints("kernel_shape", &[2, 2]).int("ceil_mode", 1);
    let net = net.node("Flatten", &["a"], &["f"]).weight("u", &[3, 16], &[0.3; 48]);
    let net = net.node("Gemm", &["f", "u"], &["o"]).int("transB", 1).float("alpha", 0.5);
    let net = net.node("Softmax", &["o"], &["y"]).int("axis", -1).output("y");

    let moves = Builder::new(13).input("x", &[1, 2, 4, 4]).weight("t", &[2, 3, 2, 2], &[0.2; 24]);
    let moves = moves.node("ConvTranspose", &["x", "t"], &["d"]).ints("strides", &[2, 2]);
    let moves = moves.integers("starts", &[0]).integers("ends", &[6]).integers("axes", &[-1]);
    let moves = moves.node("Slice", &["d", "starts", "ends", "axes"], &["s"]);
    let moves = moves.node("Transpose", &["s"], &["p"]).ints("perm", &[0, 2, 3, 1]);
    let moves = moves.node("LeakyRelu", &["p"], &["l"]).float("alpha", 0.2).node("Abs", &["l"], &["m"]);
    let moves = moves.node("Max", &["l", "m"], &["n"]).node("Mul", &["n", "m"], &["o"]);
    let moves = moves.node("ReduceMean", &["o"], &["q"]).ints("axes", &[1, 2]).int("keepdims", 0);
    let moves = moves.node("ArgMax", &["q"], &["y"]).int("axis", 1).output("y");

    let pools = Builder::new(11).input("x", &[2, 3, 5, 5]).node("MaxPool", &["x"], &["p"]);
    let pools = pools.ints("kernel_shape", &[3, 3]).ints("strides", &[2, 2]).ints("pads", &[1, 1, 1, 1]);
    let pools = pools.node("LRN", &["p"], &["n"]).int("size", 3).node("Relu", &["n"], &["r"]);
    let pools = pools.node("GlobalAveragePool", &["r"], &["g"]).node("Concat", &["g", "g"], &["c"]).int("axis", 1);
    let pools = pools.integers("shape", &[0, -1]).node("Reshape", &["c", "shape"], &["y"]).output("y");
    [net, moves, pools].map(|model| model.bytes()).to_vec()
}

/// Types are inferred where the text leaves them out: then mutated attributes reach the operators.
fn without_types(text: &str) -> String {
    let line = |line: &str| match (line.split_once(" : "), line.contains("input ") || line.contains("weight ")) {
        (Some((start, end)), false) => {
            let name = end.split_once(" ; ").map_or(String::new(), |(_, name)| format!(" ; {name}"));
            format!("{start}{name}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn text_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![fuzz::MODEL.to_owned()];
    for (linear, exact) in [(Linear::Ot, true), (Linear::Rlwe, false)] {
        let small = fuzz::small(linear, exact);
        for text in [small.ring_graph.to_string(), small.program.graph.to_string()] {
            seeds.extend([without_types(&text), text]);
        }
    }
    for file in ["canonicalize", "quantize", "protocols", "split"] {
        let folder = std::fs::read_dir(example::root().join("passes/filetests").join(file)).unwrap();
        let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let inputs = paths.iter().filter(|p| p.extension().is_some_and(|e| e == "pir"));
        seeds.extend(inputs.map(|path| std::fs::read_to_string(path).unwrap()));
    }
    seeds.into_iter().map(String::into_bytes).collect()
}

fn program_seeds() -> Vec<Vec<u8>> {
    let programs = [(Linear::Ot, true), (Linear::Rlwe, false), (Linear::Auto, true)];
    let bodies = programs.map(|(linear, exact)| {
        let bytes = fuzz::small(linear, exact).program.to_bytes();
        bytes[16..bytes.len() - 32].to_vec()
    });
    let whole = fuzz::sealed(&bodies[0]);
    [&bodies[..], &[whole]].concat()
}

fn weights_seeds() -> Vec<Vec<u8>> {
    let small = fuzz::small(Linear::Ot, true);
    vec![
        write_weights(&small.weights, small.program.digest(), &Salt([9; 32])),
        write_weights(&small.weights, [0; 32], &Salt([9; 32])),
        write_weights(&[("a".to_owned(), Tensor::new(&[2], vec![i64::MIN, 7]))].into(), [1; 32], &Salt([0; 32])),
    ]
}

fn npy_seeds() -> Vec<Vec<u8>> {
    let reals = write_f32(&Tensor::new(&[2, 3], vec![1.5; 6]));
    let integers = write_i64(&Tensor::new(&[1, 2, 2], vec![-1; 4]));
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|w| w == what).unwrap();
    let mut fortran = reals.clone();
    let at = find(&fortran, b"False");
    fortran.splice(at..at + 5, *b"True ");
    let mut half = reals.clone();
    let at = find(&half, b"<f4");
    half.splice(at..at + 3, *b">f2");
    let archive = write_npz(&[("x".to_owned(), reals.clone()), ("y".to_owned(), integers.clone())]).unwrap();
    vec![reals, integers, fortran, half, archive]
}

fn image_seeds() -> Vec<Vec<u8>> {
    let encode = |how: u8, image: DynamicImage, format: ImageFormat| {
        let mut file = Cursor::new(vec![how]);
        file.set_position(1);
        image.write_to(&mut file, format).unwrap();
        file.into_inner()
    };
    let pixels = |n: u32, channels: u32| (0..n * n * channels).map(|i| (i * 37 % 251) as u8).collect::<Vec<u8>>();
    let color = |n: u32| DynamicImage::from(RgbImage::from_raw(n, n, pixels(n, 3)).unwrap());
    let gray = |n: u32| DynamicImage::from(GrayImage::from_raw(n, n, pixels(n, 1)).unwrap());
    let deep = DynamicImage::from(color(8).to_rgba16());
    vec![
        encode(0, color(8), ImageFormat::Png),
        encode(0, color(8), ImageFormat::Jpeg),
        encode(1, color(11), ImageFormat::Png),
        encode(3, color(5), ImageFormat::Jpeg),
        encode(2, gray(8), ImageFormat::Png),
        encode(2, gray(8), ImageFormat::Jpeg),
        encode(0, deep, ImageFormat::Png),
    ]
}

#[test]
fn onnx_models() {
    run("onnx", fuzz::onnx, &onnx_seeds(), 10_000);
}

#[test]
fn graphs_as_text() {
    run("text", fuzz::text, &text_seeds(), 100_000);
}

#[test]
fn programs() {
    run("program", fuzz::program, &program_seeds(), 150_000);
}

#[test]
fn weights_files() {
    run("weights", fuzz::weights, &weights_seeds(), 300_000);
}

#[test]
fn arrays() {
    run("npy", fuzz::npy, &npy_seeds(), 300_000);
}

#[test]
fn sessions() {
    run("wire", fuzz::wire, &fuzz::wire_seeds(), 100);
}

#[test]
fn models() {
    run("model", fuzz::model, &fuzz::model_seeds(), 3_000);
}

#[test]
fn images() {
    run("image", fuzz::image, &image_seeds(), 30_000);
}

#[test]
fn hellos() {
    let [accepted, refused] = fuzz::hello_seeds();
    assert!(!refused.iter().any(|seed| fuzz::hello(seed)), "a server that refuses is no agreement");
    run("hello", fuzz::hello, &accepted, 100_000);
}

#[test]
fn messages() {
    run("message", fuzz::message, &fuzz::message_seeds(), 2_000);
}

/// Seeds for libFuzzer: `cargo test --release -p picc-tests --test fuzz_short -- --ignored`.
#[test]
#[ignore = "writes tests/fuzz/seeds"]
fn write_the_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, seeds) in [
        ("onnx", onnx_seeds()),
        ("text", text_seeds()),
        ("program", program_seeds()),
        ("weights", weights_seeds()),
        ("npy", npy_seeds()),
        ("wire", fuzz::wire_seeds()),
        ("model", fuzz::model_seeds()),
        ("image", image_seeds()),
        ("hello", fuzz::hello_seeds().concat()),
        ("message", fuzz::message_seeds()),
    ] {
        std::fs::create_dir_all(folder.join(target)).unwrap();
        for (i, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(target).join(format!("seed{i}")), seed).unwrap();
        }
    }
}
