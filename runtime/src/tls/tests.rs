//! Handshakes and sessions over real sockets: who is let in, what is said to the others, and what the wire shows.

use super::*;
use crate::channel::{Channel, Kind, Network, tcp};
use crate::error::{Error, Fault, Mismatch, Unproven};
use picc_identity::{Clients, Fingerprint, Identity, Validity};
use picc_ir::Party;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

const PATIENCE: Duration = Duration::from_secs(5);

fn identity(name: &str) -> Identity {
    Identity::generate(name, Validity::days(1)).unwrap()
}

fn in_the_past(name: &str) -> Identity {
    let to = SystemTime::now() - Duration::from_secs(3600);
    Identity::generate(name, Validity { from: to - Duration::from_secs(86_400), to }).unwrap()
}

/// A server of one connection in another thread.
fn serving(tls: ServerTls) -> (SocketAddr, JoinHandle<crate::Result<Channel>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || accept(&tls, listener.accept().unwrap().0, &Network::UNSHAPED, PATIENCE);
    (address, std::thread::spawn(serve))
}

fn client_of(tls: &ClientTls, address: SocketAddr) -> crate::Result<Channel> {
    let socket = TcpStream::connect(address).unwrap();
    connect(tls, socket, &Network::UNSHAPED, PATIENCE)
}

fn client_tls(identity: &Identity, server: Fingerprint) -> ClientTls {
    ClientTls::new(identity, Trust::key(server), "127.0.0.1").unwrap()
}

/// Both ends' channels.
fn pair(client: &Identity, server: &Identity) -> (Channel, Channel) {
    let (address, serving) = serving(ServerTls::new(server, Trust::key(client.fingerprint())).unwrap());
    let channel = client_of(&client_tls(client, server.fingerprint()), address).unwrap();
    (channel, serving.join().unwrap().unwrap())
}

#[test]
fn both_ends_know_each_other_and_their_connection() {
    let (clinic, provider) = (identity("clinic"), identity("provider"));
    let clients = format!("[[client]]\nname = \"Clinic North\"\nkey = \"{}\"\n", clinic.fingerprint());
    let trust = Trust::keys(Clients::from_toml(&clients).unwrap());
    let mut bindings = Vec::new();
    for _ in 0..2 {
        let (address, serving) = serving(ServerTls::new(&provider, trust.clone()).unwrap());
        let client = client_of(&client_tls(&clinic, provider.fingerprint()), address).unwrap();
        let server = serving.join().unwrap().unwrap();
        let [c, s] = [&client, &server].map(|channel| channel.security().clone());
        assert_eq!(c.peer.unwrap().key, provider.fingerprint());
        assert_eq!(s.peer.unwrap().to_string(), format!("Clinic North ({})", clinic.fingerprint()));
        assert_eq!(c.binding, s.binding);
        bindings.push(c.binding.unwrap());
    }
    assert_ne!(bindings[0], bindings[1], "each connection has its own");
}

#[test]
fn the_key_exchange_is_hybrid_and_nothing_else() {
    use rustls::NamedGroup;
    let groups: Vec<NamedGroup> = provider().kx_groups.iter().map(|g| g.name()).collect();
    assert_eq!(groups, [NamedGroup::X25519MLKEM768]);
    let (clinic, provider) = (identity("clinic"), identity("provider"));
    let mut client = client_tls(&clinic, provider.fingerprint()).begin().unwrap();
    let mut server = ServerTls::new(&provider, Trust::key(clinic.fingerprint())).unwrap().begin().unwrap();
    let mut flights = Vec::new();
    for _ in 0..2 {
        let up = client.output();
        server.feed(&up).unwrap();
        let down = server.output();
        client.feed(&down).unwrap();
        flights.push((up, down));
    }
    assert_eq!((client.step(), server.step()), (Step::Done, Step::Done));
    assert_eq!(client.binding().unwrap(), server.binding().unwrap());
    // The client's share: 1184 bytes of ML-KEM-768 and 32 of X25519, under the group's number; named once, in the list.
    let hello = &flights[0].0;
    let share = [0x11, 0xec, 0x04, 0xc0];
    assert!(is_client_hello(hello) && hello.windows(4).any(|w| w == share));
    assert!(hello.len() < 2000 && flights[0].1.len() < 3000, "{} {}", hello.len(), flights[0].1.len());
    // Neither certificate goes in clear.
    for (up, down) in &flights {
        for certificate in [&clinic.chain()[0], &provider.chain()[0]] {
            assert!([up, down].iter().all(|f| !f.windows(32).any(|w| w == &certificate[..32])));
        }
    }
    // A client of another group finds nobody to talk to.
    let mut other = (*super::provider()).clone();
    other.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(other));
    let config = config.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("host.invalid").unwrap();
    let mut old = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    old.write_tls(&mut hello).unwrap();
    let mut server = ServerTls::new(&provider, Trust::key(clinic.fingerprint())).unwrap().begin().unwrap();
    let refused = server.feed(&hello).unwrap_err();
    assert!(refused.to_string().contains("TLS:"), "{refused}");
}

/// What both sides say when the client of `clinic` meets the server of `provider`.
fn refusals(clinic: &Identity, clients: Trust, provider: &Identity, server: Fingerprint) -> [Option<Error>; 2] {
    let start = Instant::now();
    let (address, serving) = serving(ServerTls::new(provider, clients).unwrap());
    // A client is done before the server has judged it: it hears of that with its first message.
    let client = client_of(&client_tls(clinic, server), address);
    let client = client.and_then(|mut channel| channel.recv(Kind::Handshake, 1)).err();
    let server = serving.join().unwrap().err();
    assert!(start.elapsed() < PATIENCE, "within seconds");
    [client, server]
}

fn why(error: &Option<Error>) -> &Unproven {
    match error {
        Some(Error::Handshake(Mismatch::Unproven(why))) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_key_is_named_beside_the_right_one() {
    let [clinic, provider, other] = ["clinic", "provider", "other"].map(identity);
    let (ours, expected, came) = (clinic.fingerprint(), provider.fingerprint(), other.fingerprint());

    let said = refusals(&clinic, Trust::key(ours), &other, expected);
    assert_eq!(*why(&said[0]), Unproven::Server { expected, came });
    let text = said[0].as_ref().unwrap().to_string();
    assert!(text.contains(&expected.to_string()) && text.contains(&came.to_string()), "{text}");
    assert_eq!(*why(&said[1]), Unproven::Told { whose: Party::Server, ours: came });

    let said = refusals(&other, Trust::key(ours), &provider, expected);
    assert_eq!(*why(&said[1]), Unproven::Unknown { whose: Party::Client, came, known: 1 });
    assert_eq!(*why(&said[0]), Unproven::Told { whose: Party::Client, ours: came });
    assert!(said.iter().flatten().all(|e| e.fault() == Fault::Handshake));
}

#[test]
fn a_certificate_outside_its_dates_is_refused() {
    let [clinic, provider] = ["clinic", "provider"].map(identity);
    let [old_clinic, old_provider] = ["clinic", "provider"].map(in_the_past);
    let said = refusals(&old_clinic, Trust::key(old_clinic.fingerprint()), &provider, provider.fingerprint());
    assert!(
        matches!(why(&said[1]), Unproven::Expired { whose: Party::Client, key, .. } if *key == old_clinic.fingerprint())
    );
    assert!(matches!(why(&said[0]), Unproven::Told { whose: Party::Client, .. }));

    let said = refusals(&clinic, Trust::key(clinic.fingerprint()), &old_provider, old_provider.fingerprint());
    assert!(matches!(why(&said[0]), Unproven::Expired { whose: Party::Server, .. }));
    assert!(said[0].as_ref().unwrap().to_string().contains("keygen --renew"));

    let from = SystemTime::now() + Duration::from_secs(86_400);
    let early = Identity::generate("clinic", Validity { from, to: from + Duration::from_secs(86_400) }).unwrap();
    let said = refusals(&early, Trust::key(early.fingerprint()), &provider, provider.fingerprint());
    assert!(matches!(why(&said[1]), Unproven::Early { whose: Party::Client, .. }));
    // The same key under a new certificate is the same client.
    let renewed = old_clinic.renewed(Validity::days(1)).unwrap();
    let (address, serving) = serving(ServerTls::new(&provider, Trust::key(old_clinic.fingerprint())).unwrap());
    client_of(&client_tls(&renewed, provider.fingerprint()), address).unwrap();
    assert_eq!(serving.join().unwrap().unwrap().security().peer.as_ref().unwrap().key, renewed.fingerprint());
}

#[test]
fn plain_tcp_meets_tls_and_says_so() {
    let [clinic, provider] = ["clinic", "provider"].map(identity);
    // TLS against a server that answers in plain TCP, and against one that closes.
    for words in [&[0u8, 1, 0, 0, 1, 1, 0, 0, b'p'][..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b""] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let plain = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let _ = socket.read(&mut [0; 4096]);
            socket.write_all(words).unwrap();
        });
        let said = client_of(&client_tls(&clinic, provider.fingerprint()), address).err();
        let whose = Party::Server;
        let expected = if words.is_empty() { Unproven::Silent { whose } } else { Unproven::NoTls { whose } };
        assert_eq!(*why(&said), expected);
        plain.join().unwrap();
    }
    // Plain TCP against a server of TLS.
    let (address, serving) = serving(ServerTls::new(&provider, Trust::key(clinic.fingerprint())).unwrap());
    let mut plain = tcp::connect(address, &Network::UNSHAPED, Duration::ZERO, PATIENCE).unwrap();
    plain.send(Kind::Handshake, &[0; 256]).unwrap();
    plain.flush().unwrap();
    assert_eq!(*why(&serving.join().unwrap().err()), Unproven::NoTls { whose: Party::Client });
}

/// Everything that a client sends in a whole session, sent again to the same server, opens nothing.
#[test]
fn a_recorded_session_is_worth_nothing() {
    let [clinic, provider] = ["clinic", "provider"].map(identity);
    let tls = ServerTls::new(&provider, Trust::key(clinic.fingerprint())).unwrap();
    let (mut client, mut first) =
        (client_tls(&clinic, provider.fingerprint()).begin().unwrap(), tls.begin().unwrap());
    let mut recorded = Vec::new();
    for _ in 0..2 {
        let up = client.output();
        first.feed(&up).unwrap();
        client.feed(&first.output()).unwrap();
        recorded.push(up);
    }
    assert_eq!(first.step(), Step::Done);
    let mut second = tls.begin().unwrap();
    second.feed(&recorded[0]).unwrap();
    let _answer = second.output();
    let refused = second.feed(&recorded[1]).unwrap_err();
    assert_eq!(refused.fault(), Fault::Connection, "{refused}");
    assert!(refused.to_string().contains("changed on its way, or does not belong here"), "{refused}");
    assert_eq!(second.step(), Step::Goes);
}

#[test]
fn both_parties_may_send_more_than_the_sockets_hold() {
    let (mut client, mut server) = pair(&identity("clinic"), &identity("provider"));
    let big: Vec<u8> = (0..20 << 20).map(|i: u32| i as u8).collect();
    let other = big.clone();
    let peer = std::thread::spawn(move || {
        let got = server.exchange(Kind::Open, &other, other.len()).unwrap();
        (got == other, server)
    });
    assert!(client.exchange(Kind::Open, &big, big.len()).unwrap() == big);
    let (same, server) = peer.join().unwrap();
    assert!(same);
    // The meter counts what the protocol sends, and TLS adds less than two thousandths.
    let [c, s] =
        [&client, &server].map(|channel| (channel.meter().total(), channel.security().wire.clone().unwrap()));
    assert_eq!((c.0.client_to_server, c.0.server_to_client), (big.len() as u64 + 8, big.len() as u64 + 8));
    assert_eq!(c.0, s.0);
    drop((client, server));
    let [client, server] = [c.1.read(), s.1.read()];
    assert_eq!(client.sent, server.received + CLOSE_NOTIFY);
    let overhead = client.overhead(Party::Client, c.0);
    assert!((1500..40_000).contains(&overhead.sent), "{overhead:?}");
}

/// The last record: nobody reads on for it here.
const CLOSE_NOTIFY: u64 = 24;

#[test]
fn what_was_sent_before_a_drop_arrives_and_a_cut_is_no_end() {
    let (mut client, mut server) = pair(&identity("clinic"), &identity("provider"));
    server.send(Kind::Reveal, &vec![1; 1 << 20]).unwrap();
    drop(server);
    assert_eq!(client.recv(Kind::Reveal, 1 << 20).unwrap().len(), 1 << 20);
    let gone = client.recv(Kind::Reveal, 1).unwrap_err().to_string();
    assert!(gone.contains("the peer is gone"), "{gone}");

    // Somebody in between closes instead.
    let [clinic, provider] = ["clinic", "provider"].map(identity);
    let (address, serving) = serving(ServerTls::new(&provider, Trust::key(clinic.fingerprint())).unwrap());
    let middle = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = middle.local_addr().unwrap();
    let proxy = std::thread::spawn(move || {
        let (a, b) = (middle.accept().unwrap().0, TcpStream::connect(address).unwrap());
        let copy = |mut from: TcpStream, mut to: TcpStream| {
            std::thread::spawn(move || {
                let mut left = 100_000;
                let mut buffer = [0; 1000];
                while left > 0 {
                    let Ok(n @ 1..) = from.read(&mut buffer) else { break };
                    left -= n.min(left);
                    let _ = to.write_all(&buffer[..n]);
                }
                let _ = to.shutdown(std::net::Shutdown::Write);
            })
        };
        let up = copy(a.try_clone().unwrap(), b.try_clone().unwrap());
        copy(b, a).join().unwrap();
        up
    });
    let mut client = client_of(&client_tls(&clinic, provider.fingerprint()), near).unwrap();
    let mut server = serving.join().unwrap().unwrap();
    server.send(Kind::Reveal, &vec![1; 1 << 20]).unwrap();
    server.flush().unwrap();
    let cut = client.recv(Kind::Reveal, 1 << 20).unwrap_err();
    assert!(cut.to_string().contains("TLS did not end it"), "{cut}");
    assert_eq!(cut.fault(), Fault::Connection);
    drop((client, server));
    proxy.join().unwrap().join().unwrap();
}

#[test]
fn a_silent_peer_is_a_timeout() {
    let (mut client, _server) = pair(&identity("clinic"), &identity("provider"));
    client.set_patience(Duration::from_millis(300));
    let silent = client.recv(Kind::Open, 4).unwrap_err();
    assert!(silent.to_string().contains("silent"), "{silent}");
    // In the handshake, too.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let [clinic, provider] = ["clinic", "provider"].map(identity);
    let tls = client_tls(&clinic, provider.fingerprint());
    let silent = connect(&tls, socket, &Network::UNSHAPED, Duration::from_millis(300)).err().unwrap();
    assert!(silent.to_string().contains("silent in the TLS handshake"), "{silent}");
}
