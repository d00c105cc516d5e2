//! The two parties of a session.

use super::encoder::quantize;
use super::executable::Executable;
use super::leash::Leash;
use super::linear::{Prepared, prepare};
use super::run::{Run, Secrets};
use crate::channel::{Channel, Kind};
use crate::crypto::{Rng, ct};
use crate::error::{BadProgram, Error, Misbehaviour, Place, Result};
use crate::handshake::Agreement;
use crate::inputs::Sample;
use crate::phases::Connected;
use crate::report::{Progress, Record, Stopwatch};
use crate::session::Session;
use picc_ir::eval::Value as Known;
use picc_ir::weights::{Commitment, RingWeights, Salt, check_weights, open_weights};
use picc_ir::{Id, Tensor};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the client says before each inference and at the end.
const INFER: [u8; 1] = [1];
const END: [u8; 1] = [2];

/// A declared output and its name.
pub type Output = (String, Known);

/// What the client learns in one inference.
pub struct Inference {
    /// The declared outputs, in the program's order.
    pub outputs: Vec<Output>,
    /// The integers that were revealed to it, by node; the outputs are computed from them.
    pub revealed: BTreeMap<Id, Tensor<i64>>,
}

/// The server's half of a model: its weights, checked against the program.
pub struct ServerModel {
    weights: RingWeights,
    prepared: Prepared,
    commitment: Commitment,
}

pub use picc_ir::mpc::memory::PREPARED_BYTES;

impl ServerModel {
    /// Reads `model.piw`, which must belong to the program. Weights are transformed now as far as `prepared_bytes`
    /// of memory reach, and in each inference beyond that.
    pub fn load(exe: &Executable, file: &[u8], prepared_bytes: u64) -> Result<ServerModel> {
        let (weights, salt) = open_weights(file, exe.program()).map_err(BadProgram::Weights)?;
        ServerModel::prepare(exe, weights, &salt, prepared_bytes)
    }

    /// Takes weights that are in memory, under a commitment of their own.
    pub fn new(exe: &Executable, weights: RingWeights) -> Result<ServerModel> {
        let mut salt = [0; 32];
        Rng::from_os()?.fill_bytes(&mut salt);
        ServerModel::with_salt(exe, weights, &Salt(salt))
    }

    /// Takes weights that are in memory, under the commitment of this salt.
    pub fn with_salt(exe: &Executable, weights: RingWeights, salt: &Salt) -> Result<ServerModel> {
        check_weights(exe.program(), &weights).map_err(BadProgram::Weights)?;
        ServerModel::prepare(exe, weights, salt, PREPARED_BYTES)
    }

    fn prepare(
        exe: &Executable,
        mut weights: RingWeights,
        salt: &Salt,
        prepared_bytes: u64,
    ) -> Result<ServerModel> {
        let commitment = Commitment::to(&weights, exe.program().digest(), salt);
        // They are within their public ranges, or would have been refused.
        weights.values_mut().for_each(|tensor| ct::secret(&mut tensor.data));
        let prepared = prepare(exe, &weights, prepared_bytes)?;
        Ok(ServerModel { weights, prepared, commitment })
    }

    /// What clients hear of the weights.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.commitment
    }

    /// What the server's hello says.
    #[must_use]
    pub fn agreement(&self, exe: &Executable) -> Agreement {
        Agreement { weights: Some(self.commitment), ..exe.agreement() }
    }

    /// The weights, for the reference interpreter.
    #[must_use]
    pub fn weights(&self) -> &RingWeights {
        &self.weights
    }
}

/// Handshake and setup of either party.
fn open(exe: &Executable, ours: &Agreement, channel: Channel, rng: Rng, record: &mut Record) -> Result<Session> {
    let (before, watch) = (channel.meter().total(), Stopwatch::start(&channel));
    record.peer.clone_from(&channel.security().peer);
    let agreed = Connected::new(channel, rng).agree(ours)?;
    record.weights = agreed.weights();
    let mut session = agreed.set_up(exe.program().source, &exe.rlwe_sets())?.online();
    let channel = &mut session.channel;
    record.setup(channel.meter().since(before), watch.read(channel, Duration::ZERO));
    channel.start_node();
    Ok(session)
}

/// The client's end of a session.
pub struct ClientSession<'a> {
    exe: &'a Executable,
    session: Session,
    record: Record,
}

impl<'a> ClientSession<'a> {
    /// Compares programs and parameters with the server, then sets up the session.
    pub fn open(
        exe: &'a Executable,
        channel: Channel,
        rng: Rng,
        progress: Option<Progress>,
    ) -> Result<ClientSession<'a>> {
        let mut record = Record::new(channel.party(), exe.graph().nodes.len(), progress);
        let session = open(exe, &exe.agreement(), channel, rng, &mut record)?;
        Ok(ClientSession { exe, session, record })
    }

    /// One inference.
    pub fn infer(&mut self, sample: &Sample) -> Result<Inference> {
        let mut inputs = quantize(self.exe, sample)?;
        inputs.values_mut().for_each(|tensor| ct::secret(&mut tensor.data));
        self.say(INFER)?;
        let mut run = Run::new(self.exe, Secrets::Inputs(&inputs));
        run.run(&mut self.session, &mut self.record)?;
        self.record.inferences += 1;
        Ok(Inference { outputs: run.outputs()?, revealed: run.into_revealed() })
    }

    /// Ends the session.
    pub fn close(mut self) -> Result<Record> {
        self.say(END)?;
        let ClientSession { session, mut record, .. } = self;
        record.ends(session);
        Ok(record)
    }

    /// What was measured so far.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    fn say(&mut self, what: [u8; 1]) -> Result<()> {
        let channel = &mut self.session.channel;
        let watch = Stopwatch::start(channel);
        channel.start_node();
        let party = channel.party();
        channel.send(Kind::Control, &what).map_err(|e| e.at(Place::Request, party))?;
        channel.flush().map_err(|e| e.at(Place::Request, party))?;
        self.record.control(channel.meter().node(), watch.read(channel, Duration::ZERO));
        Ok(())
    }
}

/// A whole session of the client: one inference for each sample.
pub fn run_client(exe: &Executable, samples: &[Sample], channel: Channel) -> Result<(Vec<Inference>, Record)> {
    let mut session = ClientSession::open(exe, channel, Rng::from_os()?, None)?;
    let inferences = samples.iter().map(|s| session.infer(s)).collect::<Result<_>>()?;
    Ok((inferences, session.close()?))
}

/// A whole session of the server: as many inferences as the client asks for.
pub fn run_server(exe: &Executable, model: &ServerModel, channel: Channel) -> Result<Record> {
    serve_session(exe, model, channel, Rng::from_os()?, None)
}

/// [`run_server`] with the caller's randomness.
pub fn serve_session(
    exe: &Executable,
    model: &ServerModel,
    channel: Channel,
    rng: Rng,
    progress: Option<Progress>,
) -> Result<Record> {
    serve_on_leash(exe, model, channel, rng, progress, &Leash::new(u64::MAX))
}

/// [`serve_session`] as far as `leash` reaches. A client that asks for more is told so.
pub fn serve_on_leash(
    exe: &Executable,
    model: &ServerModel,
    channel: Channel,
    rng: Rng,
    progress: Option<Progress>,
    leash: &Leash,
) -> Result<Record> {
    let mut record = Record::new(channel.party(), exe.graph().nodes.len(), progress);
    let mut session = open(exe, &model.agreement(exe), channel, rng, &mut record)?;
    loop {
        let watch = Stopwatch::start(&session.channel);
        session.channel.start_node();
        let party = session.party();
        let said = leash.rest().and_then(|()| session.channel.recv(Kind::Control, INFER.len()));
        let said = match (leash.work(record.inferences), said) {
            (_, Ok(said)) if said == END => said,
            // The session was ended while it waited: then the client's silence is no failure of its own.
            (Err(why), _) => {
                session.channel.refuse(&why.to_string())?;
                return Err(why.into());
            }
            (Ok(()), said) => said.map_err(|e| e.at(Place::Request, party))?,
        };
        record.control(session.channel.meter().node(), watch.read(&session.channel, Duration::ZERO));
        if said == END {
            record.ends(session);
            return Ok(record);
        }
        if said != INFER {
            let unknown = Error::from(Misbehaviour::Request { code: said[0] });
            return Err(unknown.at(Place::Request, party));
        }
        let secrets = Secrets::Weights(&model.weights, &model.prepared);
        Run::new(exe, secrets).run(&mut session, &mut record)?;
        record.inferences += 1;
    }
}
