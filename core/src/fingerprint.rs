//! What a search has counted.

/// What a proof rests on. Two runs of the same proof have equal certificates.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint {
    /// How many states are reachable, if the engine compares states.
    pub states: Option<u64>,
    /// A digest of the set of those states, or of those traces.
    pub digest: Option<u64>,
    /// How many Mazurkiewicz traces there are, if the engine enumerates them. A trace that ends
    /// in a deadlock counts too.
    pub traces: Option<u64>,
}
