//! The command line of `picc`.

use crate::onnx::InputShape;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  picc model.onnx -o model.pi --calibrate images.npz
      compile; writes model.pi (public: give it to clients) and model.piw (secret: the weights)
  picc check model.onnx
      list everything in the model that would not compile
  picc model.onnx -o model.pi --calibrate images.npz --profile wan && picc explain model.pi
      optimize for a network, and see what was chosen and why
  picc inspect model.pi
      who learns what, and bytes and rounds of every layer

Then `pirun local model.pi --weights model.piw --input x.npy` runs both parties on this machine, and
`pirun serve` / `pirun infer` run them on two.

Exit codes: 0 done, 1 the model was refused or a file could not be read, 2 wrong usage.";

/// Compiles a trained ONNX model into a program that a client and a server run together: the client learns the
/// model's answer for its private input, and neither learns anything else.
#[derive(Debug, Parser)]
#[command(name = "picc", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub compile: Compile,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List every construct of a model that would not compile, with node names
    Check(Check),
    /// Say why a program that was compiled with --profile is what it is: rules, protocols, cost before and after
    Explain(Explain),
    /// Show a compiled program: who learns what, types, cost of each layer
    Inspect(Inspect),
}

/// Compile a model.
#[derive(Debug, Args)]
pub struct Compile {
    /// The trained model
    #[arg(value_name = "MODEL.onnx", required = true)]
    pub model: Option<PathBuf>,
    /// Where to write the program; the weights go beside it, as .piw
    #[arg(short, long, value_name = "MODEL.pi", required_unless_present = "emit")]
    pub output: Option<PathBuf>,
    /// Inputs on which value ranges are measured: .npz or .npy, first axis = samples. Without them, ranges come
    /// from interval analysis, which is loose for deep networks
    #[arg(long, value_name = "FILE")]
    pub calibrate: Option<PathBuf>,
    /// Bit-exact: the private answer equals the reference in every bit (costs more)
    #[arg(long)]
    pub exact: bool,
    /// One ring of this many bits for every value (default: each value in the shortest that holds it)
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(8..=64))]
    pub ring: Option<u8>,
    /// Fraction bits of activations [default: 12]
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub frac: Option<u8>,
    /// Fraction bits of weights
    #[arg(long, value_name = "BITS", default_value_t = 12, value_parser = clap::value_parser!(u8).range(1..=24))]
    pub weight_frac: u8,
    /// Most bits of a weight, its sign included
    #[arg(long, value_name = "BITS", default_value_t = 16, value_parser = clap::value_parser!(u8).range(2..=30))]
    pub weight_bits: u8,
    /// Protocol of the linear layers
    #[arg(long, value_enum, default_value_t = LinearArg::Auto)]
    pub linear: LinearArg,
    /// Size 2^K of the field of the OT extension: larger sends less and computes more [default: 4, or the profile's]
    #[arg(long, value_name = "K")]
    pub softspoken: Option<u8>,
    /// Choose rewrites and protocols together, by exact cost, for a deployment: lan, wan, mobile or a .toml file.
    /// Writes MODEL.explain.json beside the program, for `picc explain`
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Under --profile, only these families of rewrites: hygiene, linear, merging, winograd, relu, ring, truncation
    #[arg(long, value_name = "FAMILY,..", value_delimiter = ',', requires = "profile")]
    pub passes: Option<Vec<String>>,
    /// Under --profile, how the cheapest program is looked for
    #[arg(long, value_enum, default_value_t = ExtractArg::Auto, requires = "profile")]
    pub extract: ExtractArg,
    /// About how long `--extract exact` searches, counted in steps: the result is the same on every machine
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub extract_seconds: u32,
    /// Under --profile, what a second before the input is known counts: nothing, or as much as any
    #[arg(long, value_enum, requires = "profile")]
    pub phase: Option<PhaseArg>,
    #[command(flatten)]
    pub shapes: Shapes,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    /// Names of the classes, one a line: `pirun` prints them
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Print the graph after a stage, in text form
    #[arg(long, value_enum, value_name = "STAGE")]
    pub emit: Option<Emit>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct Shapes {
    /// Shape of an input that the model leaves open, or another one than the model's: 1x3x320x320, or
    /// NAME:1x3x320x320; repeat for several inputs
    #[arg(long = "input-shape", value_name = "SHAPE")]
    pub input_shape: Vec<InputShape>,
    /// Keep one-element constants of the model's code (0.5, 1e-5) secret too
    #[arg(long)]
    pub secret_literals: bool,
}

/// Recorded in the program, so that a client needs only an image.
#[derive(Debug, Args)]
pub struct PreprocessArgs {
    /// Mean of each channel, subtracted after the division: 0.485,0.456,0.406
    #[arg(long, value_name = "M,..", value_delimiter = ',', allow_hyphen_values = true)]
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, divided by last
    #[arg(long, value_name = "S,..", value_delimiter = ',')]
    pub std: Vec<f32>,
    /// What a pixel (0..=255) is divided by first [default: 255]
    #[arg(long, value_name = "D")]
    pub divisor: Option<f32>,
    /// Order of the axes of the model's image input [default: nchw]
    #[arg(long, value_enum)]
    pub layout: Option<LayoutArg>,
    /// Channels in the order blue, green, red
    #[arg(long)]
    pub bgr: bool,
}

#[derive(Debug, Args)]
pub struct Check {
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    #[command(flatten)]
    pub shapes: Shapes,
}

#[derive(Debug, Args)]
pub struct Explain {
    #[arg(value_name = "MODEL.pi")]
    pub program: PathBuf,
    /// Only this ONNX node
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Inspect {
    #[arg(value_name = "MODEL.pi")]
    pub program: PathBuf,
    /// The whole graph in text form
    #[arg(long)]
    pub graph: bool,
    /// One JSON object
    #[arg(long, conflicts_with = "graph")]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinearArg {
    /// The compiler chooses
    Auto,
    /// Homomorphic encryption: few bytes
    Rlwe,
    /// Oblivious transfer: many bytes, simple arithmetic
    Ot,
    /// Prepared before the input is known, as in DELPHI: for study, `pirun` cannot run such a program yet
    Preprocessed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExtractArg {
    /// Local search, then the exact search for about a second
    Auto,
    /// Local search alone
    Greedy,
    /// Local search, then the exact search; `picc explain` says how far off the optimum the program is at most
    Exact,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PhaseArg {
    /// Only what happens after the input is known
    Online,
    /// What is prepared before, too
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayoutArg {
    Nchw,
    Nhwc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// As imported, over the reals
    Real,
    /// Quantized: what is computed
    Ring,
    /// Lowered: how it is computed
    Mpc,
}
