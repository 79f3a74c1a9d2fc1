//! Error numbers that the modelled functions return.

use std::fmt;

/// A kernel error number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Errno {
    /// `-EAGAIN`: a trylock failed, and the caller may retry.
    Eagain,
    /// `-EINVAL`: the string is not a mask.
    Einval,
    /// `-EBUSY`: a driver vetoed the change, or a trylock failed.
    Ebusy,
    /// `-EPERM`: the guest already has a mediated device.
    Eperm,
    /// `-ENODEV`: the adapter, the domain or the guest does not exist.
    Enodev,
    /// `-ENOMEM`: the system is out of memory.
    Enomem,
    /// `-EIO`: a queue could not be reset.
    Eio,
    /// `-EADDRINUSE`: another mediated device has the queue.
    Eaddrinuse,
    /// `-EADDRNOTAVAIL`: the queue is reserved for the host's drivers.
    Eaddrnotavail,
    /// `-ERESTARTSYS`: a signal arrived before the lock was taken.
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
