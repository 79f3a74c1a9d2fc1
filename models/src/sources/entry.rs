//! An entry of a table of sources.

use std::fmt;

/// A function of the kernel, with the sequence of what it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Its name in the kernel.
    pub function: &'static str,
    /// The name of the model function.
    pub model: &'static str,
    /// Whether the model has its lines in its callers.
    pub inline: bool,
    /// The file.
    pub file: &'static str,
    /// The versions of the kernel that have this sequence.
    pub versions: Versions,
    /// The versions in whose text it was read.
    pub read: &'static str,
    /// The lines of the sequence.
    pub sequence: Vec<&'static str>,
}

impl Source {
    /// Returns the words of the sequence, and the signs between them.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.sequence.iter().flat_map(|line| line.split_whitespace())
    }
}

/// The versions from one to another, both included, or posted series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    from: &'static str,
    to: Option<&'static str>,
}

impl Versions {
    /// Returns whether `version` is one of them: `v6.1`, `2026`, or a posted series such as `p17`.
    pub fn contain(&self, version: &str) -> bool {
        match (number(self.from), number(version)) {
            (Some(from), Some(version)) => {
                from <= version && self.to.is_none_or(|to| number(to) >= Some(version))
            }
            _ => self.from.split(' ').any(|series| series == version),
        }
    }

    fn parse(text: &'static str) -> Self {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        Self { from, to: Some(to).filter(|to| !to.is_empty()) }
    }
}

/// The range in words: `v6.0 to v7.1`, `from v6.8`.
impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) if to == self.from => f.write_str(to),
            Some(to) => write!(f, "{} to {to}", self.from),
            None => write!(f, "from {}", self.from),
        }
    }
}

/// Returns the parts of a version as numbers; a series has none.
fn number(version: &str) -> Option<Vec<u32>> {
    version.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect()
}

/// Returns the entries of a table.
///
/// # Panics
///
/// If the table is malformed.
pub(super) fn parse(table: &'static str) -> Vec<Source> {
    let mut entries: Vec<Source> = Vec::new();
    let mut file = None;
    for line in table.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("= "), file) {
            (Some(name), _) => file = Some(name),
            (None, None) => {}
            (None, Some(_)) if line.starts_with(' ') => {
                entries
                    .last_mut()
                    .expect("a sequence follows its entry")
                    .sequence
                    .push(line.trim());
            }
            (None, Some(file)) => entries.push(entry(line, file)),
        }
    }
    entries
}

fn entry(line: &'static str, file: &'static str) -> Source {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let [name, versions, read] = fields[..] else { panic!("`{line}` has no three fields") };
    let (inline, name) = name.strip_prefix("inline ").map_or((false, name), |name| (true, name));
    let (function, model) = name.split_once(" as ").unwrap_or((name, name));
    let versions = Versions::parse(versions);
    Source { function, model, inline, file, versions, read, sequence: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_file_its_versions_and_its_sequence() {
        let table = "About.\n\n= a.c\n\nf | v6.2-v6.10 | v6.2\n    a()\n    [ b() ]\n\
                     inline g as h | v6.8- | not read\n";
        let [f, g] = &parse(table)[..] else { panic!("two entries") };
        assert_eq!((f.function, f.file, f.read), ("f", "a.c", "v6.2"));
        assert_eq!(f.words().collect::<Vec<_>>(), ["a()", "[", "b()", "]"]);
        let within = ["v6.1", "v6.2", "v6.10", "v6.11", "2026"].map(|v| f.versions.contain(v));
        assert_eq!(within, [false, true, true, false, false]);
        assert_eq!((g.function, g.model, g.inline), ("g", "h", true));
        assert!(g.versions.contain("2026"));
        assert_eq!(f.versions.to_string(), "v6.2 to v6.10");
        assert_eq!(g.versions.to_string(), "from v6.8");
        let posted = Versions::parse("p15 p17");
        assert!(posted.contain("p17") && !posted.contain("p1") && !posted.contain("v6.2"));
        assert!(!g.versions.contain("p17"));
    }
}
