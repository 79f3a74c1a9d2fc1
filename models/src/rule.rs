//! The rules that a driver must keep, as its README lists them.

/// A rule that the models check. The invariants of a scenario are known by the id of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The id of the rule, such as `INV-01`.
    pub id: &'static str,
    /// What the rule requires.
    pub about: &'static str,
    /// Globs of the other violations by which a break of the rule is found, such as
    /// `leak(kvm*)`.
    pub shown_as: &'static [&'static str],
}

impl Rule {
    /// Returns a rule that is checked as the invariant `id`.
    pub const fn new(id: &'static str, about: &'static str) -> Self {
        Self { id, about, shown_as: &[] }
    }

    /// Adds the other violations by which a break of the rule is found.
    #[must_use]
    pub const fn shown_as(mut self, globs: &'static [&'static str]) -> Self {
        self.shown_as = globs;
        self
    }
}
