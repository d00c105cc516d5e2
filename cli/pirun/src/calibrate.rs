//! `calibrate`: this machine's unit costs, and the network to another one, as a profile for `picc`.

use super::args::Calibrate;
use super::outputs::refused;
use picc_files::{Kind, Outputs, Readers};
use picc_ir::cost::profile::Profile;
use picc_runtime::calibrate::{Link, Measured, answer, measure_link, measure_units};
use picc_runtime::error::{BadInput, Error, Result};
use std::fmt::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

pub fn calibrate(args: &Calibrate) -> Result<()> {
    if let Some(address) = &args.listen {
        return listen(address);
    }
    let mut profile = base(args)?;
    let mut outputs = Outputs::reading([Path::new(&args.profile)]);
    let output = args.output.as_ref().map(|path| outputs.open(path, Kind::Profile, Readers::Everybody));
    let output = output.transpose().map_err(refused)?;
    let mut lines = Vec::new();
    if let Some(peer) = &args.peer {
        let link = peer_link(peer, args.time())?;
        (profile.up_bits_per_s, profile.down_bits_per_s) = (link.up_bits_per_s, link.down_bits_per_s);
        profile.round_trip_us = link.round_trip.as_micros() as u64;
        lines.push(format!(
            "{:.1} Mbit/s up, {:.1} Mbit/s down, {:.3} ms to {peer}",
            link.up_bits_per_s as f64 / 1e6,
            link.down_bits_per_s as f64 / 1e6,
            link.round_trip.as_secs_f64() * 1e3
        ));
    }
    let (unit, table) = measure_units(args.threads(), args.time())?;
    profile.unit = unit;
    lines.extend(rows(&table, args.threads()));
    lines.iter().for_each(|line| println!("{line}"));
    if let Some(mut output) = output {
        output.write(text(&profile, &lines)?.as_bytes()).map_err(refused)?;
        let path = output.path();
        println!("{}: for `picc --profile {}`", path.display(), path.display());
    }
    Ok(())
}

/// The profile whose network, memory and field of the OT extension are kept, with what the user says.
fn base(args: &Calibrate) -> Result<Profile> {
    let mut profile = match Profile::named(&args.profile) {
        Some(profile) => profile,
        None => {
            let bad = |e: &dyn std::fmt::Display| {
                let known = Profile::BUILT_IN.join(", ");
                let why = format!("{e} (built-in profiles: {known})");
                BadInput::Content { path: args.profile.clone().into(), why }
            };
            let text = std::fs::read_to_string(&args.profile).map_err(|e| bad(&e))?;
            Profile::from_toml(&text).map_err(|e| bad(&e))?
        }
    };
    let stem = args.output.as_deref().and_then(Path::file_stem).map(|s| s.to_string_lossy().into_owned());
    profile.name = stem.unwrap_or(profile.name);
    let threads = args.threads() as u32;
    (profile.client_threads, profile.server_threads) = (threads, threads);
    profile.up_bits_per_s = args.up.unwrap_or(profile.up_bits_per_s);
    profile.down_bits_per_s = args.down.unwrap_or(profile.down_bits_per_s);
    profile.round_trip_us = args.rtt.map_or(profile.round_trip_us, |t| t.as_micros() as u64);
    Ok(profile)
}

/// One line for each kind of work.
fn rows(table: &[Measured], threads: usize) -> Vec<String> {
    let mut lines =
        vec![format!("{:<16}{:>12}  10 % to 90 % of the batches, {threads} threads", "work", "one takes")];
    lines.extend(table.iter().map(|m| {
        let [low, high] = m.spread.map(time);
        format!("{:<16}{:>12}  {low} to {high}", m.kind, time(m.median))
    }));
    lines
}

/// Picoseconds, readable.
fn time(ps: u64) -> String {
    match ps {
        0..10_000 => format!("{:.2} ns", ps as f64 / 1e3),
        10_000..10_000_000 => format!("{:.1} ns", ps as f64 / 1e3),
        _ => format!("{:.2} us", ps as f64 / 1e6),
    }
}

/// The profile, with what was measured as a comment.
fn text(profile: &Profile, lines: &[String]) -> Result<String> {
    let mut text = format!("# Measured by `pirun calibrate` {}.\n", env!("CARGO_PKG_VERSION"));
    lines.iter().for_each(|line| {
        let _ = writeln!(text, "# {line}");
    });
    text.push_str(&profile.to_toml().map_err(|e| Error::Bug(e.to_string()))?);
    Ok(text)
}

fn peer_link(peer: &str, time: Duration) -> Result<Link> {
    let named = Error::connecting(peer);
    let mut stream = TcpStream::connect(peer).map_err(&named)?;
    measure_link(&mut stream, time).map_err(&named)
}

/// Answers one `pirun calibrate --peer`.
fn listen(address: &str) -> Result<()> {
    let named = Error::connecting(address);
    let listener = TcpListener::bind(address).map_err(&named)?;
    eprintln!("pirun: listening on {}", listener.local_addr().map_err(&named)?);
    let (mut stream, _) = listener.accept().map_err(&named)?;
    answer(&mut stream).map_err(&named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_profile_is_read_back() {
        let mut profile = Profile::wan();
        profile.name = "here".to_owned();
        profile.unit.hash_ps = 1234;
        let measured = Measured { kind: "hash".to_owned(), median: 1234, spread: [1200, 2_000_000] };
        let text = text(&profile, &rows(&[measured], 2)).unwrap();
        assert!(text.contains("1.23 ns  1.20 ns to 2000.0 ns"), "{text}");
        assert_eq!(Profile::from_toml(&text), Ok(profile));
    }
}
