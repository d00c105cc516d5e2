//! Round trip and bandwidth between two machines, over one TCP connection.
//!
//! ```text
//!   measuring side                       answering side
//!     magic                     <-->       magic
//!     ECHO                       -->       one byte back                 round trip, the median of many
//!     TAKE n, n bytes            -->       one byte back                 up
//!     GIVE n                     -->       n bytes                       down
//!     END                        -->
//! ```
//! Sizes double until a transfer takes long enough to tell. The answering side bounds every size and every wait.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const MAGIC: [u8; 8] = *b"picc net";
const ECHO: u8 = 1;
const TAKE: u8 = 2;
const GIVE: u8 = 3;
const END: u8 = 4;

const ECHOES: usize = 32;
/// Largest single transfer.
const MOST: u64 = 1 << 30;
const FIRST: u64 = 1 << 18;
const CHUNK: usize = 1 << 16;
const PATIENCE: Duration = Duration::from_secs(30);

/// A measured connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub round_trip: Duration,
    /// Bits a second from this side to the other.
    pub up_bits_per_s: u64,
    /// Bits a second from the other side to this one.
    pub down_bits_per_s: u64,
}

fn greet(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&MAGIC)?;
    let mut theirs = [0; 8];
    stream.read_exact(&mut theirs)?;
    if theirs != MAGIC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the other side is no `pirun calibrate`"));
    }
    Ok(())
}

fn command(stream: &mut TcpStream, what: u8, n: u64) -> io::Result<()> {
    let mut message = [0; 9];
    message[0] = what;
    message[1..].copy_from_slice(&n.to_le_bytes());
    stream.write_all(&message)
}

fn send(stream: &mut TcpStream, n: u64) -> io::Result<()> {
    let zeros = [0; CHUNK];
    let mut left = n;
    while left > 0 {
        let len = left.min(CHUNK as u64);
        stream.write_all(&zeros[..len as usize])?;
        left -= len;
    }
    Ok(())
}

fn receive(stream: &mut TcpStream, n: u64) -> io::Result<()> {
    let mut buffer = [0; CHUNK];
    let mut left = n;
    while left > 0 {
        let len = left.min(CHUNK as u64);
        stream.read_exact(&mut buffer[..len as usize])?;
        left -= len;
    }
    Ok(())
}

/// Measures the connection to a side that [`answer`]s; each direction for about `time`.
///
/// # Errors
/// If the connection fails, or the other side is something else.
pub fn measure_link(stream: &mut TcpStream, time: Duration) -> io::Result<Link> {
    greet(stream)?;
    let mut trips = Vec::with_capacity(ECHOES);
    for _ in 0..ECHOES {
        let start = Instant::now();
        command(stream, ECHO, 0)?;
        receive(stream, 1)?;
        trips.push(start.elapsed());
    }
    trips.sort_unstable();
    let round_trip = trips[ECHOES / 2];
    let up_bits_per_s = bandwidth(round_trip, time, |n| {
        command(stream, TAKE, n)?;
        send(stream, n)?;
        receive(stream, 1)
    })?;
    let down_bits_per_s = bandwidth(round_trip, time, |n| {
        command(stream, GIVE, n)?;
        receive(stream, n)
    })?;
    command(stream, END, 0)?;
    Ok(Link { round_trip, up_bits_per_s, down_bits_per_s })
}

/// Bits a second of transfers that grow until one takes `time`.
fn bandwidth(
    round_trip: Duration,
    time: Duration,
    mut transfer: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<u64> {
    let mut n = FIRST;
    loop {
        let start = Instant::now();
        transfer(n)?;
        let took = start.elapsed().saturating_sub(round_trip).max(Duration::from_micros(1));
        if took >= time || n >= MOST {
            return Ok((n as f64 * 8.0 / took.as_secs_f64()) as u64);
        }
        n = (n * 2).min(MOST);
    }
}

/// Answers one measuring side until it ends.
///
/// # Errors
/// If the connection fails, or the other side says something else.
pub fn answer(stream: &mut TcpStream) -> io::Result<()> {
    greet(stream)?;
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    loop {
        let mut message = [0; 9];
        stream.read_exact(&mut message)?;
        let [what, n @ ..] = message;
        let n = u64::from_le_bytes(n);
        if n > MOST {
            return Err(wrong(format!("a transfer of {n} bytes")));
        }
        match what {
            ECHO => stream.write_all(&[0])?,
            TAKE => {
                receive(stream, n)?;
                stream.write_all(&[0])?;
            }
            GIVE => send(stream, n)?,
            END => return Ok(()),
            other => return Err(wrong(format!("request {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    fn two_sides_measure_their_connection() {
        let (mut near, mut far) = pair();
        let answering = std::thread::spawn(move || answer(&mut far));
        let link = measure_link(&mut near, Duration::from_millis(5)).unwrap();
        answering.join().unwrap().unwrap();
        assert!(link.round_trip < Duration::from_secs(1) && !link.round_trip.is_zero(), "{link:?}");
        assert!(link.up_bits_per_s > 1_000_000 && link.down_bits_per_s > 1_000_000, "{link:?}");
    }

    #[test]
    fn strangers_are_refused() {
        let mut huge = [0; 9];
        huge[0] = GIVE;
        huge[1..].copy_from_slice(&u64::MAX.to_le_bytes());
        let unknown = [9; 9];
        for said in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], &[&MAGIC[..], &huge].concat(), &[&MAGIC[..], &unknown].concat()]
        {
            let (mut near, mut far) = pair();
            near.write_all(said).unwrap();
            near.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(answer(&mut far).is_err());
        }
    }
}
