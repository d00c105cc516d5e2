//! Both parties in one process: two queues, nothing else shared.

use super::shaper::{Network, Pacer, wait_until};
use super::{Channel, Transport};
use picc_ir::Party;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

struct Memory {
    tx: Sender<Stamped>,
    rx: Receiver<Stamped>,
    pacer: Pacer,
    pending: Vec<u8>,
    read: usize,
    timeout: Duration,
}

/// A frame with the instant at which the emulated network delivers it.
type Stamped = (Option<Instant>, Vec<u8>);

/// Two connected channels, `(client, server)`. A peer that is silent for `timeout` is an I/O error.
#[must_use]
pub fn memory_pair(timeout: Duration) -> (Channel, Channel) {
    memory_pair_over(&Network::UNSHAPED, timeout)
}

/// [`memory_pair`] over an emulated network.
#[must_use]
pub fn memory_pair_over(network: &Network, timeout: Duration) -> (Channel, Channel) {
    let (client, server) = memory_transports(network, timeout);
    (Channel::new(Party::Client, client), Channel::new(Party::Server, server))
}

/// The two ends without framing and metering, `(client, server)`.
#[must_use]
pub fn memory_transports(network: &Network, timeout: Duration) -> (Box<dyn Transport>, Box<dyn Transport>) {
    let (tx_c, rx_s) = channel();
    let (tx_s, rx_c) = channel();
    let end = |party, tx, rx| {
        Box::new(Memory { tx, rx, pacer: network.pacer(party), pending: Vec::new(), read: 0, timeout })
    };
    (end(Party::Client, tx_c, rx_c), end(Party::Server, tx_s, rx_s))
}

impl Transport for Memory {
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()> {
        let arrival = self.pacer.arrival(frame.len());
        self.tx.send((arrival, frame)).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the peer is gone"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            if self.read == self.pending.len() {
                let (arrival, frame) = self.rx.recv_timeout(self.timeout).map_err(|e| match e {
                    RecvTimeoutError::Timeout => io::Error::new(io::ErrorKind::TimedOut, "the peer is silent"),
                    RecvTimeoutError::Disconnected => {
                        io::Error::new(io::ErrorKind::UnexpectedEof, "the peer is gone")
                    }
                })?;
                wait_until(arrival);
                (self.pending, self.read) = (frame, 0);
            }
            let n = (buf.len() - filled).min(self.pending.len() - self.read);
            buf[filled..filled + n].copy_from_slice(&self.pending[self.read..self.read + n]);
            self.read += n;
            filled += n;
        }
        Ok(())
    }
}
