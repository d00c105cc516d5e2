//! How a session comes about: each state is a type that owns what there is by then, and the step to the next consumes
//! it.
//!
//! ```text
//!   Connected   a channel, this party's generator
//!      │ agree      hellos                                                  one round
//!   Agreed      and the session's name
//!      │ set_up     base OTs and trees of the source, public keys of ring LWE
//!   SetUp       and one end of the source of correlated OTs, keys of ring LWE
//!      │ online     nothing is sent
//!   Session     and the pools that protocols take correlations from
//! ```
//! A party has one generator of randomness. It goes from state to state, and no copy of it stays behind. What a party
//! makes and stores before it knows an input would be a state between the last two, which owns it.

use crate::channel::Channel;
use crate::crypto::Rng;
use crate::error::{Connection, Error, Link, Place, Result};
use crate::handshake::{Agreement, handshake};
use crate::ot::{self, Endpoint};
use crate::protocol::linear_rlwe::RlweKeys;
use crate::session::{Session, SessionId};
use picc_ir::Party;
use picc_ir::correlation::Source;
use picc_ir::mpc::rlwe::ParamSet;
use picc_ir::weights::Commitment;
use std::time::Duration;

/// How long a server may take to say hello.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// A channel to somebody.
pub struct Connected {
    channel: Channel,
    rng: Rng,
}

impl Connected {
    #[must_use]
    pub fn new(channel: Channel, rng: Rng) -> Connected {
        Connected { channel, rng }
    }

    /// Compares program and parameters with the other party. Traffic: a hello each way.
    pub fn agree(self, ours: &Agreement) -> Result<Agreed> {
        let Connected { mut channel, mut rng } = self;
        let party = channel.party();
        channel.start_node();
        // A server answers at once; whatever else listens there may stay silent, or send a little and wait.
        let usual = (party == Party::Client).then(|| channel.set_patience(HANDSHAKE_PATIENCE)).flatten();
        if let Some(shorter) = usual.filter(|usual| *usual < HANDSHAKE_PATIENCE) {
            channel.set_patience(shorter);
        }
        let agreed = handshake(&mut channel, ours, &mut rng).map_err(|e| match e {
            Error::Connection(Connection { source, .. }) if usual.is_some() => {
                Connection { link: Link::Unknown, source }.into()
            }
            Error::Connection(_) | Error::Peer(_) => e.at(Place::Handshake, party),
            e => e,
        })?;
        if let Some(usual) = usual {
            channel.set_patience(usual);
        }
        Ok(Agreed { channel, rng, id: agreed.id, weights: agreed.weights })
    }
}

/// Both parties run the same program, and have a name for this session.
pub struct Agreed {
    channel: Channel,
    rng: Rng,
    id: SessionId,
    weights: Option<Commitment>,
}

impl Agreed {
    /// For tests and measurements of what comes later: the parties call the session `id` without a word.
    #[must_use]
    pub fn without_hellos(channel: Channel, id: SessionId, rng: Rng) -> Agreed {
        Agreed { channel, rng, id, weights: None }
    }

    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// What the server says of its weights.
    #[must_use]
    pub fn weights(&self) -> Option<Commitment> {
        self.weights
    }

    /// Sets up the source of correlated OTs, and keys for the `sets` of ring LWE. Traffic: [`Source::setup_traffic`],
    /// and one flight of public keys.
    pub fn set_up(self, source: Source, sets: &[&'static ParamSet]) -> Result<SetUp> {
        let Agreed { mut channel, mut rng, id, .. } = self;
        let party = channel.party();
        let at = |e: Error| e.at(Place::Setup, party);
        channel.start_node();
        let cots = ot::set_up(source, &mut channel, &id, &mut rng).map_err(at)?;
        channel.start_node();
        let rlwe = RlweKeys::setup(&mut channel, sets, rng.lattice()).map_err(at)?;
        Ok(SetUp { channel, rng, cots, rlwe })
    }
}

/// Everything that a session needs once.
pub struct SetUp {
    channel: Channel,
    rng: Rng,
    cots: Endpoint,
    rlwe: RlweKeys,
}

impl SetUp {
    /// With a source that was set up in another way: an ideal one.
    #[cfg(test)]
    pub(crate) fn with(channel: Channel, rng: Rng, cots: Endpoint, rlwe: RlweKeys) -> SetUp {
        SetUp { channel, rng, cots, rlwe }
    }

    /// Ready for inferences.
    #[must_use]
    pub fn online(self) -> Session {
        let SetUp { channel, rng, cots, rlwe } = self;
        Session::new(channel, rng, cots, rlwe)
    }
}
