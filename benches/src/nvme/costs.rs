//! The duration of every operation.

use std::fmt;

/// The system, the device and the load. All times are in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// The number of CPUs that submit requests.
    pub cpus: usize,
    /// The number of requests in flight, of all CPUs together.
    pub depth: usize,
    /// The smallest and the largest number of pages of a request, with a uniform distribution.
    pub pages: (u64, u64),
    /// The number of pages in the aperture of the device.
    pub aperture: u64,
    /// The time of the device for a request. It handles any number concurrently, and each takes up
    /// to a tenth more or less.
    pub device: u64,
    /// The CPU time to submit a request, without the costs below.
    pub submit: u64,
    /// The CPU time to complete a request, without the costs below.
    pub complete: u64,
    /// The time to allocate an address.
    pub alloc: u64,
    /// The time to free an address.
    pub free: u64,
    /// The time to add an address to a flush queue, in addition to `free`.
    pub queue: u64,
    /// The time to remove an address from a flush queue.
    pub release: u64,
    /// The time to refresh the translations of one mapping: the instruction RPCIT for a small
    /// range.
    pub refresh: u64,
    /// The time to flush all translations.
    pub flush: u64,
    /// Whether refreshes and flushes of different CPUs wait for each other, since a hypervisor
    /// handles them one by one.
    pub serialized: bool,
    /// Whether a new mapping needs a refresh, since a hypervisor keeps a shadow of the table.
    pub refresh_on_map: bool,
    /// The number of ticks per second. A timer expires at a tick. 0 means exact timers.
    pub hz: u64,
}

impl Costs {
    /// Returns the costs of a guest of a hypervisor that pages, which is the case of the mail.
    ///
    /// The mail has four ratios and no absolute figure. These values reproduce all of them, with
    /// `refresh` anywhere between 2 and 18 us if `flush` is scaled with it, so they are consistent
    /// with the mail and do not follow from it. The mail does not have these assumed values: one
    /// busy CPU, a queue depth of 64, requests of 4 KiB, 80 us in the device, a tick of 10 ms, an
    /// aperture of 8 GiB. The fitted values are the ratio of `flush` to `refresh`, and those of
    /// `queue` and `release` to `refresh`.
    pub fn guest() -> Self {
        Self {
            cpus: 1,
            depth: 64,
            pages: (1, 1),
            aperture: 1 << 21,
            device: 80_000,
            submit: 0,
            complete: 0,
            alloc: 100,
            free: 80,
            queue: 60,
            release: 150,
            refresh: 6_000,
            flush: 12_900_000,
            serialized: true,
            refresh_on_map: true,
            hz: 100,
        }
    }

    /// Returns the costs of a partition with a device of its own. A new mapping needs no refresh,
    /// the hardware flushes in microseconds, and CPUs do not wait for each other. All of this is
    /// assumed. The mail says only that queued flushing "works great" there.
    pub fn lpar() -> Self {
        Self {
            cpus: 4,
            depth: 256,
            submit: 1_500,
            complete: 1_500,
            alloc: 150,
            free: 100,
            queue: 60,
            release: 50,
            refresh: 1_200,
            flush: 4_800,
            serialized: false,
            refresh_on_map: false,
            ..Self::guest()
        }
    }

    /// Checks whether such a system can exist.
    ///
    /// # Errors
    ///
    /// The first contradiction.
    pub fn check(&self) -> Result<(), BadCosts> {
        let (least, most) = self.pages;
        match () {
            () if self.cpus == 0 => Err(BadCosts::NoCpus),
            () if self.depth < self.cpus => Err(BadCosts::DepthBelowCpus),
            () if least == 0 || least > most => Err(BadCosts::Pages),
            () if self.depth as u64 > self.aperture / most => Err(BadCosts::Aperture),
            () if self.aperture > 1 << 30 => Err(BadCosts::LargeAperture),
            () if self.device == 0 => Err(BadCosts::Device),
            () => Ok(()),
        }
    }
}

/// A contradiction in the costs of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCosts {
    /// No CPU.
    NoCpus,
    /// A CPU without a request.
    DepthBelowCpus,
    /// Requests of no pages, or a smallest size above the largest.
    Pages,
    /// An aperture too small for all requests at once.
    Aperture,
    /// More than 4 TiB, which exceeds the aperture of such a device.
    LargeAperture,
    /// A device that takes no time, so that the simulated time would not advance.
    Device,
}

impl fmt::Display for BadCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCpus => "the number of CPUs is 0; it must be at least 1",
            Self::DepthBelowCpus => "the depth is too small; each CPU needs a request of its own",
            Self::Pages => {
                "the sizes are invalid; each needs at least one page and no more than the largest"
            }
            Self::Aperture => "the requests do not fit into the aperture",
            Self::LargeAperture => "the aperture is too large; it has at most 2^30 pages",
            Self::Device => "the time of the device is 0; the device must take some time",
        })
    }
}

impl std::error::Error for BadCosts {}
