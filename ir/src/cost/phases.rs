//! Phases: what a second before the input is known counts against one after it.
//!
//! ```text
//!   setup    once a session                         shared by all of its inferences: not priced
//!   offline  once an inference, input unknown       priced at the profile's `offline_percent`
//!   online   from the input to the answer           priced in full
//! ```
//! At 100% (the default) a node costs what both phases take: a service under load, whose machines are never idle. At 0
//! only the wait of a user counts: a service whose idle time prepares everything that is asked of it.

use super::profile::{Picos, Profile, Work};
use super::{Cost, CotDemand};

/// The default of [`Profile::offline_percent`].
pub(super) fn whole() -> u32 {
    100
}

impl Profile {
    /// Price of both phases of a node; [`Profile::price`] is that of the online phase.
    #[must_use]
    pub fn price_phases(&self, cost: &Cost, online: &Work, offline: &Work) -> Picos {
        let before = Cost { online: cost.offline, cots: CotDemand::default(), ..Cost::default() };
        let weighed = u128::from(self.price(&before, offline)) * u128::from(self.offline_percent) / 100;
        self.price(cost, online).saturating_add(Picos::try_from(weighed).unwrap_or(Picos::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Traffic;

    #[test]
    fn offline_seconds_count_as_the_profile_says() {
        let traffic = |bytes| Traffic { client_to_server: bytes, server_to_client: 0, rounds: 1 };
        let cost = Cost { online: traffic(1_000), offline: traffic(5_000_000), ..Cost::default() };
        let work = Work { ntts: 100, ..Work::default() };
        let price = |percent| {
            let profile = Profile { offline_percent: percent, ..Profile::wan() };
            profile.price_phases(&cost, &Work::default(), &work)
        };
        let online = Profile::wan().price(&Cost::from(cost.online), &Work::default());
        let offline = Profile::wan().price(&Cost::from(cost.offline), &work);
        assert_eq!(price(0), online);
        assert_eq!(price(100), online + offline);
        assert_eq!(price(50), online + offline / 2);
        assert_eq!(Profile::lan().offline_percent, 100);
    }
}
