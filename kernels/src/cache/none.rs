//! No cache where file ownership cannot be checked.

use super::Key;
use crate::lower::Code;

/// Never there.
#[derive(Debug)]
pub enum Cache {}

impl Cache {
    #[must_use]
    pub fn from_env() -> Option<Cache> {
        None
    }

    pub(crate) fn load(&self, _key: &Key) -> Result<Option<Code>, String> {
        match *self {}
    }

    pub(crate) fn store(&self, _key: &Key, _code: &Code) -> Result<(), String> {
        match *self {}
    }

    pub(crate) fn trim(&self) -> Result<(), String> {
        match *self {}
    }
}
