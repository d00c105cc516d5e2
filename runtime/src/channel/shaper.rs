//! Emulation of a network on one machine: bandwidth each way and one-way delay.
//!
//! ```text
//!   send ──> leaves when the link is free, takes len / rate ──> arrives after half the round-trip time
//! ```
//!
//! A [`Pacer`] is one direction's link. It serializes frames (a frame starts to leave when the one before has left),
//! and stamps each with the instant at which its last byte arrives; the transport hands it over no earlier. Sending
//! itself never waits. Bytes are those that the meter counts: the overhead of TCP and IP headers (about 3 %) is not
//! emulated.

use picc_ir::Party;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Bandwidth each way and round-trip time. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Network {
    /// Bits per second from the client to the server.
    pub up: Option<f64>,
    /// Bits per second from the server to the client.
    pub down: Option<f64>,
    pub rtt: Duration,
}

impl Network {
    /// Nothing is emulated.
    pub const UNSHAPED: Network = Network { up: None, down: None, rtt: Duration::ZERO };
    /// 3 Gbit/s, 0.3 ms: the local network of the published measurements.
    pub const LAN: Network = Network { up: Some(3e9), down: Some(3e9), rtt: Duration::from_micros(300) };
    /// 400 Mbit/s, 40 ms: the wide-area network of the published measurements.
    pub const WAN: Network = Network { up: Some(4e8), down: Some(4e8), rtt: Duration::from_millis(40) };
    /// 10 Mbit/s up, 50 Mbit/s down, 60 ms.
    pub const MOBILE: Network = Network { up: Some(1e7), down: Some(5e7), rtt: Duration::from_millis(60) };

    /// The link on which `from` sends.
    #[must_use]
    pub fn pacer(&self, from: Party) -> Pacer {
        let rate = match from {
            Party::Client => self.up,
            Party::Server => self.down,
        };
        Pacer { rate, delay: self.rtt / 2, free_at: None }
    }
}

/// `lan`, `wan`, `mobile`, `none`, or `RATE,RTT` such as `100Mbit,20ms` or `10Mbit/50Mbit,60ms` (up / down).
impl FromStr for Network {
    type Err = String;

    fn from_str(s: &str) -> Result<Network, String> {
        match s {
            "none" => return Ok(Network::UNSHAPED),
            "lan" => return Ok(Network::LAN),
            "wan" => return Ok(Network::WAN),
            "mobile" => return Ok(Network::MOBILE),
            _ => {}
        }
        let wrong =
            || format!("`{s}` is no network: use lan, wan, mobile, none, 100Mbit,20ms or 10Mbit/50Mbit,60ms");
        let (rates, rtt) = s.split_once(',').ok_or_else(wrong)?;
        let (up, down) = rates.split_once('/').unwrap_or((rates, rates));
        let (up, down) = (parse_rate(up).ok_or_else(wrong)?, parse_rate(down).ok_or_else(wrong)?);
        Ok(Network { up: Some(up), down: Some(down), rtt: parse_time(rtt).ok_or_else(wrong)? })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.up, self.down) {
            (Some(up), Some(down)) => {
                write!(f, "{}/{} Mbit/s, {} ms", up / 1e6, down / 1e6, self.rtt.as_secs_f64() * 1e3)
            }
            _ => f.write_str("not emulated"),
        }
    }
}

/// `100Mbit` in bits per second.
#[must_use]
pub fn parse_rate(s: &str) -> Option<f64> {
    let (number, unit) = split_unit(s)?;
    let scale = match unit.trim_end_matches("/s").trim_end_matches("ps") {
        "bit" => 1.0,
        "kbit" | "Kbit" => 1e3,
        "Mbit" | "mbit" => 1e6,
        "Gbit" | "gbit" => 1e9,
        _ => return None,
    };
    Some(number * scale).filter(|r| *r >= 1.0)
}

/// `40ms`, at most a minute.
#[must_use]
pub fn parse_time(s: &str) -> Option<Duration> {
    let (number, unit) = split_unit(s)?;
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * scale).ok().filter(|d| *d <= Duration::from_secs(60))
}

fn split_unit(s: &str) -> Option<(f64, &str)> {
    let s = s.trim();
    let at = s.find(|c: char| c.is_alphabetic())?;
    let number: f64 = s[..at].trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some((number, &s[at..]))
}

/// One direction of an emulated network.
#[derive(Clone, Debug)]
pub struct Pacer {
    rate: Option<f64>,
    delay: Duration,
    free_at: Option<Instant>,
}

impl Pacer {
    /// When the last byte of a frame of `len` bytes that is sent now arrives; `None` is at once.
    pub fn arrival(&mut self, len: usize) -> Option<Instant> {
        if self.rate.is_none() && self.delay.is_zero() {
            return None;
        }
        let now = Instant::now();
        let start = self.free_at.map_or(now, |t| t.max(now));
        let takes = self.rate.map_or(0.0, |rate| len as f64 * 8.0 / rate);
        let left = start + Duration::from_secs_f64(takes);
        self.free_at = Some(left);
        Some(left + self.delay)
    }
}

/// Waits for the arrival of a stamped frame.
pub(super) fn wait_until(arrival: Option<Instant>) {
    if let Some(wait) = arrival.and_then(|t| t.checked_duration_since(Instant::now())) {
        std::thread::sleep(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_named_or_spelled_out() {
        assert_eq!("wan".parse(), Ok(Network::WAN));
        assert_eq!("10Mbit/50Mbit,60ms".parse(), Ok(Network::MOBILE));
        assert_eq!("3Gbit,0.3ms".parse(), Ok(Network::LAN));
        for wrong in ["", "fast", "1,2", "-1Mbit,3ms", "nanMbit,1ms", "1Mbit,1e30s", "0bit,1ms"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn frames_queue_behind_each_other_and_arrive_after_half_the_round_trip() {
        let network = Network { up: Some(8e6), down: Some(8e6), rtt: Duration::from_millis(20) };
        let mut pacer = network.pacer(Party::Client);
        let start = Instant::now();
        let first = pacer.arrival(1000).unwrap() - start;
        let second = pacer.arrival(9000).unwrap() - start;
        assert!(first >= Duration::from_millis(11), "1000 bytes at 1 MB/s and 10 ms: {first:?}");
        assert!(second >= Duration::from_millis(20) && second < Duration::from_millis(40), "{second:?}");
    }
}
