//! How long everything takes.

use std::fmt;

/// The machine, the device, the load. All times are in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// How many CPUs submit requests.
    pub cpus: usize,
    /// How many requests are under way, of all CPUs together.
    pub depth: usize,
    /// The smallest and the largest number of pages of a request; all in between are as likely.
    pub pages: (u64, u64),
    /// The pages that the device can be given.
    pub aperture: u64,
    /// How long the device takes for a request. It takes any number at the same time, and each up
    /// to a tenth more or less.
    pub device: u64,
    /// CPU time to submit a request and to complete one, without what follows.
    pub submit: u64,
    /// See `submit`.
    pub complete: u64,
    /// To allocate an address.
    pub alloc: u64,
    /// To give one back.
    pub free: u64,
    /// To put one into a flush queue, on top of `free`.
    pub queue: u64,
    /// To take one out again.
    pub release: u64,
    /// To refresh the translations of one mapping: the instruction RPCIT for a small range.
    pub refresh: u64,
    /// To flush all of them.
    pub flush: u64,
    /// Whether refreshes and flushes wait for each other, whoever wants them: a hypervisor does
    /// them one by one.
    pub serialized: bool,
    /// Whether a new mapping needs a refresh: a hypervisor keeps a shadow of the table.
    pub refresh_on_map: bool,
    /// Ticks a second. A timer expires at a tick. 0 for timers that are exact.
    pub hz: u64,
}

impl Costs {
    /// A guest of a hypervisor that pages: the mail's case.
    ///
    /// The mail has four ratios and no absolute figure. These values reproduce all of them, with
    /// `refresh` anywhere between 2 and 18 us if `flush` goes with it, so they are consistent with
    /// the mail and do not follow from it. Assumed, because the mail does not say: one busy CPU, a
    /// queue depth of 64, requests of 4 KiB, 80 us in the device, a tick of 10 ms, an aperture of
    /// 8 GiB. Fitted: `flush` to `refresh`, and `queue` and `release` to `refresh`.
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

    /// A partition with the device to itself: a new mapping needs no refresh, the machine flushes
    /// in microseconds, and CPUs do not wait for each other. All of it is assumed; the mail says
    /// only that queued flushing "works great" there.
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

    /// Whether there can be such a machine.
    ///
    /// # Errors
    ///
    /// What is wrong.
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

/// A machine that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCosts {
    /// No CPU.
    NoCpus,
    /// A CPU without a request.
    DepthBelowCpus,
    /// Requests of no pages, or the smallest above the largest.
    Pages,
    /// Not room for all requests at once.
    Aperture,
    /// More than 4 TiB, which is more than a device of the kind can be given.
    LargeAperture,
    /// A device that takes no time: nothing would ever pass.
    Device,
}

impl fmt::Display for BadCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCpus => "there must be a CPU",
            Self::DepthBelowCpus => "each CPU needs a request of its own: the depth is too small",
            Self::Pages => "a request needs at least one page, and no more than the largest",
            Self::Aperture => "the requests do not fit into the aperture",
            Self::LargeAperture => "an aperture has 2^30 pages at most",
            Self::Device => "the device must take some time",
        })
    }
}

impl std::error::Error for BadCosts {}
