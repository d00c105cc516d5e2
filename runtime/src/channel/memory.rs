//! Both parties in one process: two queues, nothing else shared.

use super::{Channel, Transport};
use picc_ir::Party;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

struct Memory {
    tx: Sender<Vec<u8>>,
    rx: Receiver<Vec<u8>>,
    pending: Vec<u8>,
    read: usize,
    timeout: Duration,
}

/// Two connected channels, `(client, server)`. A peer that is silent for `timeout` is an I/O error.
#[must_use]
pub fn memory_pair(timeout: Duration) -> (Channel, Channel) {
    let (tx_c, rx_s) = channel();
    let (tx_s, rx_c) = channel();
    let end = |tx, rx| Box::new(Memory { tx, rx, pending: Vec::new(), read: 0, timeout });
    (Channel::new(Party::Client, end(tx_c, rx_c)), Channel::new(Party::Server, end(tx_s, rx_s)))
}

impl Transport for Memory {
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.tx.send(frame).map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the peer is gone"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            if self.read == self.pending.len() {
                self.pending = self.rx.recv_timeout(self.timeout).map_err(|e| match e {
                    RecvTimeoutError::Timeout => io::Error::new(io::ErrorKind::TimedOut, "the peer is silent"),
                    RecvTimeoutError::Disconnected => {
                        io::Error::new(io::ErrorKind::UnexpectedEof, "the peer is gone")
                    }
                })?;
                self.read = 0;
            }
            let n = (buf.len() - filled).min(self.pending.len() - self.read);
            buf[filled..filled + n].copy_from_slice(&self.pending[self.read..self.read + n]);
            self.read += n;
            filled += n;
        }
        Ok(())
    }
}
