//! Arguments and the text of `--help`.

use crate::help::{AFTER, CALIBRATE};
use crate::identity::{Expected, Keygen, Known};
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use picc_ir::program::Layout;
use picc_runtime::channel::Network;
use picc_runtime::channel::shaper::{parse_rate, parse_time};
use picc_runtime::exec::PREPARED_BYTES;
use picc_runtime::inputs::ImageOptions;
use std::path::PathBuf;
use std::time::Duration;

/// Memory in MiB.
fn memory() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(0..=1 << 24)
}

/// Private inference: the client learns the answer, the server learns nothing of the input.
#[derive(Parser)]
#[command(name = "pirun", version, after_help = AFTER)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run client and server in this process, with all cryptography.
    Local(Local),
    /// Measure a program: seconds by network, split by cause and by node, measured beside predicted.
    Bench(Bench),
    /// Be the client of a running server.
    Infer(Infer),
    /// Be the server: answer one client after the other, or several at once.
    Serve(Serve),
    /// Make this party's key, once.
    Keygen(Keygen),
    /// Evaluate the program without cryptography, on many inputs at once.
    Reference(Reference),
    /// Measure what this machine takes for each kind of work, and write it as a profile for `picc --profile`.
    #[command(after_help = CALIBRATE)]
    Calibrate(Calibrate),
}

#[derive(Args)]
pub struct Local {
    /// The program.
    pub model: PathBuf,
    /// The server's weights.
    #[arg(long, value_name = "MODEL.PIW")]
    pub weights: PathBuf,
    #[command(flatten)]
    pub input: Input,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub link: Link,
    /// MiB of memory for weights that are transformed once, at the start; others are transformed in each inference.
    #[arg(long, value_name = "MIB", default_value_t = PREPARED_BYTES >> 20, value_parser = memory())]
    pub prepared_memory: u64,
    /// Also evaluate the program without cryptography and report the largest difference in units of the last place;
    /// more than the program promises is exit code 1.
    #[arg(long)]
    pub check_reference: bool,
}

/// Both parties run in this process, several times for each network, in turn.
#[derive(Args)]
pub struct Bench {
    /// The program.
    pub model: PathBuf,
    /// The server's weights.
    #[arg(long, value_name = "MODEL.PIW")]
    pub weights: PathBuf,
    /// The client's input; costs do not depend on its values [default: zeros].
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Networks to emulate, as `--network` of `local` takes them.
    #[arg(long, value_name = "NETWORK", default_values = ["none", "lan", "wan"])]
    pub network: Vec<Network>,
    /// Sessions for each network; each one has a setup and one inference.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// Threads of a party [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// How many nodes to list, dearest first.
    #[arg(long, value_name = "K", default_value_t = 12)]
    pub top: usize,
    /// MiB of memory for weights that are transformed once, at the start.
    #[arg(long, value_name = "MIB", default_value_t = PREPARED_BYTES >> 20, value_parser = memory())]
    pub prepared_memory: u64,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Infer {
    /// The program; the server must have the same.
    pub model: PathBuf,
    /// The server's address.
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    pub server: String,
    /// When the connection fails or is dropped, begin a new session up to N times for the samples without an answer.
    /// Nothing of the old session is used again.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub retry: u32,
    #[command(flatten)]
    pub expected: Expected,
    #[command(flatten)]
    pub input: Input,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub link: Link,
}

#[derive(Args)]
pub struct Serve {
    /// The program.
    pub model: PathBuf,
    /// The weights: this party's secret.
    #[arg(long, value_name = "MODEL.PIW")]
    pub weights: PathBuf,
    /// Where to listen; port 0 lets the system choose.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7700", value_parser = address)]
    pub listen: String,
    /// Serve one session, then end.
    #[arg(long)]
    pub once: bool,
    /// Sessions at a time; further clients are told that the server is busy.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub max_sessions: u32,
    /// Seconds from a connection to the end of its handshake; until then it takes no session's place.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub handshake_seconds: u64,
    /// Inferences of one session.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_inferences: u64,
    /// Seconds of one session.
    #[arg(long, value_name = "S", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub max_session_seconds: u64,
    /// Seconds that a session may wait for its client's next request.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub idle_seconds: u64,
    /// Seconds that running sessions may go on after Ctrl-C or SIGTERM; a second signal stops them at once.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=1 << 30))]
    pub drain_seconds: u64,
    /// MiB of memory for weights that are transformed once, at the start; others are transformed in each inference.
    #[arg(long, value_name = "MIB", default_value_t = PREPARED_BYTES >> 20, value_parser = memory())]
    pub prepared_memory: u64,
    /// Print one JSON object a session on standard output.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub known: Known,
    #[command(flatten)]
    pub link: Link,
}

#[derive(Args)]
pub struct Reference {
    /// The program.
    pub model: PathBuf,
    /// The weights.
    #[arg(long, value_name = "MODEL.PIW")]
    pub weights: PathBuf,
    #[command(flatten)]
    pub input: Input,
    /// The right class of each input; the accuracy is printed.
    #[arg(long, value_name = "Y.NPY")]
    pub labels_npy: Option<PathBuf>,
    /// Write the outputs of all inputs.
    #[arg(short, long, value_name = "OUT.NPY")]
    pub output: Option<PathBuf>,
    /// Use only the first N inputs.
    #[arg(long, value_name = "N")]
    pub first: Option<usize>,
    /// Exit code 1 if a value leaves a range that the program claims, which is a warning otherwise. Counts are at the
    /// least: a value so large that it wraps around its ring, back into the range, is not told from one that belongs
    /// there.
    #[arg(long)]
    pub strict: bool,
    /// Make the errors of a private run (truncation, comparisons without low bits), on shares drawn from this seed.
    #[arg(long, value_name = "SEED")]
    pub errors: Option<u64>,
    /// Print a JSON object.
    #[arg(long)]
    pub json: bool,
    /// Threads [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

#[derive(Args)]
pub struct Calibrate {
    /// Where to write the profile; without it, the table is only printed.
    #[arg(short, long, value_name = "FILE.toml")]
    pub output: Option<PathBuf>,
    /// The profile whose network and memory are kept: lan, wan, mobile or a .toml file.
    #[arg(long, value_name = "PROFILE", default_value = "lan")]
    pub profile: String,
    /// Threads of a party; they are measured at once [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Bandwidth from client to server, such as 10Mbit.
    #[arg(long, value_name = "RATE", value_parser = bits_per_second)]
    pub up: Option<u64>,
    /// Bandwidth from server to client.
    #[arg(long, value_name = "RATE", value_parser = bits_per_second)]
    pub down: Option<u64>,
    /// Round-trip time, such as 40ms.
    #[arg(long, value_name = "TIME", value_parser = round_trip)]
    pub rtt: Option<Duration>,
    /// Measure the network too, to a machine that runs `pirun calibrate --listen`.
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["up", "down", "rtt"], value_parser = address)]
    pub peer: Option<String>,
    /// Answer one `pirun calibrate --peer`, then end; nothing is measured or written here.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["output", "peer", "threads"], value_parser = address)]
    pub listen: Option<String>,
    /// Seconds for each kind of work.
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
}

impl Calibrate {
    pub fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.threads.map_or_else(all, usize::from)
    }

    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn bits_per_second(s: &str) -> Result<u64, String> {
    parse_rate(s).map(|rate| rate as u64).ok_or_else(|| format!("`{s}` is no rate: use 10Mbit or 1Gbit"))
}

fn round_trip(s: &str) -> Result<Duration, String> {
    parse_time(s).ok_or_else(|| format!("`{s}` is no time: use 40ms or 300us"))
}

/// `HOST:PORT`, before anybody tries to reach it.
fn address(s: &str) -> Result<String, String> {
    let port = |p: &str| p.parse::<u16>().is_ok();
    match s.rsplit_once(':') {
        Some((host, p)) if !host.is_empty() && port(p) && (!host.contains(':') || host.starts_with('[')) => {
            Ok(s.to_owned())
        }
        _ => Err("write HOST:PORT, such as example.org:7700 or [::1]:7700".to_owned()),
    }
}

fn seconds(s: &str) -> Result<f64, String> {
    let in_range = |s: &f64| (0.001..=60.0).contains(s);
    s.parse().ok().filter(in_range).ok_or_else(|| "0.001 to 60 seconds".to_owned())
}

/// What the client brings.
#[derive(Args)]
pub struct Input {
    /// .npy or .npz (a first axis counts samples; arrays are named as the program's inputs), .png or .jpg.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// Values outside the program's range become its ends; without this they are an error.
    #[arg(long)]
    pub clip: bool,
    /// Mean of each channel, after the division: (pixel / divisor - mean) / std. Instead of the program's.
    #[arg(long, value_delimiter = ',', value_name = "M,M,M", allow_hyphen_values = true, help_heading = "Images")]
    pub mean: Option<Vec<f32>>,
    /// Deviation of each channel.
    #[arg(long, value_delimiter = ',', value_name = "S,S,S", help_heading = "Images")]
    pub std: Option<Vec<f32>>,
    /// Pixels 0..=255 are divided by this first [default: what the program says, or else 255].
    #[arg(long, value_name = "D", help_heading = "Images")]
    pub divisor: Option<f32>,
    /// Order of the input's axes.
    #[arg(long, help_heading = "Images")]
    pub layout: Option<AxisOrder>,
    /// Channels in the order blue, green, red.
    #[arg(long, help_heading = "Images")]
    pub bgr: bool,
    /// Scale an image of another size.
    #[arg(long, help_heading = "Images")]
    pub resize: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum AxisOrder {
    Nchw,
    Nhwc,
}

impl Input {
    /// What the user says about images.
    pub fn image_options(&self) -> ImageOptions {
        ImageOptions {
            mean: self.mean.clone(),
            std: self.std.clone(),
            divisor: self.divisor,
            layout: self.layout.map(|l| match l {
                AxisOrder::Nchw => Layout::Nchw,
                AxisOrder::Nhwc => Layout::Nhwc,
            }),
            bgr: self.bgr.then_some(true),
            resize: self.resize,
        }
    }
}

/// What becomes of the answer.
#[derive(Args)]
pub struct Output {
    /// Write the outputs as samples finish: .npz for all in one file, .npy for the first (others beside it, as
    /// FILE.NAME.npy).
    #[arg(short, long, value_name = "OUT.NPY")]
    pub output: Option<PathBuf>,
    /// Print one JSON object: bytes, rounds, seconds, memory, and a row for each node.
    #[arg(long)]
    pub json: bool,
    /// How many classes to print.
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub top: usize,
    /// Names of the classes, one a line for each value of the first output, instead of the program's.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
}

/// Network and processor of a party.
#[derive(Args)]
pub struct Link {
    /// Emulate a network: lan (3 Gbit/s, 0.3 ms), wan (400 Mbit/s, 40 ms), mobile (10 up / 50 down Mbit/s, 60 ms),
    /// or RATE,RTT such as 100Mbit,20ms or 10Mbit/50Mbit,60ms.
    #[arg(long, value_name = "NETWORK", default_value = "none")]
    pub network: Network,
    /// Threads of a party [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Seconds of silence after which the other party counts as gone.
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub timeout: u64,
}

impl Link {
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let parsed = Cli::try_parse_from([
            "pirun",
            "local",
            "m.pi",
            "--weights",
            "m.piw",
            "--input",
            "x.png",
            "--mean",
            "-1,2",
        ]);
        assert!(parsed.is_ok());
        for (address, good) in [
            ("example.org:7700", true),
            ("[::1]:7700", true),
            ("127.0.0.1", false),
            ("127.0.0.1:", false),
            ("127.0.0.1:77000", false),
            (":7700", false),
            ("::1:7700", false),
            ("http://example.org:80/", false),
        ] {
            let parsed = Cli::try_parse_from(["pirun", "infer", "m.pi", "--input", "x.npy", "--server", address]);
            assert_eq!(parsed.is_ok(), good, "{address}");
        }
        assert!(Cli::try_parse_from(["pirun", "infer", "m.pi"]).is_err());
    }
}
