//! Error numbers that the modelled functions return.

use std::fmt;

/// A kernel error number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Errno {
    /// `-EAGAIN`: a trylock failed, try again.
    Eagain,
    /// `-EINVAL`: the string is no mask.
    Einval,
    /// `-EBUSY`: vetoed by a driver, or a trylock failed.
    Ebusy,
    /// `-EPERM`: the guest has a mediated device already.
    Eperm,
    /// `-ENODEV`: there is no such adapter or domain, or no such guest.
    Enodev,
    /// `-ENOMEM`: there is no memory left.
    Enomem,
    /// `-EIO`: a queue could not be reset.
    Eio,
    /// `-EADDRINUSE`: another mediated device has the queue.
    Eaddrinuse,
    /// `-EADDRNOTAVAIL`: the queue is reserved for the host's drivers.
    Eaddrnotavail,
    /// `-ERESTARTSYS`: a signal came before the lock was taken.
    Erestartsys,
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eagain => "-EAGAIN",
            Self::Einval => "-EINVAL",
            Self::Ebusy => "-EBUSY",
            Self::Eperm => "-EPERM",
            Self::Enodev => "-ENODEV",
            Self::Enomem => "-ENOMEM",
            Self::Eio => "-EIO",
            Self::Eaddrinuse => "-EADDRINUSE",
            Self::Eaddrnotavail => "-EADDRNOTAVAIL",
            Self::Erestartsys => "-ERESTARTSYS",
        })
    }
}

impl std::error::Error for Errno {}
