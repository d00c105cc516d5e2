//! Who this party is and whom it believes: options of `serve` and `infer`, and the command `keygen`.

use clap::Args;
use picc_identity::{Clients, Fingerprint, Identity, Passphrase, Validity, date, read_identity, write_new};
use picc_runtime::error::{BadInput, Result};
use picc_runtime::inputs::read;
use picc_runtime::tls::{ClientTls, ServerTls, Trust};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A key of one's own, and how it is opened.
#[derive(Args)]
pub struct Own {
    /// This party's key (`pirun keygen` makes one): both sides then speak TLS 1.3 and know each other. Without it they
    /// speak plain TCP, on one machine only.
    #[arg(long, value_name = "MY.key", conflicts_with = "insecure", help_heading = "Identity")]
    pub identity: Option<PathBuf>,
    /// A file whose first line is the key's passphrase [default: the variable PICC_PASSPHRASE].
    #[arg(long, value_name = "FILE", requires = "identity", help_heading = "Identity")]
    pub passphrase_file: Option<PathBuf>,
    /// Also believe whom one of these CAs certified (PEM).
    #[arg(long, value_name = "BUNDLE.pem", requires = "identity", help_heading = "Identity")]
    pub ca: Option<PathBuf>,
    /// Speak plain TCP with other machines: anybody on the wire reads and changes everything.
    #[arg(long, help_heading = "Identity")]
    pub insecure: bool,
}

impl Own {
    fn read(&self) -> Result<Option<Identity>> {
        let Some(path) = &self.identity else { return Ok(None) };
        let identity = read_identity(path, &Passphrase { file: self.passphrase_file.clone() })?;
        if identity.validity().to < SystemTime::now() {
            let on = date(identity.validity().to);
            eprintln!(
                "pirun: warning: the certificate in {} expired on {on}, and the other side will refuse it: `pirun \
                 keygen --renew {} --out NEW.key` makes a new one for the same key",
                path.display(),
                path.display()
            );
        }
        Ok(Some(identity))
    }

    fn believe(&self, trust: Trust) -> Result<Trust> {
        match &self.ca {
            Some(path) => trust.and_authorities(&read(path)?).map_err(|e| e.in_file(path)),
            None => Ok(trust),
        }
    }

    /// Plain TCP stays on this machine, unless the user wants it otherwise.
    fn may_be_plain(&self, address: IpAddr) -> Result<()> {
        if self.insecure || address.to_canonical().is_loopback() {
            return Ok(());
        }
        Err(BadInput::Exposed { address }.into())
    }
}

/// A server's clients.
#[derive(Args)]
pub struct Known {
    #[command(flatten)]
    pub own: Own,
    /// Let in the client with this key; repeat it for several.
    #[arg(long, value_name = "sha256:...", requires = "identity", help_heading = "Identity")]
    pub client_key: Vec<Fingerprint>,
    /// Let in the clients of this list, which has [[client]] tables with `name` and `key`.
    #[arg(long, value_name = "CLIENTS.toml", requires = "identity", help_heading = "Identity")]
    pub clients: Option<PathBuf>,
}

impl Known {
    /// TLS, if this server has an identity.
    pub fn tls(&self) -> Result<Option<ServerTls>> {
        let Some(identity) = self.own.read()? else { return Ok(None) };
        let clients = self.clients.as_ref().map(|path| Clients::read(path)).transpose()?.unwrap_or_default();
        let clients = clients.and(self.client_key.iter().copied());
        if clients.all().is_empty() && self.own.ca.is_none() {
            return Err(BadInput::NoClients.into());
        }
        Ok(Some(ServerTls::new(&identity, self.own.believe(Trust::keys(clients))?)?))
    }

    /// That a server without TLS may listen there.
    pub fn may_listen(&self, address: SocketAddr) -> Result<()> {
        self.own.may_be_plain(address.ip())
    }
}

/// A client's server.
#[derive(Args)]
pub struct Expected {
    #[command(flatten)]
    pub own: Own,
    /// Speak with the server that has this key and with no other, and run only programs that this key signed.
    #[arg(
        long,
        value_name = "sha256:...",
        requires = "identity",
        conflicts_with = "ca",
        help_heading = "Identity"
    )]
    pub server_key: Option<Fingerprint>,
}

impl Expected {
    /// TLS with the server of this address, if this client has an identity.
    pub fn tls(&self, server: &str) -> Result<Option<ClientTls>> {
        let Some(identity) = self.own.read()? else { return Ok(None) };
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let trust = match self.server_key {
            Some(key) => Trust::key(key),
            None if self.own.ca.is_some() => Trust::default(),
            None => return Err(BadInput::NoServerKey.into()),
        };
        Ok(Some(ClientTls::new(&identity, self.own.believe(trust)?, host)?))
    }

    /// That a client without TLS may speak with this address.
    pub fn may_connect(&self, address: SocketAddr) -> Result<()> {
        self.own.may_be_plain(address.ip())
    }
}

/// Makes a key, and prints its fingerprint.
#[derive(Args)]
pub struct Keygen {
    /// Where to write the key (mode 0600); nothing is written over.
    #[arg(long, value_name = "NEW.key")]
    pub out: PathBuf,
    /// Name in the certificate [default: the file's].
    #[arg(long, value_name = "NAME", conflicts_with = "renew")]
    pub name: Option<String>,
    /// Days until the certificate expires.
    #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub days: u32,
    /// A new certificate for the key in this file: its fingerprint stays.
    #[arg(long, value_name = "OLD.key")]
    pub renew: Option<PathBuf>,
    /// A file whose first line is a passphrase to encrypt the key with, and to open OLD.key with [default: the variable
    /// PICC_PASSPHRASE; without either the key is not encrypted].
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Writes a new key file.
pub fn keygen(args: &Keygen) -> Result<()> {
    let passphrase = Passphrase { file: args.passphrase_file.clone() };
    let validity = Validity::days(args.days);
    let identity = match &args.renew {
        Some(old) => read_identity(old, &passphrase)?.renewed(validity)?,
        None => {
            let stem = Path::new(&args.out).file_stem().map(|s| s.to_string_lossy().into_owned());
            Identity::generate(&args.name.clone().or(stem).unwrap_or_default(), validity)?
        }
    };
    let secret = passphrase.read()?;
    write_new(&args.out, &identity.to_pem(secret.as_ref().map(|s| &s[..]))?)?;
    let sealed = if secret.is_some() { ", under the passphrase" } else { "" };
    let until = date(identity.validity().to);
    eprintln!(
        "pirun: {} holds the key{sealed}: keep it secret. Its certificate is good until {until}. The other party \
         needs the fingerprint:",
        args.out.display()
    );
    println!("{}", identity.fingerprint());
    Ok(())
}
