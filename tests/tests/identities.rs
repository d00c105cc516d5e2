//! docs/identities.md: two parties that know each other, as commands; and everything that is refused because they do
//! not.

#[path = "identities/setting.rs"]
mod setting;
#[path = "identities/wire.rs"]
mod wire;

use picc_identity::{Fingerprint, Identity, Validity, write_new};
use picc_runtime::channel::{Channel, Network};
use picc_runtime::crypto::Rng;
use picc_runtime::exec::Executable;
use picc_runtime::handshake::handshake;
use picc_runtime::tls::{self, ClientTls, Trust};
use picc_tests::commands::{Server, picc, pirun, printed};
use picc_tests::example;
use setting::Setting;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

const LONG: Duration = Duration::from_secs(60);

/// Refusals come within this: seconds, on a machine with other work.
const SOON: Duration = Duration::from_secs(15);

/// The block of commands behind the page's marker.
fn commands_of_the_page() -> Vec<String> {
    let page = std::fs::read_to_string(example::root().join("docs/identities.md")).expect("the page");
    let block = page.split("<!-- ci:identities -->").nth(1).expect("the marker");
    let lines = block.lines().skip_while(|line| !line.starts_with("    "));
    lines.take_while(|line| line.starts_with("    ")).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_page_leads_from_nothing_to_an_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(example::model(), folder.path().join("model.onnx")).expect("a copy");
    std::fs::copy(example::data("xray_calibration.npy"), folder.path().join("images.npy")).expect("a copy");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file").trim().to_owned();
    let commands = commands_of_the_page();
    assert!((4..10).contains(&commands.len()), "{commands:#?}");
    let mut server: Option<Server> = None;
    let mut answered = String::new();
    for command in &commands {
        let mut line = command.clone();
        while let Some((before, rest)) = line.clone().split_once("$(cat ") {
            let (file, after) = rest.split_once(')').expect("a closed bracket");
            line = format!("{before}{}{after}", read(file));
        }
        let (line, into) = match line.split_once(" > ") {
            Some((line, file)) => (line.to_owned(), Some(file.to_owned())),
            None => (line, None),
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match &words[..] {
            ["picc", arguments @ ..] => {
                let _ = printed(&picc(folder.path()).args(arguments).output().expect("picc"), 0);
            }
            ["pirun", "serve", arguments @ .., "&"] => {
                // A free port instead of the page's, and an end.
                server = Some(Server::start(folder.path(), &[arguments, &["--once"]].concat()));
            }
            ["pirun", arguments @ ..] => {
                let mut arguments = arguments.to_vec();
                if let Some(at) = arguments.iter().position(|a| *a == "--server") {
                    arguments[at + 1] = &server.as_ref().expect("a server before its client").address;
                }
                let output = pirun(folder.path()).args(arguments).output().expect("pirun");
                let (out, err) = printed(&output, 0);
                match into {
                    Some(file) => std::fs::write(folder.path().join(file), out).expect("written"),
                    None => answered = err,
                }
            }
            other => panic!("a command that this test does not know: {other:?}"),
        }
    }
    let (status, log) = server.expect("a server").end();
    assert!(status.success(), "{log}");
    let [provider, clinic] = ["provider", "clinic"].map(|name| read(&format!("{name}.fingerprint")));
    assert!(log.contains(&format!("(sha256:{}", &clinic[7..])) || log.contains(&clinic), "{log}");
    let weights = answered.trim().rsplit(' ').next().expect("words");
    assert!(answered.contains("answered by") && answered.contains(&provider), "{answered}");
    assert!(weights.len() == 64 && log.contains(&format!("weights {weights}")), "{answered}{log}");
}

#[test]
fn results_and_logs_say_who_it_was() {
    let setting = Setting::shared();
    let clients = format!("[[client]]\nname = \"Clinic North\"\nkey = \"{}\"\n", setting.fingerprint("clinic"));
    std::fs::write(setting.path("clients.toml"), clients).expect("written");
    let server = setting.serve(&["--clients", "clients.toml", "--once"]);
    let output = setting.infer(&server.address, "clinic", "provider", &["--json"]);
    let (json, _) = printed(&output, 0);
    let json: serde_json::Value = serde_json::from_str(json.trim()).expect("an object");
    assert_eq!(json["server_key"], setting.fingerprint("provider").to_string());
    assert_eq!(json["weights"].as_str().map(str::len), Some(64));
    // What the meter counts is what was predicted, to the byte; TLS is beside it.
    assert_eq!(json["as_predicted"], true);
    let number = |name: &str| json[name].as_u64().unwrap_or_else(|| panic!("{name}: {json}"));
    for way in ["client_to_server", "server_to_client"] {
        let (payload, tls) = (number(&format!("bytes_{way}")), number(&format!("tls_bytes_{way}")));
        assert!(tls > 1000 && tls < 6000 + payload / 100, "{way}: {tls} of {payload}");
    }
    let (_, log) = server.end();
    assert!(log.contains(&format!("Clinic North ({})", setting.fingerprint("clinic"))), "{log}");
    assert!(log.contains("TLS added"), "{log}");
}

#[test]
fn keys_that_do_not_fit_are_refused_by_name() {
    let setting = Setting::shared();
    let [provider, clinic, other] = ["provider", "clinic", "other"].map(|name| setting.fingerprint(name));
    let server = setting.serve(&["--client-key", &clinic.to_string()]);
    let start = Instant::now();
    // A client that nobody knows.
    let (_, err) = printed(&setting.infer(&server.address, "other", "provider", &[]), 4);
    assert!(err.contains("does not accept this client's certificate") && err.contains(&other.to_string()), "{err}");
    // One whose certificate has expired.
    let to = SystemTime::now() - Duration::from_secs(3600);
    let old = Identity::generate("old", Validity { from: to - LONG, to }).expect("a key");
    let path = setting.path("old.key");
    if !path.exists() {
        write_new(&path, &old.to_pem(None).expect("a key")).expect("written");
    }
    let known = setting.serve(&["--client-key", &setting.fingerprint("old").to_string()]);
    let (_, err) = printed(&setting.infer(&known.address, "old", "provider", &[]), 4);
    assert!(err.contains("expired on") && err.contains("does not accept this client's certificate"), "{err}");
    // A server that is another one: it has the program and the weights, and not the key.
    let impostor = setting.serve_as("other", &["--client-key", &clinic.to_string()]);
    let (_, err) = printed(&setting.infer(&impostor.address, "clinic", "provider", &[]), 4);
    assert!(err.contains(&format!("the server's key is {other}, and {provider} is expected")), "{err}");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    // The right client still gets its answer.
    let _ = printed(&setting.infer(&server.address, "clinic", "provider", &[]), 0);
    let logs = [server, known, impostor].map(Server::stop);
    assert!(logs[0].contains(&format!("the client's key is {other}, which is none of the 1")), "{}", logs[0]);
    assert!(logs[1].contains("the client's certificate expired on"), "{}", logs[1]);
    assert!(logs[2].contains("does not accept this server's certificate"), "{}", logs[2]);
}

#[test]
fn plain_tcp_and_tls_do_not_meet_and_say_why() {
    let setting = Setting::shared();
    let start = Instant::now();
    let secure = setting.serve(&["--client-key", &setting.fingerprint("clinic").to_string()]);
    let plain = Server::start(setting.folder(), &["model.pi", "--weights", "model.piw"]);
    let (_, err) = printed(&setting.infer(&plain.address, "clinic", "provider", &[]), 4);
    assert!(err.contains("instead of speaking TLS") || err.contains("does not speak TLS"), "{err}");
    let bare = ["infer", "model.pi", "--input", "photo.png", "--server", &secure.address];
    let (_, err) = printed(&pirun(setting.folder()).args(bare).output().expect("pirun"), 5);
    assert!(err.contains("the server refuses: it speaks TLS: give --identity and --server-key"), "{err}");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let [secure, plain] = [secure, plain].map(Server::stop);
    assert!(secure.contains("the client does not speak TLS"), "{secure}");
    assert!(plain.contains("the client speaks TLS, and this server does not"), "{plain}");
    // Other machines are for TLS, unless the user insists.
    let open = ["serve", "model.pi", "--weights", "model.piw", "--listen", "0.0.0.0:0"];
    let (_, err) = printed(&pirun(setting.folder()).args(open).output().expect("pirun"), 2);
    assert!(err.contains("plain TCP with other machines") && err.contains("--insecure"), "{err}");
    let lone = [&open[..4], &["--identity", "provider.key"]].concat();
    let (_, err) = printed(&pirun(setting.folder()).args(lone).output().expect("pirun"), 2);
    assert!(err.contains("lets nobody in"), "{err}");
}

#[test]
fn a_program_of_another_signer_is_not_run() {
    let setting = Setting::shared();
    let start = Instant::now();
    let signed = std::fs::read(setting.path("model.pi")).expect("a program");
    let (program, signature) = picc_ir::Program::read(&signed).expect("a program");
    assert!(signature.is_some());
    std::fs::write(setting.path("unsigned.pi"), program.to_bytes()).expect("written");
    let other = setting.identity("other").sign_program(&program.digest()).expect("signed");
    std::fs::write(setting.path("resigned.pi"), program.to_signed_bytes(&other)).expect("written");
    let mut forged = signed.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    std::fs::write(setting.path("forged.pi"), forged).expect("written");
    for (file, says) in [
        ("unsigned.pi", "is not signed, and must be by"),
        ("resigned.pi", "is signed by"),
        ("forged.pi", "signature does not fit it"),
    ] {
        // Nobody listens there: it is refused before anything is sent.
        let (_, err) = printed(&setting.infer_program(file, "127.0.0.1:1", "clinic", "provider", &[]), 1);
        assert!(err.contains(says) && err.contains(file), "{err}");
        if file != "forged.pi" {
            assert!(err.contains(&setting.fingerprint("provider").to_string()), "{err}");
        }
    }
    assert!(start.elapsed() < SOON);
}

#[cfg(unix)]
#[test]
fn keys_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let keygen = |arguments: &[&str], code| {
        printed(&pirun(folder.path()).arg("keygen").args(arguments).output().expect("pirun"), code)
    };
    let (printed_key, _) = keygen(&["--out", "clinic.key"], 0);
    let path = folder.path().join("clinic.key");
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    let before = std::fs::read(&path).expect("a key");
    let (_, err) = keygen(&["--out", "clinic.key"], 2);
    assert!(err.contains("clinic.key: exists already"), "{err}");
    assert_eq!(std::fs::read(&path).expect("a key"), before);
    let (again, _) = keygen(&["--renew", "clinic.key", "--out", "next.key"], 0);
    assert_eq!(again, printed_key, "the same key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let (_, err) = keygen(&["--renew", "clinic.key", "--out", "third.key"], 2);
    assert!(err.contains("may be read by others (mode 644)"), "{err}");
    // Under a passphrase.
    write_new(&folder.path().join("secret"), "correct horse\n").expect("written");
    let (sealed, _) = keygen(&["--out", "sealed.key", "--passphrase-file", "secret"], 0);
    let (_, err) = keygen(&["--renew", "sealed.key", "--out", "x.key"], 2);
    assert!(err.contains("under a passphrase"), "{err}");
    let (opened, _) = keygen(&["--renew", "sealed.key", "--out", "y.key", "--passphrase-file", "secret"], 0);
    assert_eq!(sealed, opened);
    assert!(sealed.trim().parse::<Fingerprint>().is_ok());
}

/// Strangers in the middle of a handshake, as far as they may go, beside sockets that say nothing and clients that
/// stand still in their sessions.
#[cfg(target_os = "linux")]
#[test]
fn strangers_cost_no_thread_and_little_memory_under_tls() {
    let setting = Setting::shared();
    let options = ["--handshake-seconds", "600", "--timeout", "600", "--threads", "1", "--client-key"];
    let clinic = setting.identity("clinic");
    let server = setting.serve(&[&options[..], &[&clinic.fingerprint().to_string()]].concat());
    let _ = printed(&setting.infer(&server.address, "clinic", "provider", &[]), 0);
    let idle: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(&server.address).expect("a socket")).collect();
    let stopped: Vec<Channel> = (0..4).map(|_| stopped(setting, &clinic, &server.address)).collect();
    let status = |field: &str| -> i64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
        let line = text.lines().find(|l| l.starts_with(field)).expect("a field");
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
    };
    std::thread::sleep(Duration::from_millis(500));
    let (threads, memory) = (status("Threads:"), status("VmRSS:"));
    // A hello of TLS that never ends: 65535 bytes are announced, and 40 kB of them come.
    let mut hello = vec![1, 0, 0xff, 0xff];
    hello.resize(40_000, 0);
    let records: Vec<u8> = hello
        .chunks(16_000)
        .flat_map(|part| [&[0x16, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat())
        .collect();
    let strangers: Vec<TcpStream> = (0..150)
        .map(|_| {
            let mut socket = TcpStream::connect(&server.address).expect("a socket");
            socket.write_all(&records).expect("sent");
            socket
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    let cost = (status("VmRSS:") - memory) as f64 * 1.024 / strangers.len() as f64;
    assert!(cost < 100.0, "{cost} kB each");
    assert!(cost > 10.0, "{cost} kB each: they are there");
    assert_eq!(status("Threads:"), threads);
    let _ = printed(&setting.infer(&server.address, "clinic", "provider", &[]), 0);
    drop((idle, stopped, strangers));
}

/// A client that says its hello and then nothing.
fn stopped(setting: &Setting, clinic: &Identity, address: &str) -> Channel {
    let exe = Executable::load(&std::fs::read(setting.path("model.pi")).expect("a program")).expect("runs");
    let tls = ClientTls::new(clinic, Trust::key(setting.fingerprint("provider")), "127.0.0.1").expect("TLS");
    let socket = TcpStream::connect(address).expect("a socket");
    let mut channel = tls::connect(&tls, socket, &Network::UNSHAPED, LONG).expect("a channel");
    handshake(&mut channel, &exe.agreement(), &mut Rng::from_os().expect("randomness")).expect("a session");
    channel
}
