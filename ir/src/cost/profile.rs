//! A deployment: what bytes, flights and computation cost in seconds between two particular parties.
//!
//! ```text
//!   seconds = bytes up / up + bytes down / down        own messages and the extension of the COTs they consume
//!           + flights * round trip / 2
//!           + work / threads                           COTs, hashes, RLWE and ring operations of the slower party
//! ```
//! Prices are whole picoseconds, computed in integers: sums do not depend on their order, and the same program has the
//! same price on every machine.
//!
//! The source of correlated OTs trades bytes for computation: a profile may fix it, or leave it open; the compiler then
//! takes the one that makes the final program cheapest.

pub use crate::correlation::CotCosts;

use crate::correlation::Source;
use crate::cost::COT_BUDGET;
use crate::cost::{Cost, CotCounts, CotDemand, Traffic};
use serde::{Deserialize, Serialize};

const PICOS: u128 = 1_000_000_000_000;

/// A price in picoseconds.
pub type Picos = u64;

/// Computation beyond correlated OTs, in units that a profile prices. Counts are those of the busier party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Calls of the correlation-robust hash, 16 bytes each: the measure of what a protocol does with its OTs.
    pub hashes: u64,
    /// Products of a coefficient polynomial with a weight polynomial, counted per prime and per 4096 coefficients.
    pub rlwe_products: u64,
    /// Number-theoretic transforms, counted per prime and per 4096 coefficients: the measure of what else is done to a
    /// request or a response.
    pub ntts: u64,
    /// Additions, shifts, moves of one ring element.
    pub ring_ops: u64,
}

impl std::ops::Add for Work {
    type Output = Work;
    fn add(self, o: Work) -> Work {
        Work {
            hashes: self.hashes + o.hashes,
            rlwe_products: self.rlwe_products + o.rlwe_products,
            ntts: self.ntts + o.ntts,
            ring_ops: self.ring_ops + o.ring_ops,
        }
    }
}

/// Picoseconds of one thread for one unit of each kind of work, with all that goes with it: a hash stands for leaves,
/// packing and messages of a comparison too, a transform for encoding, encryption, masks and flooding.
/// `pirun calibrate` measures them; what a file leaves out is that of [`UnitCosts::default`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnitCosts {
    pub hash_ps: u64,
    pub rlwe_product_ps: u64,
    pub ntt_ps: u64,
    pub ring_op_ps: u64,
    /// Making one correlated OT, the busier of its two parties.
    pub cot_ps: CotCosts,
}

impl Default for UnitCosts {
    /// One thread of a cloud server of 2025 (AMD EPYC, AVX-512 with VAES, GFNI and IFMA, 32 MiB of last-level cache),
    /// as `pirun calibrate` measures it while other programs share the caches.
    fn default() -> UnitCosts {
        UnitCosts {
            hash_ps: 6_000,
            rlwe_product_ps: 7_200_000,
            ntt_ps: 85_000_000,
            ring_op_ps: 1_650,
            cot_ps: CotCosts::default(),
        }
    }
}

/// Two parties and the network between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub name: String,
    /// Bits a second from client to server.
    pub up_bits_per_s: u64,
    /// Bits a second from server to client.
    pub down_bits_per_s: u64,
    pub round_trip_us: u64,
    pub client_threads: u32,
    pub server_threads: u32,
    pub client_memory_bytes: u64,
    pub server_memory_bytes: u64,
    /// Where correlated OTs come from; left out: what makes a program cheapest. The other name is that of the field
    /// size alone, from before there were sources.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "softspoken_k")]
    pub source: Option<Source>,
    /// What a second before the input is known counts, in percent of one after it: see [`crate::cost::phases`].
    #[serde(default = "crate::cost::phases::whole")]
    pub offline_percent: u32,
    #[serde(default)]
    pub unit: UnitCosts,
}

/// Why a text is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("not a profile: {0}")]
    Syntax(String),
    #[error("profile `{name}`: {why}")]
    Domain { name: String, why: &'static str },
}

impl Profile {
    /// Names of the built-in profiles.
    pub const BUILT_IN: [&'static str; 3] = ["lan", "wan", "mobile"];

    fn network(name: &str, up_mbit: u64, down_mbit: u64, round_trip_us: u64) -> Profile {
        Profile {
            name: name.to_owned(),
            up_bits_per_s: up_mbit * 1_000_000,
            down_bits_per_s: down_mbit * 1_000_000,
            round_trip_us,
            client_threads: 4,
            server_threads: 4,
            client_memory_bytes: 8 << 30,
            server_memory_bytes: 32 << 30,
            source: None,
            offline_percent: crate::cost::phases::whole(),
            unit: UnitCosts::default(),
        }
    }

    /// 3 Gbit/s, 0.3 ms: two machines of one site.
    #[must_use]
    pub fn lan() -> Profile {
        Profile::network("lan", 3000, 3000, 300)
    }

    /// 400 Mbit/s, 40 ms: two sites. The setting of most published measurements.
    #[must_use]
    pub fn wan() -> Profile {
        Profile::network("wan", 400, 400, 40_000)
    }

    /// 10 Mbit/s up, 50 Mbit/s down, 60 ms: a telephone with two threads to spare.
    #[must_use]
    pub fn mobile() -> Profile {
        Profile { client_threads: 2, client_memory_bytes: 2 << 30, ..Profile::network("mobile", 10, 50, 60_000) }
    }

    /// The built-in profile of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Profile> {
        match name {
            "lan" => Some(Profile::lan()),
            "wan" => Some(Profile::wan()),
            "mobile" => Some(Profile::mobile()),
            _ => None,
        }
    }

    /// Parses the text that [`Profile::to_toml`] writes.
    pub fn from_toml(text: &str) -> Result<Profile, ProfileError> {
        let profile: Profile = toml::from_str(text).map_err(|e| ProfileError::Syntax(e.to_string()))?;
        let domain = |ok: bool, why| {
            if ok { Ok(()) } else { Err(ProfileError::Domain { name: profile.name.clone(), why }) }
        };
        domain(profile.up_bits_per_s > 0 && profile.down_bits_per_s > 0, "a bandwidth is 0")?;
        domain(profile.client_threads > 0 && profile.server_threads > 0, "a party has no thread")?;
        Ok(profile)
    }

    /// The profile as TOML.
    pub fn to_toml(&self) -> Result<String, ProfileError> {
        toml::to_string(self).map_err(|e| ProfileError::Syntax(e.to_string()))
    }

    /// This profile with the source of correlated OTs fixed.
    #[must_use]
    pub fn with_source(&self, source: Source) -> Profile {
        Profile { source: Some(source), ..self.clone() }
    }

    /// The source of correlated OTs that prices stand for: the fixed one, or else the one that makes a correlated OT in
    /// each direction cheapest.
    #[must_use]
    pub fn priced_source(&self) -> Source {
        let one = CotCounts::of(1, 1 << 20);
        let pair = Cost { cots: CotDemand { client_sends: one, server_sends: one }, ..Cost::default() };
        let open = || Source::all().min_by_key(|&s| self.price_from(s, &pair, &Work::default()));
        self.source.or_else(open).unwrap_or_default()
    }

    /// Price of messages, of the OT extension behind them, and of `work`.
    #[must_use]
    pub fn price(&self, cost: &Cost, work: &Work) -> Picos {
        self.price_from(self.priced_source(), cost, work)
    }

    fn price_from(&self, source: Source, cost: &Cost, work: &Work) -> Picos {
        let (up, down) = extension_bytes(cost.cots, source);
        let cots = cost.cots.client_sends + cost.cots.server_sends;
        // A reservation serves COT_BUDGET correlations with one flight.
        let flights = u128::from(cots.total()) * self.flight() / u128::from(COT_BUDGET);
        let traffic = self.traffic(cost.online, up, down) + flights;
        picos(traffic + self.work(source, cots, work))
    }

    /// Price of a program, or of a part of it, whose traffic is known to the byte and includes the extension by the
    /// `cots` that it consumes.
    #[must_use]
    pub fn price_exact(&self, traffic: Traffic, cots: CotDemand, work: &Work) -> Picos {
        let cots = cots.client_sends + cots.server_sends;
        picos(self.traffic(traffic, 0, 0) + self.work(self.priced_source(), cots, work))
    }

    /// One way.
    fn flight(&self) -> u128 {
        u128::from(self.round_trip_us) * 1_000_000 / 2
    }

    fn traffic(&self, traffic: Traffic, up: u128, down: u128) -> u128 {
        let bytes = |bytes: u128, rate: u64| bytes * 8 * PICOS / u128::from(rate.max(1));
        bytes(u128::from(traffic.client_to_server) + up, self.up_bits_per_s)
            + bytes(u128::from(traffic.server_to_client) + down, self.down_bits_per_s)
            + u128::from(traffic.rounds) * self.flight()
    }

    fn work(&self, source: Source, cots: CotCounts, work: &Work) -> u128 {
        let unit = &self.unit;
        let product = |n: u64, ps: u64| u128::from(n) * u128::from(ps);
        let threads = u128::from(self.client_threads.min(self.server_threads).max(1));
        (source.work(cots, &unit.cot_ps)
            + product(work.hashes, unit.hash_ps)
            + product(work.ring_ops, unit.ring_op_ps))
            / threads
            + (product(work.rlwe_products, unit.rlwe_product_ps) + product(work.ntts, unit.ntt_ps))
                / u128::from(self.server_threads.max(1))
    }

    /// [`Profile::price`] in seconds.
    #[must_use]
    pub fn seconds(&self, cost: &Cost, work: &Work) -> f64 {
        seconds(self.price(cost, work))
    }

    /// Bytes of both directions that a cost stands for, the extension of its COTs included.
    #[must_use]
    pub fn bytes(&self, cost: &Cost) -> u64 {
        let (up, down) = extension_bytes(cost.cots, self.priced_source());
        cost.online.total() + u64::try_from(up + down).unwrap_or(u64::MAX)
    }
}

/// Bytes up and down that make the correlated OTs, without headers and without what a batch rounds up.
fn extension_bytes(cots: CotDemand, source: Source) -> (u128, u128) {
    // The OT receiver sends.
    let bytes = |counts| u128::from(source.extension_bits(counts)) / 8;
    (bytes(cots.server_sends), bytes(cots.client_sends))
}

fn picos(price: u128) -> Picos {
    Picos::try_from(price).unwrap_or(Picos::MAX)
}

/// Picoseconds as seconds.
#[must_use]
pub fn seconds(price: Picos) -> f64 {
    price as f64 / PICOS as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlation::FieldBits;

    #[test]
    fn a_profile_is_what_its_text_says() {
        for name in Profile::BUILT_IN {
            let profile = Profile::named(name).unwrap();
            assert_eq!(profile.name, name);
            assert_eq!(Profile::from_toml(&profile.to_toml().unwrap()).as_ref(), Ok(&profile));
            let fixed = profile.with_source(Source::SoftSpoken { k: FieldBits::K2 });
            assert_eq!(Profile::from_toml(&fixed.to_toml().unwrap()), Ok(fixed));
        }
        assert_eq!(Profile::named("moon"), None);
    }

    #[test]
    fn unit_costs_that_a_file_leaves_out_are_the_default_ones() {
        let mut expected = Profile::wan();
        expected.unit.hash_ps = 1;
        let text = expected.to_toml().unwrap();
        let (network, _) = text.split_once("[unit]").unwrap();
        assert_eq!(Profile::from_toml(network), Ok(Profile::wan()));
        assert_eq!(Profile::from_toml(&format!("{network}[unit]\nhash_ps = 1\n")), Ok(expected));
    }

    #[test]
    fn impossible_profiles_are_refused() {
        let text = Profile::lan().with_source(Source::default()).to_toml().unwrap();
        let no_threads = text.replace("client_threads = 4", "client_threads = 0");
        assert!(matches!(Profile::from_toml(&no_threads), Err(ProfileError::Domain { .. })));
        let source = "source = \"softspoken k=4\"";
        assert!(text.contains(source), "{text}");
        for wrong in ["source = \"softspoken k=3\"", "softspoken_k = 3", "source = \"silent\""] {
            let refused = Profile::from_toml(&text.replace(source, wrong));
            assert!(matches!(refused, Err(ProfileError::Syntax(_))), "{refused:?}");
        }
        assert!(matches!(Profile::from_toml(&format!("x = 1\n{text}")), Err(ProfileError::Syntax(_))));
        // Files of earlier versions fix the field of the extension.
        let field = Profile::from_toml(&text.replace(source, "softspoken_k = 8")).unwrap();
        assert_eq!(field.source, Some(Source::SoftSpoken { k: FieldBits::K8 }));
    }

    #[test]
    fn bytes_flights_and_work_add_up() {
        let cost = Cost {
            online: Traffic { client_to_server: 50_000_000, server_to_client: 25_000_000, rounds: 3 },
            ..Cost::default()
        };
        // 400 Mbit up and 200 Mbit down at 400 Mbit/s, three flights of 20 ms.
        assert_eq!(Profile::wan().price(&cost, &Work::default()), 1_560_000_000_000);
        assert_eq!(Profile::wan().price_exact(cost.online, cost.cots, &Work::default()), 1_560_000_000_000);
        let work = Work { ntts: 4, ..Work::default() };
        assert_eq!(Profile::wan().price(&Cost::default(), &work), UnitCosts::default().ntt_ps);
    }

    /// A COT costs `128 / k - 1` bits, a share of a flight, and its share of the threads.
    #[test]
    fn the_field_trades_bytes_for_work() {
        let cots = CotDemand { client_sends: CotCounts::of(1, COT_BUDGET), ..CotDemand::default() };
        let cost = Cost { cots, ..Cost::default() };
        for (k, bits) in FieldBits::ALL.into_iter().zip([127, 63, 31, 15]) {
            let wan = Profile::wan().with_source(Source::SoftSpoken { k });
            assert_eq!(wan.bytes(&cost), COT_BUDGET * bits / 8);
            let wire = u128::from(COT_BUDGET * bits) * PICOS / 400_000_000;
            let work = u128::from(COT_BUDGET * wan.unit.cot_ps.one(Source::SoftSpoken { k })) / 4;
            assert_eq!(u128::from(wan.price(&cost, &Work::default())), wire + 20_000_000_000 + work);
        }
    }

    #[test]
    fn an_open_source_follows_the_network_and_the_machine() {
        // Bytes are everything; then computation is.
        assert_eq!(Profile::mobile().priced_source().code(), 8);
        let mut fast = Profile { up_bits_per_s: 1 << 50, down_bits_per_s: 1 << 50, ..Profile::lan() };
        fast.unit.cot_ps = CotCosts { k1: 1_000, k2: 2_000, k4: 3_000, k8: 4_000 };
        assert_eq!(fast.priced_source().code(), 1);
        assert_eq!(fast.with_source(Source::default()).priced_source(), Source::default());
    }
}
