//! The operations of the driver that the core calls, by version.

use super::dma_api;
use super::domain::{A, Dom};
use super::hardware::{Rules, Table};
use super::kernel::{Driver, Kernel};
use super::versions::{k0, k1, k1p, k2, k3, k4, proposed};
use super::world::World;
use crate::Errno;

impl World {
    /// Creates hardware with a function for each of these apertures, all of them probed. They are
    /// in the mode of the DMA API up to v6.6, and attached to the default domain since v6.7.
    pub fn new(kernel: Kernel, apertures: &[u8], rules: Rules) -> Self {
        let world = Self::unprobed(kernel, apertures, rules);
        (0..apertures.len()).for_each(|zdev| kernel.probe(&world, zdev));
        world
    }
}

impl Kernel {
    /// Adds a function: `zpci_bus_prepare_device`, `probe_device`, and the default domain.
    pub fn probe(&self, w: &World, zdev: usize) {
        if self.has_dma_api() {
            dma_api::zpci_dma_init_device(w, zdev).expect("new hardware accepts a table");
        }
        self.probe_device(w, zdev);
        if let Some(domain) = self.default_domain(zdev) {
            self.attach_dev(w, domain, zdev).expect("new hardware accepts a table");
            w.held(zdev).group.domain.write(Some(domain));
        }
    }

    /// Models `ops->probe_device`.
    pub fn probe_device(&self, w: &World, zdev: usize) {
        match self.driver {
            Driver::K0 | Driver::K1 | Driver::K2 | Driver::K3 => {}
            Driver::K1p(_) => k1p::probe_device(w, zdev),
            Driver::K4 | Driver::K5 | Driver::K6 | Driver::Proposed => k4::probe_device(w, zdev),
        }
    }

    /// Models `ops->attach_dev`. The caller holds the group's mutex.
    ///
    /// # Errors
    ///
    /// The error of the driver.
    pub fn attach_dev(&self, w: &World, domain: Dom, zdev: usize) -> Result<(), Errno> {
        let Dom::Paging(number) = domain else {
            match domain {
                Dom::Identity => return k4::identity_attach_dev(w, zdev),
                _ => self.attach_blocking(w, zdev),
            }
            return Ok(());
        };
        match self.driver {
            Driver::K0 => k0::attach_dev(w, number, zdev),
            Driver::K1 => k1::attach_dev(w, number, zdev),
            Driver::K1p(revision) => k1p::attach_dev(w, revision, number, zdev),
            Driver::K2 => k2::attach_dev(w, number, zdev),
            Driver::K3 => k3::attach_dev(w, number, zdev),
            Driver::K4 | Driver::K5 | Driver::K6 => k4::attach_dev(w, number, zdev),
            Driver::Proposed => proposed::attach_dev(w, number, zdev),
        }
    }

    /// Models `ops->detach_dev`, for a core that has no domain to attach instead.
    pub fn detach_dev(&self, w: &World, domain: Dom, zdev: usize) {
        let Dom::Paging(number) = domain else { return };
        match self.driver {
            Driver::K0 => k0::detach_dev(w, number, zdev),
            Driver::K1 => k1::detach_dev(w, number, zdev),
            Driver::K1p(revision) => k1p::detach_dev(w, revision, number, zdev),
            _ => k2::detach_dev(w, zdev),
        }
    }

    /// Models `ops->release_device`. From v6.13 on the core attaches the blocking domain instead.
    pub fn release_device(&self, w: &World, zdev: usize) {
        match self.driver {
            Driver::K0 | Driver::K1 => k0::release_device(w, zdev),
            Driver::K1p(revision) => k1p::release_device(w, revision, zdev),
            Driver::K2 => k2::release_device(w, zdev),
            Driver::K3 => k3::release_device(w, zdev),
            Driver::K4 | Driver::K5 | Driver::K6 | Driver::Proposed => {
                self.attach_blocking(w, zdev)
            }
        }
    }

    fn attach_blocking(&self, w: &World, zdev: usize) {
        match self.driver {
            Driver::Proposed => proposed::blocking_attach_dev(w, zdev),
            _ => k4::blocking_attach_dev(w, zdev),
        }
    }

    /// Models `ops->free`, which `iommu_domain_free` calls.
    pub fn domain_free(&self, w: &World, domain: Dom) {
        let Dom::Paging(number) = domain else { return };
        match self.driver {
            Driver::K0 | Driver::K1 => k0::domain_free(w, number),
            Driver::K1p(revision) => k1p::domain_free(w, revision, number),
            _ => k2::domain_free(w, number),
        }
    }

    /// Models `iommu_map` of a page into the domain of VFIO.
    pub fn map(&self, w: &World, page: u8) {
        let Dom::Paging(number) = A else { return };
        match self.lists_by_rcu() {
            true => k2::map_page(w, number, page),
            false => k0::map(w, number, page),
        }
    }

    /// Models `iommu_unmap` of a page of VFIO's domain. When it returns, the page may be reused.
    pub fn unmap(&self, w: &World, page: u8) {
        let Dom::Paging(number) = A else { return };
        match self.lists_by_rcu() {
            true => k2::unmap_page(w, number, page, k2::Errors::Ignore),
            false => k0::unmap(w, number, page),
        }
        w.hardware.hands_out_again(Table::Domain(number), page);
    }
}
