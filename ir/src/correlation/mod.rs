//! Correlated OTs: where they come from, and exactly what a source of them sends and keeps.
//!
//! A correlated OT of width w lets its receiver choose one of `2^w` keys. What a program demands ([`CotDemand`]) does
//! not depend on the source; what making it costs does. Both parties of a session have the same source: it is a field
//! of the program, and the handshake compares it.
//!
//! A further source is a variant here, a module like [`softspoken`] beside it with its figures, and its protocol behind
//! the trait `ot::CotSource` of the runtime.

pub mod softspoken;

use crate::traffic::{CotCounts, CotDemand, Stored, Traffic};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

pub use softspoken::FieldBits;

/// Where correlated OTs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// OT extension over a field of `2^k` elements: [`softspoken`].
    SoftSpoken { k: FieldBits },
}

impl Default for Source {
    /// What is used unless something else is asked for.
    fn default() -> Source {
        Source::SoftSpoken { k: FieldBits::K4 }
    }
}

impl Source {
    /// Every source, for choosing the cheapest.
    pub fn all() -> impl Iterator<Item = Source> {
        FieldBits::ALL.into_iter().map(|k| Source::SoftSpoken { k })
    }

    /// How a program names it, in one byte: `k` for SoftSpoken.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Source::SoftSpoken { k } => k as u8,
        }
    }

    /// The source of this [`Source::code`].
    #[must_use]
    pub fn of_code(code: u8) -> Option<Source> {
        Source::all().find(|s| s.code() == code)
    }

    /// What tells it from others of its kind, for tables.
    #[must_use]
    pub fn parameters(self) -> String {
        match self {
            Source::SoftSpoken { k } => format!("k = {k}"),
        }
    }

    /// Traffic of setting up a session, both directions.
    #[must_use]
    pub fn setup_traffic(self) -> Traffic {
        match self {
            Source::SoftSpoken { k } => softspoken::setup_traffic(k),
        }
    }

    /// Traffic of making the correlated OTs of `demand`: nothing in a direction without demand.
    #[must_use]
    pub fn reserve_traffic(self, demand: CotDemand) -> Traffic {
        match self {
            Source::SoftSpoken { k } => softspoken::reserve_traffic(demand, k),
        }
    }

    /// Bits that the receiver of these correlated OTs sends for them, without headers and without what a message rounds
    /// up: what an estimate adds up.
    #[must_use]
    pub fn extension_bits(self, counts: CotCounts) -> u64 {
        match self {
            Source::SoftSpoken { k } => softspoken::extension_bits(counts, k),
        }
    }

    /// Bytes that both parties keep of the correlated OTs of `demand` until protocols take them.
    #[must_use]
    pub fn stored(self, demand: CotDemand) -> Stored {
        let [client_sends, server_sends] = [demand.client_sends, demand.server_sends].map(|counts| match self {
            Source::SoftSpoken { .. } => softspoken::stored(counts),
        });
        Stored { client: client_sends[0] + server_sends[1], server: server_sends[0] + client_sends[1] }
    }

    /// Picoseconds of one thread for making these correlated OTs, at the busier party.
    #[must_use]
    pub fn work(self, counts: CotCounts, costs: &CotCosts) -> u128 {
        match self {
            Source::SoftSpoken { .. } => softspoken::work(counts, costs.one(self)),
        }
    }
}

/// Picoseconds of one thread for making one correlated OT of width 1, the busier of its two parties, by the source;
/// what a wider one costs is the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CotCosts {
    pub k1: u64,
    pub k2: u64,
    pub k4: u64,
    pub k8: u64,
}

impl Default for CotCosts {
    /// On the machine of [`crate::cost::profile::UnitCosts::default`].
    fn default() -> CotCosts {
        CotCosts { k1: 6_100, k2: 4_450, k4: 5_400, k8: 29_000 }
    }
}

impl CotCosts {
    /// The cost from one source.
    #[must_use]
    pub fn one(&self, source: Source) -> u64 {
        match source {
            Source::SoftSpoken { k: FieldBits::K1 } => self.k1,
            Source::SoftSpoken { k: FieldBits::K2 } => self.k2,
            Source::SoftSpoken { k: FieldBits::K4 } => self.k4,
            Source::SoftSpoken { k: FieldBits::K8 } => self.k8,
        }
    }

    /// What `measure` says of every source.
    pub fn measured<E>(mut measure: impl FnMut(Source) -> Result<u64, E>) -> Result<CotCosts, E> {
        let mut over = |k| measure(Source::SoftSpoken { k });
        Ok(CotCosts {
            k1: over(FieldBits::K1)?,
            k2: over(FieldBits::K2)?,
            k4: over(FieldBits::K4)?,
            k8: over(FieldBits::K8)?,
        })
    }
}

/// How people and the handshake call it: `softspoken k=4`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::SoftSpoken { k } => write!(f, "softspoken k={k}"),
        }
    }
}

/// Why there is no source of this name or code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no source of correlated OTs `{name}`; there are: {}", names())]
pub struct UnknownSource {
    pub name: String,
}

fn names() -> String {
    Source::all().map(|s| s.to_string()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(name: &str) -> Result<Source, UnknownSource> {
        Source::all().find(|s| s.to_string() == name).ok_or_else(|| UnknownSource { name: name.to_owned() })
    }
}

/// The name in text, the code in a program.
impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u8(self.code())
        }
    }
}

/// A text may give the code instead of the name, as texts did before there were names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Code(u8),
    Name(String),
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
        let written = match deserializer.is_human_readable() {
            true => Written::deserialize(deserializer)?,
            false => Written::Code(u8::deserialize(deserializer)?),
        };
        match written {
            Written::Code(code) => Source::of_code(code).ok_or_else(|| UnknownSource { name: code.to_string() }),
            Written::Name(name) => name.parse(),
        }
        .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_what_its_name_and_its_code_say() {
        let mut codes = Vec::new();
        for source in Source::all() {
            assert_eq!(source.to_string().parse(), Ok(source));
            assert_eq!(Source::of_code(source.code()), Some(source));
            assert_eq!(postcard::to_allocvec(&source), Ok(vec![source.code()]));
            assert_eq!(postcard::from_bytes(&[source.code()]), Ok(source));
            codes.push(source.code());
        }
        assert_eq!(codes, [1, 2, 4, 8]);
        assert_eq!(Source::default().to_string(), "softspoken k=4");
        for name in ["softspoken k=3", "softspoken", "silent"] {
            assert_eq!(name.parse::<Source>(), Err(UnknownSource { name: name.to_owned() }));
        }
        for code in [0, 3, 5, 16] {
            assert!(postcard::from_bytes::<Source>(&[code]).is_err(), "{code}");
        }
    }

    #[test]
    fn senders_keep_blocks_and_receivers_choices_too() {
        let demand = CotDemand { client_sends: CotCounts::of(1, 65) + CotCounts::of(3, 1), ..CotDemand::default() };
        let blocks = 16 * 66;
        let stored = Source::default().stored(demand);
        assert_eq!(stored, Stored { client: blocks, server: blocks + 16 + 3 * 8 });
    }
}
