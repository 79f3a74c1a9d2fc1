//! Names of objects and threads.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

/// The name of an object, which is its class, or of a thread.
///
/// Each constructor takes `impl Into<Name>`: a literal, a `String`, or [`Name::here`] for an object
/// without a name of its own. A world is made anew for each execution, so a text that is made at
/// run time is kept once and for as long as the process lives. A name is therefore a pointer, which
/// is copied and costs an execution nothing, and the texts take the memory of the *different* names
/// of a scenario.
///
/// ```
/// use selvedge_core::sync::Mutex;
/// use selvedge_core::{Engine, Name, Scenario, ViolationKind};
///
/// let world = || (Mutex::new("A", ()), (0..2).map(|i| Mutex::new(format!("q{i}"), ())).collect());
/// Scenario::builder("example/names", world)
///     .thread("T", |(a, queues): &(Mutex, Vec<Mutex>)| {
///         let _held = (a.lock(), queues[1].lock(), queues[1].lock());
///     })
///     .expect_violations([ViolationKind::deadlock(["q1"])])
///     .assert_as_expected(Engine::Native);
///
/// let line = line!() + 1;
/// let here = Name::here();
/// assert_eq!(here.as_str(), format!("{}:{line}", file!()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(&'static str);

impl Name {
    /// Returns the caller's file and line as a name. All objects that one line makes are of one
    /// class then, as all locks that the kernel initialises at one place are.
    #[track_caller]
    pub fn here() -> Self {
        Self::at(Location::caller())
    }

    /// Returns a file and a line as a name. It is made once for each place: an execution makes all
    /// of its objects anew.
    pub(crate) fn at(place: &'static Location<'static>) -> Self {
        thread_local! {
            /// By the address of the place.
            static KNOWN: RefCell<FxHashMap<*const Location<'static>, Name>> = RefCell::default();
        }
        let make = || format!("{}:{}", place.file(), place.line()).into();
        KNOWN.with_borrow_mut(|known| *known.entry(place).or_insert_with(make))
    }

    /// Returns `holder<T>` as a name, without the paths of the types. It is made once for each
    /// type.
    pub(crate) fn of_type<T>(holder: &'static str) -> Self {
        thread_local! {
            /// By the holder and the path of the type.
            static KNOWN: RefCell<FxHashMap<(&'static str, &'static str), Name>> =
                RefCell::default();
        }
        let path = std::any::type_name::<T>();
        let make = || format!("{holder}<{}>", without_paths(path)).into();
        KNOWN.with_borrow_mut(|known| *known.entry((holder, path)).or_insert_with(make))
    }

    /// Returns the text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&'static str> for Name {
    fn from(text: &'static str) -> Self {
        Self(text)
    }
}

/// For a closure over the items of a slice of literals.
impl From<&&'static str> for Name {
    fn from(text: &&'static str) -> Self {
        Self(text)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(text.as_str()) {
            return Self(known);
        }
        let text = String::leak(text);
        kept.insert(text);
        Self(text)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Returns a type without the paths of its parts.
fn without_paths(path: &str) -> String {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut text = String::new();
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end.max(c.len_utf8()));
        text.push_str(part.rsplit("::").next().unwrap_or(part));
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_without_paths() {
        let name = Name::of_type::<Option<Vec<(Name, &'static str)>>>("Arc");
        assert_eq!(name.as_str(), "Arc<Option<Vec<(Name, &str)>>>");
    }

    #[test]
    fn a_text_is_kept_once() {
        let [one, other] = [1, 1].map(|i| Name::from(format!("kept{i}")).as_str());
        assert!(std::ptr::eq(one, other));
    }
}
