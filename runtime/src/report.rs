//! What a run took, measured beside predicted: totals, phases and one row a node.

use crate::channel::{Channel, Peer, WireBytes};
use crate::session::Session;
use picc_ir::cost::Traffic;
use picc_ir::mpc::schedule::ProgramCost;
use picc_ir::weights::Commitment;
use picc_ir::{Id, Party};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Called after each step of the schedule with the number of steps done in the session.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// Where a party's time went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// From begin to end.
    pub total: Duration,
    /// Of it, waiting for the network and the other party.
    pub waiting: Duration,
    /// Of it, arithmetic on shares outside the protocols: local nodes, and moving values in and out of protocols.
    pub kernels: Duration,
}

impl Times {
    /// The rest: protocols' own computation.
    #[must_use]
    pub fn cryptography(&self) -> Duration {
        self.total.saturating_sub(self.waiting).saturating_sub(self.kernels)
    }
}

impl std::ops::Add for Times {
    type Output = Times;
    fn add(self, o: Times) -> Times {
        Times { total: self.total + o.total, waiting: self.waiting + o.waiting, kernels: self.kernels + o.kernels }
    }
}

/// Begun at the start of something that is measured.
pub(crate) struct Stopwatch {
    start: Instant,
    waited: Duration,
}

impl Stopwatch {
    pub(crate) fn start(channel: &Channel) -> Stopwatch {
        Stopwatch { start: Instant::now(), waited: channel.waited() }
    }

    /// What passed since, of which `kernels` were local arithmetic.
    pub(crate) fn read(&self, channel: &Channel, kernels: Duration) -> Times {
        Times { total: self.start.elapsed(), waiting: channel.waited().saturating_sub(self.waited), kernels }
    }
}

/// Traffic and time of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub traffic: Traffic,
    pub time: Times,
}

impl Spent {
    fn add(&mut self, traffic: Traffic, time: Times) {
        self.traffic = self.traffic + traffic;
        self.time = self.time + time;
    }
}

/// What one party measured in a session. Nodes are added up over inferences.
#[derive(Clone)]
pub struct Record {
    pub party: Party,
    pub inferences: u64,
    /// Handshake, base OTs, public key.
    pub setup: Spent,
    /// The client's requests, the end of the session included.
    pub control: Spent,
    /// Making correlated OTs.
    pub extension: Spent,
    pub nodes: Vec<Spent>,
    /// Who the other party is, if TLS says so.
    pub peer: Option<Peer>,
    /// The server's commitment to its weights.
    pub weights: Option<Commitment>,
    /// What TLS added to the bytes of a session that came to its end; the meter's bytes are without it.
    pub tls: Option<WireBytes>,
    steps: u64,
    progress: Option<Progress>,
}

impl Record {
    #[must_use]
    pub fn new(party: Party, nodes: usize, progress: Option<Progress>) -> Record {
        Record {
            party,
            inferences: 0,
            setup: Spent::default(),
            control: Spent::default(),
            extension: Spent::default(),
            nodes: vec![Spent::default(); nodes],
            peer: None,
            weights: None,
            tls: None,
            steps: 0,
            progress,
        }
    }

    pub(crate) fn extension(&mut self, traffic: Traffic, time: Times) {
        self.extension.add(traffic, time);
    }

    pub(crate) fn setup(&mut self, traffic: Traffic, time: Times) {
        self.setup.add(traffic, time);
    }

    pub(crate) fn control(&mut self, traffic: Traffic, time: Times) {
        self.control.add(traffic, time);
    }

    pub(crate) fn node(&mut self, id: Id, traffic: Traffic, time: Times) {
        self.nodes[id.index()].add(traffic, time);
        self.steps += 1;
        if let Some(progress) = &self.progress {
            progress(self.steps);
        }
    }

    /// The session's last message was sent: closes the connection and counts what it carried.
    pub(crate) fn ends(&mut self, session: Session) {
        let wire = session.channel.security().wire.clone();
        let payload = session.channel.meter().total();
        drop(session);
        self.tls = wire.map(|wire| wire.read().overhead(self.party, payload));
    }

    /// Local work that is reported with a node.
    pub(crate) fn kernel(&mut self, id: Id, time: Times) {
        self.nodes[id.index()].add(Traffic::default(), time);
    }

    /// Everything.
    #[must_use]
    pub fn total(&self) -> Spent {
        let mut total = self.setup;
        for spent in [&self.control, &self.extension].into_iter().chain(&self.nodes) {
            total.add(spent.traffic, spent.time);
        }
        total
    }

    /// All but the setup.
    #[must_use]
    pub fn online(&self) -> Spent {
        let (total, setup) = (self.total(), self.setup);
        Spent {
            traffic: Traffic {
                client_to_server: total.traffic.client_to_server - setup.traffic.client_to_server,
                server_to_client: total.traffic.server_to_client - setup.traffic.server_to_client,
                rounds: total.traffic.rounds - setup.traffic.rounds,
            },
            time: Times {
                total: total.time.total - setup.time.total,
                waiting: total.time.waiting - setup.time.waiting,
                kernels: total.time.kernels - setup.time.kernels,
            },
        }
    }

    /// Whether everything that was sent is what the program's cost says.
    #[must_use]
    pub fn is_as_predicted(&self, cost: &ProgramCost) -> bool {
        self.total().traffic == cost.session(self.inferences)
    }
}

/// Most memory that this process has held, in bytes, where the system says so.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
