//! Notifications.

use std::fmt;
use std::panic::Location;

use crate::name::Name;
use crate::std::token::Token;

/// A notification for one thread, as loom's `Notify`: it is not lost if no thread waits yet, and
/// two at once are one.
pub struct Notify {
    token: Token,
}

impl Notify {
    /// Creates an object without a notification.
    #[track_caller]
    pub fn new() -> Self {
        Self { token: Token::new(Name::here()) }
    }

    /// Notifies the thread that waits, or else the next that does.
    #[track_caller]
    pub fn notify(&self) {
        self.token.give(Location::caller());
    }

    /// Waits for a notification.
    #[track_caller]
    pub fn wait(&self) {
        self.token.take(Location::caller());
    }
}

impl Default for Notify {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").finish_non_exhaustive()
    }
}
