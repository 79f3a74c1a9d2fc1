//! The hardware: AP queues, the guests that may use them, and the guest memory that it may write
//! to.
//!
//! A guest may use a queue if the queue's adapter and domain are set in the guest's crypto control
//! block (APCB). A queue interrupts a guest by setting a byte in a page of the guest, which must
//! stay pinned, and by making an interruption subclass of the guest pending, which must stay
//! registered. The host keeps track of pins and registrations, but errors become visible only when
//! the hardware writes. They are therefore tracked here, where both are visible.
//!
//! | invariant | broken when |
//! |---|---|
//! | INV-01 | a control block gives a guest a queue that another guest has |
//! | INV-04 | a page is pinned, a subclass is registered or interrupts are enabled at the end |
//! | INV-05 | a guest still has queues at the end |
//! | INV-08 | a page is unpinned while a queue may still write to it |
//! | INV-18 | the host's own driver takes a queue that a guest still has |
//! | INV-17 | a queue is given to a guest with messages of another guest in it |
//! | `SECURE-NIB` | a queue writes to a page that a protected guest keeps from the host |
//! | INV-21 | a guest has other queues than those assigned to its device |

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use selvedge_core::sync::{self, WaitQueue};

use super::ap_queue::{ApQueue, Irq, ResponseCode, Status};
use super::invariants::Broken;
use crate::ap::{ApConfig, ApMatrix, Apqn};

/// The hardware.
#[derive(Debug)]
pub struct Hardware {
    state: sync::Hardware<State>,
    /// The pollers of queues, which are woken when a queue changes.
    settles: WaitQueue,
}

#[derive(PartialEq, Eq, Hash, Debug, Default)]
struct State {
    queues: BTreeMap<Apqn, ApQueue>,
    /// The control blocks, by guest.
    apcb: BTreeMap<u8, ApConfig>,
    /// The number of pins of each page of each guest.
    pinned: BTreeMap<(u8, u8), u32>,
    /// The number of registrations of each interruption subclass of each guest.
    registered: BTreeMap<(u8, u8), u32>,
    /// The pages that a protected guest does not share with the host.
    secure: BTreeSet<(u8, u8)>,
    /// Whether registering a subclass fails.
    no_gisc: bool,
    /// Whether pinning a page fails.
    no_pins: bool,
}

impl Hardware {
    /// Creates hardware with these queues, which no guest may use.
    pub fn new(queues: impl IntoIterator<Item = ApQueue>) -> Self {
        let queues = queues.into_iter().map(|queue| (queue.apqn, queue)).collect();
        Self {
            state: sync::Hardware::new("hardware", State { queues, ..State::default() }),
            settles: WaitQueue::new("reset of an AP queue"),
        }
    }

    #[track_caller]
    fn queue<R: Clone + std::hash::Hash + Send + Sync + 'static>(
        &self,
        name: &'static str,
        apqn: Apqn,
        instruction: impl FnOnce(&mut ApQueue) -> R,
    ) -> R {
        self.state.execute(name, |state| {
            instruction(state.queues.get_mut(&apqn).expect("the hardware has the queue"))
        })
    }

    /// Executes PQAP(TAPQ).
    #[track_caller]
    pub fn tapq(&self, apqn: Apqn) -> Status {
        self.queue("PQAP(TAPQ)", apqn, |queue| queue.tapq())
    }

    /// Executes PQAP(ZAPQ).
    #[track_caller]
    pub fn zapq(&self, apqn: Apqn) -> Status {
        let (status, resetting) =
            self.queue("PQAP(ZAPQ)", apqn, |queue| (queue.zapq(), queue.resetting));
        if resetting {
            self.settles.wake_up_all();
        }
        status
    }

    /// Executes PQAP(AQIC).
    #[track_caller]
    pub fn aqic(&self, apqn: Apqn, irq: Option<Irq>) -> Status {
        self.queue("PQAP(AQIC)", apqn, |queue| queue.aqic(irq))
    }

    /// Executes NQAP: guest `vm` sends a message to a queue, and the reply interrupts the guest.
    /// Nothing happens if the guest may not use the queue.
    #[track_caller]
    pub fn nqap(&self, vm: u8, apqn: Apqn) {
        self.state.execute_checked("NQAP", |state| {
            if !state.apcb.get(&vm).is_some_and(|apcb| apcb.matrix.contains(apqn)) {
                return None;
            }
            let queue = state.queues.get_mut(&apqn)?;
            queue.nqap(vm);
            state.interrupt(apqn)
        });
    }

    /// Executes PQAP(TAPQ) every 20 ms until the queue is neither being reset nor busy.
    #[track_caller]
    pub fn wait_for_reset(&self, apqn: Apqn) -> Status {
        let over = |status: Status| {
            !matches!(status.code, ResponseCode::ResetInProgress | ResponseCode::Busy)
        };
        self.settles.wait_event(|| over(self.tapq(apqn)));
        self.tapq(apqn)
    }

    /// Completes the reset of a queue, after one has begun.
    #[track_caller]
    pub fn finish_reset(&self, apqn: Apqn) {
        self.settles.wait_event(|| self.queue("test for a reset", apqn, |queue| queue.resetting));
        self.becomes("the reset is over", apqn, ApQueue::reset_completes);
    }

    /// Changes a queue, as the end of a reset or the loss of its adapter does.
    #[track_caller]
    pub fn happens(&self, apqn: Apqn, what: impl FnOnce(&mut ApQueue)) {
        self.becomes("the queue changes", apqn, what);
    }

    #[track_caller]
    fn becomes(&self, name: &'static str, apqn: Apqn, what: impl FnOnce(&mut ApQueue)) {
        self.queue(name, apqn, what);
        self.settles.wake_up_all();
    }

    /// Gives guest `vm` the resources of `config`. Its vCPUs do not run meanwhile.
    #[track_caller]
    pub fn set_apcb(&self, vm: u8, config: ApConfig) {
        self.state.execute_checked("write APCB", |state| {
            let apcb = &config.matrix;
            let broken = state.shared(vm, apcb).or_else(|| state.uncleaned(vm, apcb));
            state.apcb.insert(vm, config);
            broken
        });
    }

    /// Returns the queues that guest `vm` may use.
    #[track_caller]
    pub fn apcb(&self, vm: u8) -> ApMatrix {
        self.masks(vm).matrix
    }

    /// Returns the queues that guest `vm` may use and the domains that it may control.
    #[track_caller]
    pub fn masks(&self, vm: u8) -> ApConfig {
        self.state.execute("read APCB", |state| state.apcb.get(&vm).copied().unwrap_or_default())
    }

    /// Uses a queue from the host's own driver.
    ///
    /// # Violations
    ///
    /// INV-18 if a guest has the queue.
    #[track_caller]
    pub fn check_no_guest_has(&self, apqn: Apqn) {
        self.state.execute_checked("the host uses the queue", |state| {
            let (vm, _) = state.apcb.iter().find(|(_, apcb)| apcb.matrix.contains(apqn))?;
            Some(("INV-18", format!("guest {vm} and the host both have queue {apqn}")))
        });
    }

    /// Executes `vfio_pin_pages` after its locks are taken, and returns whether it succeeded.
    #[track_caller]
    pub fn pin(&self, irq: Irq) -> bool {
        self.state.execute("pin", |state| {
            if !state.no_pins {
                *state.pinned.entry((irq.vm, irq.nib)).or_default() += 1;
            }
            !state.no_pins
        })
    }

    /// Returns the number of pins of pages of guest `vm`.
    #[track_caller]
    pub fn pins(&self, vm: u8) -> u32 {
        self.state.execute("count the pins", |state| {
            let pinned = state.pinned.iter().filter(|((whose, _), _)| *whose == vm);
            pinned.map(|(_, count)| count).sum()
        })
    }

    /// Makes every later pin fail.
    #[track_caller]
    pub fn refuse_pins(&self) {
        self.state.execute("no page can be pinned", |state| state.no_pins = true);
    }

    /// Executes `vfio_unpin_pages` after its locks are taken.
    #[track_caller]
    pub fn unpin(&self, irq: Irq) {
        self.state.execute_checked("unpin", |state| {
            if !take(&mut state.pinned, (irq.vm, irq.nib)) {
                return Some(("INV-04", format!("page {} is unpinned twice", irq.nib)));
            }
            let writes = |queue: &&ApQueue| queue.writes_to() == Some(irq.nib);
            let queue = state.queues.values().find(writes)?;
            let left = state.pinned.contains_key(&(irq.vm, irq.nib));
            (!left).then(|| {
                let what =
                    format!("page {} is unpinned while {} writes to it", irq.nib, queue.apqn);
                ("INV-08", what)
            })
        });
    }

    /// Checks that each page is pinned as often as it has owners: pages by guest and number.
    ///
    /// # Violations
    ///
    /// PIN-OWNER if one is pinned more often.
    #[track_caller]
    pub fn check_pin_owners(&self, owners: &[(u8, u8)]) {
        self.state.execute_checked("check the owners of pins", |state| {
            let owned = |page: &(u8, u8)| owners.iter().filter(|owner| *owner == page).count();
            let orphan = state.pinned.iter().find(|(page, count)| **count as usize > owned(page));
            orphan.map(|((vm, page), _)| {
                let message = format!("page {page} of guest {vm} is pinned for no queue");
                ("PIN-OWNER", message)
            })
        });
    }

    /// Returns whether one of these pages of guest `vm` is pinned.
    #[track_caller]
    pub fn is_pinned(&self, vm: u8, pages: Range<u8>) -> bool {
        self.state.execute("test for a pin", |state| {
            state.pinned.keys().any(|(whose, page)| *whose == vm && pages.contains(page))
        })
    }

    /// Executes `kvm_s390_gisc_register` and returns whether it succeeded.
    #[track_caller]
    pub fn gisc_register(&self, irq: Irq) -> bool {
        self.state.execute("kvm_s390_gisc_register", |state| {
            if !state.no_gisc {
                *state.registered.entry((irq.vm, irq.isc)).or_default() += 1;
            }
            !state.no_gisc
        })
    }

    /// Makes every later registration of a subclass fail.
    #[track_caller]
    pub fn refuse_gisc(&self) {
        self.state.execute("subclasses run out", |state| state.no_gisc = true);
    }

    /// Makes a page of the protected guest `vm` inaccessible to the host.
    #[track_caller]
    pub fn keep_secure(&self, vm: u8, page: u8) {
        self.state.execute("the page is made secret", |state| _ = state.secure.insert((vm, page)));
    }

    /// Executes `uv_pin_shared`: returns whether the host may write to the page of the notification
    /// byte.
    #[track_caller]
    pub fn is_shared(&self, irq: Irq) -> bool {
        self.state.execute("uv_pin_shared", |state| !state.secure.contains(&(irq.vm, irq.nib)))
    }

    /// Executes `kvm_s390_gisc_unregister`.
    #[track_caller]
    pub fn gisc_unregister(&self, irq: Irq) {
        self.state.execute_checked("kvm_s390_gisc_unregister", |state| {
            let known = take(&mut state.registered, (irq.vm, irq.isc));
            (!known).then(|| ("INV-04", format!("subclass {} is unregistered twice", irq.isc)))
        });
    }

    /// Checks that guest `vm` may use exactly `assigned`.
    ///
    /// # Violations
    ///
    /// INV-21 if they differ.
    #[track_caller]
    pub fn check_apcb(&self, vm: u8, assigned: ApMatrix) {
        self.state.execute_checked("check of the APCB", |state| {
            let apcb = state.apcb.get(&vm).copied().unwrap_or_default().matrix;
            let differs =
                || format!("guest {vm} does not have the queues that are assigned to its device");
            (apcb != assigned).then(|| ("INV-21", differs()))
        });
    }

    /// Checks at the end that no guest has a queue, and that no resource of a guest is held for
    /// one.
    ///
    /// # Violations
    ///
    /// INV-05 and INV-04 if one is.
    #[track_caller]
    pub fn check_at_rest(&self) {
        self.state.execute_checked("check at rest", |state| {
            if let Some((vm, apcb)) = state.apcb.iter().find(|(_, apcb)| !apcb.is_empty()) {
                let queue = apcb.matrix.apqns().next();
                let what = queue.map_or("masks".to_owned(), |apqn| format!("queue {apqn}"));
                return Some(("INV-05", format!("guest {vm} still has {what}")));
            }
            if let Some((vm, page)) = state.pinned.keys().next() {
                return Some(("INV-04", format!("page {page} of guest {vm} is still pinned")));
            }
            if let Some((vm, isc)) = state.registered.keys().next() {
                return Some(("INV-04", format!("subclass {isc} of guest {vm} is registered")));
            }
            let queue = state.queues.values().find(|queue| queue.writes_to().is_some())?;
            Some(("INV-04", format!("queue {} still interrupts", queue.apqn)))
        });
    }
}

impl State {
    /// Returns a queue of `apcb` that another guest has.
    fn shared(&self, vm: u8, apcb: &ApMatrix) -> Broken {
        let others = self.apcb.iter().filter(|(other, _)| **other != vm);
        let mut shared = others.flat_map(|(other, theirs)| {
            apcb.apqns()
                .filter(|apqn| theirs.matrix.contains(*apqn))
                .map(move |apqn| (*other, apqn))
        });
        let (other, apqn) = shared.next()?;
        Some(("INV-01", format!("guests {other} and {vm} both have queue {apqn}")))
    }

    /// Returns a queue of `apcb` that still has messages of another guest.
    fn uncleaned(&self, vm: u8, apcb: &ApMatrix) -> Broken {
        let mut queues = apcb.apqns().filter_map(|apqn| self.queues.get(&apqn));
        let queue = queues.find(|queue| queue.messages.is_some_and(|whose| whose != vm))?;
        Some(("INV-17", format!("queue {} has messages of another guest", queue.apqn)))
    }

    /// Interrupts the guest of the queue.
    fn interrupt(&self, apqn: Apqn) -> Broken {
        let irq = self.queues.get(&apqn)?.irq?;
        if !self.pinned.contains_key(&(irq.vm, irq.nib)) {
            return Some(("INV-08", format!("queue {apqn} writes to page {}", irq.nib)));
        }
        if self.secure.contains(&(irq.vm, irq.nib)) {
            return Some(("SECURE-NIB", format!("queue {apqn} writes to a page that is secret")));
        }
        let registered = self.registered.contains_key(&(irq.vm, irq.isc));
        (!registered).then(|| ("INV-04", format!("subclass {} is not registered", irq.isc)))
    }
}

/// Decrements a count and returns whether it was positive.
fn take(counts: &mut BTreeMap<(u8, u8), u32>, key: (u8, u8)) -> bool {
    let Some(count) = counts.get_mut(&key) else { return false };
    *count -= 1;
    if *count == 0 {
        counts.remove(&key);
    }
    true
}
