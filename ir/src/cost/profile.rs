//! A deployment: what bytes, flights and computation cost in seconds between two particular parties.
//!
//! ```text
//!   seconds = bytes up / up + bytes down / down        own messages and the extension of the COTs they consume
//!           + flights * round trip / 2
//!           + work / threads                           COTs, hashes, RLWE and ring operations of the slower party
//! ```
//! Prices are whole picoseconds, computed in integers: sums do not depend on their order, and the same program has the
//! same price on every machine.

use crate::cost::{Cost, CotDemand};
use crate::mpc::cot;
use crate::mpc::node_cost::COT_BUDGET;
use serde::{Deserialize, Serialize};

const PICOS: u128 = 1_000_000_000_000;

/// A price in picoseconds.
pub type Picos = u64;

/// Computation beyond correlated OTs, in units that a profile prices. Counts are those of the busier party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Calls of the correlation-robust hash, 16 bytes each.
    pub hashes: u64,
    /// Products of a coefficient polynomial with a weight polynomial, counted per prime and per 4096 coefficients.
    pub rlwe_products: u64,
    /// Number-theoretic transforms, counted per prime and per 4096 coefficients.
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

/// Seconds of one thread for one unit of each kind of work, in picoseconds. `pirun calibrate` measures them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitCosts {
    /// Extending by one correlated OT.
    pub cot_ps: u64,
    pub hash_ps: u64,
    pub rlwe_product_ps: u64,
    pub ntt_ps: u64,
    pub ring_op_ps: u64,
}

impl Default for UnitCosts {
    /// One core of a 2.7 GHz server with AVX-512, rounded up.
    fn default() -> UnitCosts {
        UnitCosts {
            cot_ps: 60_000,
            hash_ps: 5_000,
            rlwe_product_ps: 2_500_000,
            ntt_ps: 14_000_000,
            ring_op_ps: 500,
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
    /// Field size `2^k` of the SoftSpoken OT extension.
    pub softspoken_k: u8,
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
            softspoken_k: cot::DEFAULT_FIELD_BITS as u8,
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
        domain(
            cot::FIELD_BITS.contains(&u32::from(profile.softspoken_k)),
            "OT extension works over fields of 2^1, 2^2, 2^4 or 2^8 elements",
        )?;
        Ok(profile)
    }

    /// The profile as TOML.
    pub fn to_toml(&self) -> Result<String, ProfileError> {
        toml::to_string(self).map_err(|e| ProfileError::Syntax(e.to_string()))
    }

    /// Price of messages, of the OT extension behind them, and of `work`.
    #[must_use]
    pub fn price(&self, cost: &Cost, work: &Work) -> Picos {
        let (up, down) = self.extension_bytes(cost.cots);
        let bytes = |bytes: u128, rate: u64| bytes * 8 * PICOS / u128::from(rate.max(1));
        let traffic = bytes(u128::from(cost.online.client_to_server) + up, self.up_bits_per_s)
            + bytes(u128::from(cost.online.server_to_client) + down, self.down_bits_per_s);
        let flight = u128::from(self.round_trip_us) * 1_000_000 / 2;
        let cots = u128::from(cost.cots.client_sends) + u128::from(cost.cots.server_sends);
        // A reservation serves COT_BUDGET correlations with one flight.
        let flights = u128::from(cost.online.rounds) * flight + cots * flight / u128::from(COT_BUDGET);
        let unit = &self.unit;
        let threads = u128::from(self.client_threads.min(self.server_threads).max(1));
        let work = (cots * u128::from(unit.cot_ps)
            + u128::from(work.hashes) * u128::from(unit.hash_ps)
            + u128::from(work.ring_ops) * u128::from(unit.ring_op_ps))
            / threads
            + (u128::from(work.rlwe_products) * u128::from(unit.rlwe_product_ps)
                + u128::from(work.ntts) * u128::from(unit.ntt_ps))
                / u128::from(self.server_threads.max(1));
        Picos::try_from(traffic + flights + work).unwrap_or(Picos::MAX)
    }

    /// [`Profile::price`] in seconds.
    #[must_use]
    pub fn seconds(&self, cost: &Cost, work: &Work) -> f64 {
        seconds(self.price(cost, work))
    }

    /// Bytes up and down that make the correlated OTs, without headers and without what a batch rounds up.
    fn extension_bytes(&self, cots: CotDemand) -> (u128, u128) {
        // The OT receiver sends.
        let bits = u128::from(cot::COT_BITS / u64::from(self.softspoken_k.max(1)) - 1);
        (u128::from(cots.server_sends) * bits / 8, u128::from(cots.client_sends) * bits / 8)
    }

    /// Bytes of both directions that a cost stands for, the extension of its COTs included.
    #[must_use]
    pub fn bytes(&self, cost: &Cost) -> u64 {
        let (up, down) = self.extension_bytes(cost.cots);
        cost.online.total() + u64::try_from(up + down).unwrap_or(u64::MAX)
    }
}

/// Picoseconds as seconds.
#[must_use]
pub fn seconds(price: Picos) -> f64 {
    price as f64 / PICOS as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Traffic;

    #[test]
    fn a_profile_is_what_its_text_says() {
        for name in Profile::BUILT_IN {
            let profile = Profile::named(name).unwrap();
            assert_eq!(profile.name, name);
            assert_eq!(Profile::from_toml(&profile.to_toml().unwrap()), Ok(profile));
        }
        assert_eq!(Profile::named("moon"), None);
    }

    #[test]
    fn impossible_profiles_are_refused() {
        let text = Profile::lan().to_toml().unwrap();
        for (from, to) in [("softspoken_k = 4", "softspoken_k = 3"), ("client_threads = 4", "client_threads = 0")] {
            assert!(matches!(Profile::from_toml(&text.replace(from, to)), Err(ProfileError::Domain { .. })));
        }
        assert!(matches!(Profile::from_toml(&format!("x = 1\n{text}")), Err(ProfileError::Syntax(_))));
    }

    #[test]
    fn bytes_flights_and_work_add_up() {
        let cost = Cost {
            online: Traffic { client_to_server: 50_000_000, server_to_client: 25_000_000, rounds: 3 },
            ..Cost::default()
        };
        // 400 Mbit up and 200 Mbit down at 400 Mbit/s, three flights of 20 ms.
        assert_eq!(Profile::wan().price(&cost, &Work::default()), 1_560_000_000_000);
        let work = Work { ntts: 4, ..Work::default() };
        assert_eq!(Profile::wan().price(&Cost::default(), &work), UnitCosts::default().ntt_ps);
        // A COT costs 31 bits of extension, a share of a flight, and 60 ns of a thread.
        let cots = Cost { cots: CotDemand { client_sends: COT_BUDGET, server_sends: 0 }, ..Cost::default() };
        assert_eq!(Profile::wan().bytes(&cots), COT_BUDGET * 31 / 8);
    }
}
