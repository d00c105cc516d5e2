//! What may leave the memory of a party, whose shares, inputs and weights are secrets.

use std::io;

/// No core dump of this process, and no other process of this user may attach to it or read its memory.
#[cfg(target_os = "linux")]
pub fn keep_private() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    no_core_dumps()?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// No core dump of this process.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn keep_private() -> io::Result<()> {
    no_core_dumps()
}

#[cfg(not(unix))]
pub fn keep_private() -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn no_core_dumps() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn the_memory_of_a_party_is_its_own() {
        super::keep_private().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let core = getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    }
}
