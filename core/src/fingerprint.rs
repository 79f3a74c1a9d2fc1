//! Fingerprints: what a search has counted.

/// The extent of a proof. Two runs of the same proof have equal fingerprints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint {
    /// The number of reachable states, if the engine compares states.
    pub states: Option<u64>,
    /// The number of states that these stand for, of a search that keeps only one of those that
    /// differ in the names of identical threads. A search that unlocks first does not tell.
    pub unreduced_states: Option<u64>,
    /// The number of views, of a proof for any number of threads.
    pub views: Option<u64>,
    /// A digest of the set of those states, or of those traces.
    pub digest: Option<u64>,
    /// The number of Mazurkiewicz traces, if the engine enumerates them. A trace that ends in a
    /// deadlock counts too.
    pub traces: Option<u64>,
}
