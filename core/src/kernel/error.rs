//! Errors, as `rust/kernel/error.rs` (v6.15).

use std::convert::Infallible;
use std::fmt;

use super::alloc::AllocError;

/// An error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error {
    name: &'static str,
    number: i32,
}

/// A result whose error is an [`Error`] if nothing else is said.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns the number, which is negative.
    pub fn to_errno(self) -> i32 {
        -self.number
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl From<AllocError> for Error {
    fn from(_: AllocError) -> Self {
        code::ENOMEM
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The numbers of `include/uapi/asm-generic/errno-base.h` and `errno.h`, and those of
/// `include/linux/errno.h` for the kernel itself.
pub mod code {
    use super::Error;

    macro_rules! codes {
        ($($name:ident = $number:literal),* $(,)?) => {
            $(
                #[doc = concat!("`", stringify!($name), "`, ", stringify!($number), ".")]
                pub const $name: Error = Error { name: stringify!($name), number: $number };
            )*
        };
    }

    codes! {
        EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, ENXIO = 6, EBADF = 9, EAGAIN = 11, ENOMEM = 12,
        EFAULT = 14, EBUSY = 16, EEXIST = 17, ENODEV = 19, EINVAL = 22, ENOSPC = 28, EPIPE = 32,
        ERANGE = 34, EDEADLK = 35, EOVERFLOW = 75, EOPNOTSUPP = 95, ESHUTDOWN = 108,
        ETIMEDOUT = 110, ECANCELED = 125, ERESTARTSYS = 512,
    }
}
