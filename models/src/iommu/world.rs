//! The state that the threads of a scenario share.

use selvedge_core::in_world;
use selvedge_core::sync::{Atomic, Mutex, MutexGuard, Rcu, RcuHead, SpinGuard, SpinLock, Tracked};

use super::domain::{DOMAINS, Dom, DomainField};
use super::group::Group;
use super::hardware::{Hardware, Rules, Table, rule_broken};
use super::kernel::Kernel;
use super::lists::Lists;
use super::versions::k2;

/// `struct s390_domain`.
#[derive(Debug)]
pub struct Domain {
    number: u8,
    memory: Tracked,
    /// `rcu`.
    rcu: RcuHead,
    /// `list_lock`, with the data that it protects up to v6.1.
    pub list_lock: SpinLock<Devices>,
    /// `dma_table_lock`, up to v6.1.
    pub dma_table_lock: SpinLock,
}

/// `devices`, up to v6.1: a list of separately allocated nodes, each of which points to a device.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Devices {
    /// The devices that the nodes point to.
    pub nodes: Vec<usize>,
    /// The aperture of the first device.
    pub aperture: Option<u8>,
}

impl Domain {
    fn new(number: u8) -> Self {
        Self {
            number,
            memory: Tracked::new("s390_domain", ()),
            rcu: RcuHead::new(in_world(move |w: &World| k2::rcu_free_domain(w, number))),
            list_lock: SpinLock::new("list_lock", Devices::default()),
            dma_table_lock: SpinLock::new("dma_table_lock", ()),
        }
    }

    /// Returns the number of the domain.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Returns the table of the domain.
    pub fn table(&self) -> Table {
        Table::Domain(self.number)
    }
}

/// `struct zpci_dev`, and the `struct device` that represents it.
#[derive(Debug)]
pub struct Zdev {
    memory: Tracked,
    /// `rcu`.
    pub rcu: RcuHead,
    /// The group, of which the device is the only member.
    pub group: Group,
    /// `s390_domain`.
    pub s390_domain: DomainField,
    dma_table: Atomic,
    /// The number of pairs of bitmaps that the DMA API has for the device.
    pub bitmaps: Atomic,
    /// The range of the address space, represented by a number.
    pub aperture: u8,
    /// `dma_domain_lock` of a patch that was not merged.
    pub dma_domain_lock: DeviceLock,
    /// `dev_iommu_priv` of the same patch.
    pub dev_iommu_priv: Atomic,
    /// `dom_lock`, since v6.13.
    pub dom_lock: DeviceLock,
    /// `state_lock`, since v6.7, with whether the function is configured.
    pub state_lock: Mutex<bool>,
}

/// A lock of a device, either a spinlock or a mutex, which the review disagreed about.
#[derive(Debug)]
pub enum DeviceLock {
    /// A spinlock.
    Spin(SpinLock),
    /// A mutex.
    Mutex(Mutex),
}

/// The guard of a held [`DeviceLock`].
#[derive(Debug)]
pub enum DeviceGuard<'a> {
    /// A spinlock.
    Spin(SpinGuard<'a, ()>),
    /// A mutex.
    Mutex(MutexGuard<'a, ()>),
}

impl DeviceLock {
    fn new(class: &'static str, spins: bool) -> Self {
        match spins {
            true => Self::Spin(SpinLock::new(class, ())),
            false => Self::Mutex(Mutex::new(class, ())),
        }
    }

    /// Locks it.
    #[track_caller]
    pub fn lock(&self) -> DeviceGuard<'_> {
        match self {
            Self::Spin(lock) => DeviceGuard::Spin(lock.spin_lock_irqsave()),
            Self::Mutex(lock) => DeviceGuard::Mutex(lock.lock()),
        }
    }
}

impl DeviceGuard<'_> {
    /// Unlocks it.
    #[track_caller]
    pub fn unlock(self) {
        match self {
            Self::Spin(guard) => guard.unlock(),
            Self::Mutex(guard) => guard.unlock(),
        }
    }
}

impl Zdev {
    fn new(number: usize, aperture: u8, kernel: &Kernel) -> Self {
        Self {
            memory: Tracked::new("zpci_dev", ()),
            rcu: RcuHead::new(in_world(move |w: &World| w.kfree_zdev(number))),
            group: Group::new(),
            s390_domain: DomainField::new("s390_domain of zdev"),
            dma_table: Atomic::new("dma_table", 0),
            bitmaps: Atomic::new("iommu_bitmap", 0),
            aperture,
            dma_domain_lock: DeviceLock::new("dma_domain_lock", kernel.dma_domain_lock_spins()),
            dev_iommu_priv: Atomic::new("dev_iommu_priv", 0),
            dom_lock: DeviceLock::new("dom_lock", kernel.dom_lock_spins()),
            state_lock: Mutex::new("state_lock", true),
        }
    }

    /// Stores `s390_domain`, with `dom_lock` held if the kernel has it.
    #[track_caller]
    pub fn set_s390_domain(&self, kernel: &Kernel, domain: Option<Dom>) {
        let _locked = kernel.has_dom_lock().then(|| self.dom_lock.lock());
        self.s390_domain.write(domain);
    }

    /// Reads `dma_table`, which is the table that is registered or about to be registered.
    #[track_caller]
    pub fn dma_table(&self) -> Option<Table> {
        match self.dma_table.load() {
            0 => None,
            word if word < 16 => Some(Table::Domain(word as u8 - 1)),
            word => Some(Table::DmaApi(word as u8 - 16)),
        }
    }

    /// Stores `dma_table`.
    #[track_caller]
    pub fn set_dma_table(&self, table: Option<Table>) {
        self.dma_table.store(match table {
            None | Some(Table::Identity) => 0,
            Some(Table::Domain(number)) => 1 + u64::from(number),
            Some(Table::DmaApi(number)) => 16 + u64::from(number),
        });
    }
}

/// The hardware, its functions, and the domains.
#[derive(Debug)]
pub struct World {
    /// The kernel that drives it.
    pub kernel: Kernel,
    /// The hardware.
    pub hardware: Hardware,
    zdevs: Vec<Zdev>,
    domains: Vec<Domain>,
    /// The devices of each domain, since v6.2.
    pub lists: Lists,
    /// RCU.
    pub rcu: Rcu,
}

impl World {
    /// Creates a world as [`new`](Self::new) does, but does not probe the functions.
    pub fn unprobed(kernel: Kernel, apertures: &[u8], rules: Rules) -> Self {
        Self {
            kernel,
            hardware: Hardware::new(apertures.len(), DOMAINS, rules),
            zdevs: (0..)
                .zip(apertures)
                .map(|(n, aperture)| Zdev::new(n, *aperture, &kernel))
                .collect(),
            domains: (0..DOMAINS).map(Domain::new).collect(),
            lists: Lists::new(DOMAINS),
            rcu: Rcu::new(),
        }
    }

    /// Follows a pointer to device `zdev`.
    #[track_caller]
    pub fn zdev(&self, zdev: usize) -> &Zdev {
        self.zdevs[zdev].memory.get();
        &self.zdevs[zdev]
    }

    /// Returns device `zdev`, which the caller protects from removal.
    pub fn held(&self, zdev: usize) -> &Zdev {
        &self.zdevs[zdev]
    }

    /// Follows a pointer to a domain.
    #[track_caller]
    pub fn domain(&self, number: u8) -> &Domain {
        self.domains[usize::from(number)].memory.get();
        &self.domains[usize::from(number)]
    }

    /// Returns the `rcu_head` of a domain.
    pub fn domain_head(&self, number: u8) -> &RcuHead {
        &self.domains[usize::from(number)].rcu
    }

    /// Frees the structure of a domain.
    #[track_caller]
    pub fn kfree_domain(&self, number: u8) {
        self.domains[usize::from(number)].memory.release();
    }

    /// Frees the structure of a device.
    #[track_caller]
    pub fn kfree_zdev(&self, zdev: usize) {
        self.zdevs[zdev].memory.release();
    }

    /// Returns how often a device is on the list of a domain, in either kind of list.
    fn listed(&self, zdev: usize, number: u8) -> usize {
        let on_it = |node: &&usize| **node == zdev;
        if self.kernel.lists_by_rcu() {
            return self.lists.devices_of(number).iter().filter(on_it).count();
        }
        let devices = self.domains[usize::from(number)].list_lock.spin_lock_irqsave();
        devices.nodes.iter().filter(on_it).count()
    }

    /// Checks the end state, when no other thread runs. Hardware and software agree (I-1). Each
    /// device is on the list of its domain and on no other (I-3). No released device is on a list
    /// (I-5). The DMA API has no surplus bitmaps (I-7b) and no surplus table (I-7d). Then this
    /// frees everything that the scenario has not freed.
    pub fn at_rest(&self, freed: &[Dom], gone: &[usize]) {
        for zdev in 0..self.zdevs.len() {
            self.check_device(zdev, freed);
        }
        self.check_apertures(freed);
        let table = |domain: &Dom| match domain {
            Dom::Paging(number) => Some(Table::Domain(*number)),
            Dom::Blocking | Dom::Identity => None,
        };
        let tables: Vec<Table> = freed.iter().filter_map(table).collect();
        let used: Vec<Table> = self.zdevs.iter().filter_map(Zdev::dma_table).collect();
        if let Some(table) = self.hardware.leaked_table(&used, &tables) {
            rule_broken(&self.hardware, "I-7d", format!("{table:?} leaked"));
        }
        for (number, domain) in self.domains.iter().enumerate() {
            if !freed.contains(&Dom::Paging(number as u8)) {
                domain.memory.release();
            }
        }
        for (zdev, device) in self.zdevs.iter().enumerate() {
            if !gone.contains(&zdev) {
                device.memory.release();
            }
        }
    }

    /// Checks that all devices of a domain have its aperture, up to v6.1.
    fn check_apertures(&self, freed: &[Dom]) {
        for (number, domain) in self.domains.iter().enumerate() {
            let devices = domain.list_lock.spin_lock_irqsave();
            let other = |zdev: &&usize| Some(self.zdevs[**zdev].aperture) != devices.aperture;
            if !freed.contains(&Dom::Paging(number as u8))
                && devices.nodes.iter().any(|z| other(&z))
            {
                rule_broken(
                    &self.hardware,
                    "APERTURE",
                    format!("domain {number} has two apertures"),
                );
            }
        }
    }

    fn check_device(&self, zdev: usize, freed: &[Dom]) {
        let device = &self.zdevs[zdev];
        let (domain, table) = (device.s390_domain.read(), device.dma_table());
        let believed = match domain {
            Some(Dom::Paging(number)) => Some(Table::Domain(number)),
            Some(Dom::Identity) => Some(Table::Identity),
            Some(Dom::Blocking) => None,
            None => table,
        };
        let released = self.hardware.is_released(zdev);
        let registered = self.hardware.registered(zdev);
        let said = registered.filter(|table| *table != Table::Identity);
        let differ = registered != believed || said != table;
        if differ && !released && !self.hardware.is_absent(zdev) {
            let message = format!(
                "{registered:?} is registered, {believed:?} is attached, {table:?} is recorded"
            );
            rule_broken(&self.hardware, "I-1", message);
        }
        for number in (0..DOMAINS).filter(|number| !freed.contains(&Dom::Paging(*number))) {
            let listed = self.listed(zdev, number);
            if listed > 0 && released {
                rule_broken(
                    &self.hardware,
                    "I-5",
                    format!("domain {number} has a device that was removed"),
                );
            }
            if !released && listed != usize::from(domain == Some(Dom::Paging(number))) {
                rule_broken(
                    &self.hardware,
                    "I-3",
                    format!("device {zdev} and the list of domain {number} disagree"),
                );
            }
        }
        let bitmaps = device.bitmaps.load();
        if bitmaps != u64::from(matches!(table, Some(Table::DmaApi(_)))) {
            rule_broken(
                &self.hardware,
                "I-7b",
                format!("the DMA API has {bitmaps} pairs of bitmaps"),
            );
        }
    }
}
