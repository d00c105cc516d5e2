//! The file of known clients.

use crate::{Fingerprint, IdentityError, Result};
use serde::Deserialize;
use std::path::Path;

/// A client that a server lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What logs and results call it; who came by a fingerprint on the command line has none.
    pub name: Option<String>,
    /// Its key.
    pub key: Fingerprint,
}

/// `clients.toml`:
///
/// ```toml
/// [[client]]
/// name = "Clinic North"
/// key = "sha256:..."
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients(Vec<Client>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    key: String,
}

impl Clients {
    /// Reads the text of a list.
    ///
    /// # Errors
    /// If it is in another form, or two clients share a name or a key.
    pub fn from_toml(text: &str) -> Result<Clients> {
        let file: File = toml::from_str(text).map_err(|e| IdentityError::Clients { why: e.to_string() })?;
        let mut clients = Clients::default();
        for Row { name, key } in file.client {
            if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
                let why = "a name is 1 to 200 bytes of text in one line".to_owned();
                return Err(IdentityError::Clients { why });
            }
            let key = key.parse()?;
            let twice = |what| IdentityError::Twice { name: name.clone(), what };
            if clients.0.iter().any(|c| c.name.as_ref() == Some(&name)) {
                return Err(twice("the name"));
            }
            if clients.find(&key).is_some() {
                return Err(twice("the key"));
            }
            clients.0.push(Client { name: Some(name), key });
        }
        Ok(clients)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Clients::from_toml`], and if it cannot be read.
    pub fn read(path: &Path) -> Result<Clients> {
        let text = std::fs::read_to_string(path).map_err(|e| IdentityError::from(e).in_file(path))?;
        Clients::from_toml(&text).map_err(|e| e.in_file(path))
    }

    /// Adds clients without a name; one that is known keeps its name.
    #[must_use]
    pub fn and(mut self, keys: impl IntoIterator<Item = Fingerprint>) -> Clients {
        for key in keys {
            if self.find(&key).is_none() {
                self.0.push(Client { name: None, key });
            }
        }
        self
    }

    /// The client with this key.
    #[must_use]
    pub fn find(&self, key: &Fingerprint) -> Option<&Client> {
        self.0.iter().find(|c| c.key == *key)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Client] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_have_names() {
        let [a, b] = [b"a", b"b"].map(|key| Fingerprint::of_spki(key));
        let row = |name: &str, key: Fingerprint| format!("[[client]]\nname = \"{name}\"\nkey = \"{key}\"\n");
        let clients = Clients::from_toml(&row("Clinic North", a)).unwrap().and([b, a]);
        assert_eq!(clients.all().len(), 2);
        assert_eq!(clients.find(&a).unwrap().name.as_deref(), Some("Clinic North"));
        assert_eq!(clients.find(&b).unwrap().name, None);
        assert_eq!(clients.find(&Fingerprint::of_spki(b"c")), None);
        assert_eq!(Clients::from_toml("").unwrap(), Clients::default());
        for (text, says) in [
            (row("N", a) + &row("N", b), "client `N` has the name of another one"),
            (row("N", a) + &row("M", a), "client `M` has the key of another one"),
            (row("", a), "a name is"),
            ("[[client]]\nname = \"N\"\n".to_owned(), "key"),
            ("[[client]]\nname = \"N\"\nkey = \"abc\"\n".to_owned(), "`abc` is no fingerprint"),
            ("[[clients]]\n".to_owned(), "clients"),
        ] {
            let error = Clients::from_toml(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
