//! The party with the input.

use crate::error::Result;
use crate::program::Program;
use crate::{CONNECT_PATIENCE, PATIENCE};
use picc_ir::cost::Traffic;
use picc_ir::weights::Commitment;
use picc_ir::{Party, Tensor};
use picc_runtime::channel::{Channel, Network, Peer, tcp};
use picc_runtime::crypto::Rng;
use picc_runtime::exec::{ClientSession, Executable, Output};
use picc_runtime::inputs::Sample;
use picc_runtime::tls::ClientTls;
use std::net::ToSocketAddrs;

/// A client in a session with a server. One session takes any number of inferences and pays for its setup once.
///
/// The server learns that an inference ran, and nothing of its input or answer.
pub struct Client<'a> {
    program: &'a Program,
    session: ClientSession<'a>,
}

/// What a client learns in one inference.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The declared outputs by name, in the program's order: values over the reals in the model's own units, in the
    /// shapes of the model's outputs (of a label, its index).
    pub outputs: Vec<(String, Tensor<f32>)>,
}

impl Answer {
    /// Outputs in the program's order, as real numbers.
    pub(crate) fn of(exe: &Executable, outputs: Vec<Output>) -> Answer {
        let graph = exe.graph();
        let types = graph.outputs.iter().map(|(_, id)| graph.ty(*id));
        Answer { outputs: outputs.into_iter().zip(types).map(|((name, v), ty)| (name, v.to_real(ty))).collect() }
    }

    /// The output of this name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&Tensor<f32>> {
        self.outputs.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor)
    }

    /// Where the first output is largest, in its values in order: the class, if they are scores. `None` without values.
    #[must_use]
    pub fn best(&self) -> Option<usize> {
        let (_, scores) = self.outputs.first()?;
        (0..scores.data.len()).reduce(|best, i| if scores.data[i] > scores.data[best] { i } else { best })
    }
}

impl<'a> Client<'a> {
    /// Connects to a server on this machine, compares programs with it, and sets up the session: base OTs and a public
    /// key, some tens of milliseconds of work. It tries for five seconds while nobody listens, and gives up on a server
    /// that is silent for two minutes.
    ///
    /// # Errors
    /// If there is no connection, if the server has another program or version, or if it is busy; and if the address is
    /// another machine's: [`Client::connect_tls`] is for those.
    pub fn connect(program: &'a Program, server: impl ToSocketAddrs) -> Result<Client<'a>> {
        let socket = tcp::dial(server, CONNECT_PATIENCE, PATIENCE).map_err(picc_runtime::Error::connection)?;
        tcp::only_on_this_machine(&socket)?;
        let channel = tcp::channel_over(Party::Client, socket, &Network::UNSHAPED, PATIENCE);
        Client::over(program, channel.map_err(picc_runtime::Error::connection)?)
    }

    /// [`Client::connect`] over TLS, to any machine.
    ///
    /// # Errors
    /// As [`Client::connect`]; and if the server is not whom `tls` believes, or does not let this client in.
    pub fn connect_tls(program: &'a Program, server: impl ToSocketAddrs, tls: &ClientTls) -> Result<Client<'a>> {
        let socket = tcp::dial(server, CONNECT_PATIENCE, PATIENCE).map_err(picc_runtime::Error::connection)?;
        Client::over(program, picc_runtime::tls::connect(tls, socket, &Network::UNSHAPED, PATIENCE)?)
    }

    /// [`Client::connect`] over a channel of your own, such as one end of [`crate::channel::memory_pair`].
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn over(program: &'a Program, channel: Channel) -> Result<Client<'a>> {
        let session = ClientSession::open(&program.exe, channel, Rng::from_os()?, None)?;
        Ok(Client { program, session })
    }

    /// One inference: a tensor for every input by name, in the program's shapes ([`Program::inputs`]), in the units
    /// that the model was trained on and within [`Program::range`]. Values are rounded to the program's fixed point.
    ///
    /// Work runs on the current thread and on rayon's current pool: `ThreadPool::install` bounds it.
    ///
    /// # Errors
    /// If the sample does not fit the program (nothing was sent then, and the session goes on); if the connection
    /// fails, the server breaks the protocol, or refuses a further inference. The session is of no use after these.
    pub fn infer(&mut self, sample: &Sample) -> Result<Answer> {
        let inference = self.session.infer(sample)?;
        Ok(Answer::of(&self.program.exe, inference.outputs))
    }

    /// Who the server is, if TLS says so.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        self.session.record().peer.as_ref()
    }

    /// The server's commitment to its weights: the same in every session with one version of a model.
    #[must_use]
    pub fn weights(&self) -> Option<Commitment> {
        self.session.record().weights
    }

    /// Ends the session as the protocol says; a client that is only dropped looks to the server like one that was cut
    /// off. Returns what was sent and received, setup included.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn close(self) -> Result<Traffic> {
        Ok(self.session.close()?.total().traffic)
    }
}
