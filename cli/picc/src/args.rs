//! The command line of `picc`.

use super::retrain::Allow;
use clap::builder::RangedI64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use picc_compiler::onnx::InputShape;
use picc_ir::correlation::Source;
use picc_passes::egraph::{Family, RuleOptions};
use picc_passes::{NO_PASSES, Reveal, bounds};
use std::ops::RangeInclusive;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  picc model.onnx -o model.pi --calibrate images.npz
      compile for two machines of one site; writes model.pi (public: give it to clients), model.piw (secret: the
      weights) and model.explain.json
  picc check model.onnx
      list everything in the model that would not compile
  picc model.onnx -o model.pi --calibrate images.npz --profile wan && picc explain model.pi
      optimize for a slower network, and see what was chosen and why
  pirun calibrate -o this-machine.toml && picc model.onnx -o model.pi --profile this-machine.toml
      optimize for what this machine can do
  picc model.onnx --passes fuse-relu,winograd --emit optimized
      what some rewrites alone make of a model
  picc model.onnx -o model.pi --calibrate images.npz --labels classes.npy --max-accuracy-drop 0.5
      as cheap as half a point of accuracy allows, measured on the labelled images
  picc model.onnx -o model.pi --calibrate images.npz --allow retrain --relu-budget 50000
      rewrite the model to have few ReLUs; writes model.retrain.onnx, to be fine-tuned
  picc model.onnx -o model.pi --calibrate images.npz --sign provider.key
      signed, so that clients know whose program they run; `pirun keygen --out provider.key` makes the key
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
    /// Say why a program is what it is: rules, protocols, cost before and after
    Explain(Explain),
    /// Show a compiled program: who learns what, types, cost of each layer
    Inspect(Inspect),
}

/// Compile a model.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("budget").args(["max_accuracy_drop", "min_agreement"])))]
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
    /// Show the client less of each output: label (the best class), top:K (the K best, the best first) or rounded:BITS
    /// (so many high bits of each value, the sign included) [default: the values]
    #[arg(long, value_name = "label|top:K|rounded:BITS")]
    pub reveal: Option<Reveal>,
    /// Compile even if the client learns hidden values, more than the declared outputs: picc says which
    #[arg(long)]
    pub reveal_hidden: bool,
    /// One ring of this many bits for every value, lowered plainly unless --passes says otherwise: rewrites would
    /// shorten it again (default: each value in the shortest ring that holds it)
    #[arg(long, value_name = "BITS", value_parser = bits(bounds::RING))]
    pub ring: Option<u8>,
    /// Significant bits of activations, counted for each tensor from the largest value that calibration has shown, with
    /// its --margin: more are more exact and cost more bytes [default: 14]
    #[arg(long, value_name = "BITS", requires = "calibrate", conflicts_with_all = ["frac", "ring"],
          value_parser = bits(bounds::PRECISION))]
    pub precision: Option<u8>,
    /// Values may get this many bits larger than calibration has shown before they are garbled, which `pirun reference`
    /// counts
    #[arg(long, value_name = "BITS", default_value_t = 1, requires = "calibrate", value_parser = bits(bounds::MARGIN))]
    pub margin: u8,
    /// One number of fraction bits for all activations [default: 12 without calibration or with --ring, else
    /// --precision]
    #[arg(long, value_name = "BITS", value_parser = bits(bounds::FRAC))]
    pub frac: Option<u8>,
    /// Fraction bits of weights [default: as many as --weight-bits allow with --precision, else 12]
    #[arg(long, value_name = "BITS", value_parser = bits(bounds::FRAC))]
    pub weight_frac: Option<u8>,
    /// Most bits of a weight, its sign included
    #[arg(long, value_name = "BITS", default_value_t = 16, value_parser = bits(bounds::WEIGHT))]
    pub weight_bits: u8,
    /// Protocol of the linear layers
    #[arg(long, value_enum, default_value_t = LinearArg::Auto)]
    pub linear: LinearArg,
    /// Size 2^K of the field of the OT extension, K = 1, 2, 4 or 8: larger sends less and computes more [default: what
    /// the profile says, or else the cheapest under it]
    #[arg(long = "softspoken", value_name = "K", value_parser = source)]
    pub source: Option<Source>,
    /// The deployment for which rewrites and protocols are chosen together, by exact cost: lan (3 Gbit/s, 0.3 ms), wan
    /// (400 Mbit/s, 40 ms), mobile (10 up / 50 down Mbit/s, 60 ms) or a .toml file (see `pirun calibrate`)
    #[arg(long, value_name = "PROFILE", default_value = "lan")]
    pub profile: String,
    #[arg(long, value_name = "NAME,..", value_delimiter = ',', value_parser = pass_name, help = passes_help())]
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
    pub retrain: RetrainArgs,
    #[command(flatten)]
    pub shapes: Shapes,
    #[command(flatten)]
    pub preprocess: PreprocessArgs,
    /// A text file: names of the classes, one a line, which `pirun` prints. A .npy file of integers: the class of each
    /// sample of --calibrate, on which --max-accuracy-drop measures; the model must not have been trained on them. Give
    /// the option twice for both
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<PathBuf>,
    /// Make the program cheaper by approximations (fewer bits of values and weights, comparisons without low bits,
    /// tighter ranges) as long as it loses at most this many points of top-1 accuracy, measured: a quarter of the
    /// labelled samples chooses, the rest only tests what was chosen. Samples must be unseen in training, where a model
    /// is surer than on others. Half a point needs 520 labels at the least, and a few thousand to save much
    #[arg(long, value_name = "POINTS", requires_all = ["calibrate", "labels"])]
    pub max_accuracy_drop: Option<f64>,
    /// The same, without labels: as long as the program gives the answers of the float model on at least this many per
    /// cent of the samples of --calibrate
    #[arg(long, value_name = "PERCENT", requires = "calibrate")]
    pub min_agreement: Option<f64>,
    /// How sure the accuracy budget must hold on other samples of the same kind; 50 takes what was measured for the
    /// truth
    #[arg(long, value_name = "PERCENT", default_value_t = 95.0, requires = "budget")]
    pub confidence: f64,
    /// Write what the program costs, layer by layer, before and after rewriting: a self-contained page, or text (.txt)
    #[arg(long, value_name = "REPORT.html")]
    pub report: Option<PathBuf>,
    /// Sign the program with this key, as `pirun keygen` makes it: clients that give its fingerprint as --server-key
    /// run only programs that it signed
    #[arg(long, value_name = "PROVIDER.key", requires = "output")]
    pub sign: Option<PathBuf>,
    /// A file whose first line is the passphrase of that key [default: the variable PICC_PASSPHRASE]
    #[arg(long, value_name = "FILE", requires = "sign")]
    pub passphrase_file: Option<PathBuf>,
    /// Print the graph after a stage, in text form
    #[arg(long, value_enum, value_name = "STAGE")]
    pub emit: Option<Emit>,
    /// Processor for --emit clif|asm, with the least features that code is made for [default: this one, with all of
    /// its]
    #[arg(long, value_enum, value_name = "ARCH", requires = "emit")]
    pub target: Option<TargetArg>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Rewrites after which the model must be fine-tuned.
#[derive(Debug, Args)]
pub struct RetrainArgs {
    /// Allow rewrites that change the model and need fine-tuning afterwards: retrain for all, or
    /// retrain=FAMILY,.. of x-operator, shuffle, prune, balance, linearize, polynomial. Needs --calibrate; writes the
    /// rewritten model (with its weights) beside the program, as MODEL.retrain.onnx
    #[arg(long, value_name = "retrain[=FAMILY,..]")]
    pub allow: Option<Allow>,
    /// With --allow: most ReLUs (elements of one inference) that may be left
    #[arg(long, value_name = "N", requires = "allow")]
    pub relu_budget: Option<u64>,
    /// With --allow: largest relative error of a layer that the x-operator replaces [default: 0.3]
    #[arg(long, value_name = "E", requires = "allow")]
    pub max_layer_error: Option<f64>,
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

/// A number of bits that the compiler takes.
fn bits(range: RangeInclusive<u8>) -> RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(i64::from(*range.start())..=i64::from(*range.end()))
}

/// Says what `--passes` takes: the table of families.
fn passes_help() -> String {
    let families = Family::ALL.iter().filter(|f| **f != Family::Protocol);
    let lines: String = families.map(|f| format!("\n  {:<11} {}", f.name(), f.says())).collect();
    format!(
        "Only these families of rewrites, or single rules as `picc explain` names them, for study; `{NO_PASSES}`: the \
         cheapest protocols for the model as it is{lines}"
    )
}

fn source(k: &str) -> Result<Source, String> {
    k.parse().ok().and_then(Source::of_code).ok_or_else(|| "1, 2, 4 or 8".to_owned())
}

fn pass_name(name: &str) -> Result<String, String> {
    if name == NO_PASSES || RuleOptions::default().only_named(&[name.to_owned()]).is_ok() {
        return Ok(name.to_owned());
    }
    let families = picc_passes::family_names().join(", ");
    Err(format!("no family and no rule of that name; families: {families}, or {NO_PASSES}"))
}

/// Recorded in the program, so that a client needs only an image.
#[derive(Debug, Args)]
pub struct PreprocessArgs {
    /// Mean of each channel, subtracted after the division: 0.485,0.456,0.406. `pirun` takes the same options in the
    /// same sense
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
    /// Seconds and memory under this deployment: lan, wan, mobile or a .toml file [default: the one that the program
    /// was compiled for, where its explain.json lies beside it]
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Write what the program costs, layer by layer: a self-contained page, or text (.txt)
    #[arg(long, value_name = "REPORT.html")]
    pub report: Option<PathBuf>,
    /// A run to show in the report: what `pirun local --json` or `pirun bench --json` printed
    #[arg(long, value_name = "RUN.json", requires = "report")]
    pub measured: Option<PathBuf>,
    /// The kernels of a party: what it computes between two messages, segment by segment
    #[arg(long, value_enum, value_name = "PARTY", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "server", conflicts_with = "graph")]
    pub kernels: Option<PartyArg>,
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
pub enum PartyArg {
    Client,
    Server,
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
    /// Canonical, over the reals: batch norm folded, constants folded, ready to be quantized
    Canonical,
    /// Quantized: what is computed
    Ring,
    /// Quantized and rewritten for the deployment, without protocols
    Optimized,
    /// With protocols: how it is computed
    #[value(alias = "pir")]
    Mpc,
    /// The server's kernels: what it computes between two messages
    Kir,
    /// The server's kernels as Cranelift IR
    Clif,
    /// The server's kernels as machine instructions
    Asm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetArg {
    #[value(name = "x86-64")]
    X8664,
    Aarch64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn passes_are_families_rules_or_none() {
        let parse = |passes: &str| Cli::try_parse_from(["picc", "m.onnx", "-o", "m.pi", "--passes", passes]);
        for good in ["none", "fuse-relu,winograd", "relu_after_maxpool"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        let error = parse("ring,winogard").unwrap_err().to_string();
        assert!(error.contains("winogard") && error.contains("winograd"), "{error}");
        let help = Cli::command().render_long_help().to_string();
        for family in picc_passes::family_names() {
            assert!(help.contains(family), "{family}: {help}");
        }
    }
}
