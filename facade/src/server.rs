//! The party with the weights.

use crate::PATIENCE;
use crate::error::Result;
use crate::program::{Program, Weights};
use picc_runtime::channel::{Channel, Network, Peer, tcp};
use picc_runtime::crypto::Rng;
use picc_runtime::exec::{Leash, ServerModel, serve_on_leash};
use picc_runtime::report::Record;
use picc_runtime::tls::ServerTls;
use std::net::{TcpListener, TcpStream};

/// Inferences that one session takes, unless [`Server::with_max_inferences`] says otherwise.
const MAX_INFERENCES: u64 = 1000;

/// A server: a program, its weights, and what is prepared of them. It can run any number of sessions, also at once from
/// several threads.
///
/// It decides nothing about strangers: whoever connects gets a session if it has the program, and holds it until it is
/// silent for two minutes. A server that faces the open network is `pirun serve`, which has a lobby, limits and an
/// orderly end.
pub struct Server {
    program: Program,
    model: ServerModel,
    max_inferences: u64,
}

/// What a session was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Session {
    /// Inferences that were answered.
    pub inferences: u64,
    /// What was sent and received, setup included.
    pub traffic: picc_ir::cost::Traffic,
    /// Who the client was, if TLS says so.
    pub peer: Option<Peer>,
}

impl Session {
    fn of(record: &Record) -> Session {
        Session { inferences: record.inferences, traffic: record.total().traffic, peer: record.peer.clone() }
    }
}

impl Server {
    /// Checks the weights and transforms them for the linear layers, as far as 4 GiB of memory reach: seconds for large
    /// networks.
    ///
    /// # Errors
    /// If the weights are not the program's.
    pub fn new(program: &Program, weights: Weights) -> Result<Server> {
        let model = ServerModel::with_salt(&program.exe, weights.ring, &weights.salt)?;
        Ok(Server { program: program.clone(), model, max_inferences: MAX_INFERENCES })
    }

    /// The same, taking so many inferences a session; a client that asks for more is refused.
    #[must_use]
    pub fn with_max_inferences(self, max_inferences: u64) -> Server {
        Server { max_inferences, ..self }
    }

    /// Waits for one client on this machine and runs its session to the end. Call it in a loop, or from several
    /// threads.
    ///
    /// # Errors
    /// If the session fails, by the client's or the network's fault: the server can take the next. A client of another
    /// machine is refused: [`Server::accept_tls`] is for those.
    pub fn accept(&self, listener: &TcpListener) -> Result<Session> {
        let (stream, _) = listener.accept().map_err(picc_runtime::Error::connection)?;
        self.serve(stream)
    }

    /// [`Server::accept`] over TLS, of clients that `tls` believes.
    ///
    /// # Errors
    /// As [`Server::accept`]; and if the client is none that is let in.
    pub fn accept_tls(&self, listener: &TcpListener, tls: &ServerTls) -> Result<Session> {
        let (stream, _) = listener.accept().map_err(picc_runtime::Error::connection)?;
        self.over(picc_runtime::tls::accept(tls, stream, &Network::UNSHAPED, PATIENCE)?)
    }

    /// Runs the session of a client on this machine that has connected.
    ///
    /// # Errors
    /// As [`Server::accept`].
    pub fn serve(&self, stream: TcpStream) -> Result<Session> {
        tcp::only_on_this_machine(&stream)?;
        let channel = tcp::channel_over(picc_ir::Party::Server, stream, &Network::UNSHAPED, PATIENCE);
        self.over(channel.map_err(picc_runtime::Error::connection)?)
    }

    /// Runs a session over a channel of your own, such as one end of [`crate::channel::memory_pair`].
    ///
    /// # Errors
    /// As [`Server::accept`].
    pub fn over(&self, channel: Channel) -> Result<Session> {
        let leash = Leash::new(self.max_inferences);
        let record = serve_on_leash(&self.program.exe, &self.model, channel, Rng::from_os()?, None, &leash)?;
        Ok(Session::of(&record))
    }
}
