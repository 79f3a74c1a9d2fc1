//! An allocator of one's own: checked, in a table next to the others, and in the simulation.
//!
//! `cargo run --release -p selvedge-benches --no-default-features --example own_allocator`. Takes
//! some seconds.

use std::time::Duration;

use selvedge_benches::iova::{APERTURE, Contestant, Shape, contestants, mean};
use selvedge_benches::nvme::{Costs, Scheme, simulate};
use selvedge_iova::check::{Promises, Wrong, against_reference};
use selvedge_iova::{Allocator, NotFreed, Pages, Pfn, Refused, Request};

/// The lowest pages that are free and suit the request.
struct FirstFit {
    aperture: Pages,
    /// In order.
    out: Vec<Pages>,
}

impl FirstFit {
    fn new(aperture: Pages) -> Self {
        Self { aperture, out: Vec::new() }
    }
}

impl Allocator for FirstFit {
    fn alloc(&mut self, _cpu: usize, request: Request) -> Result<Pfn, Refused> {
        let end = request.limit().min(self.aperture.pfn + self.aperture.count);
        let mut pfn = self.aperture.pfn.next_multiple_of(request.align());
        let mut at = 0;
        for next in &self.out {
            if next.pfn >= pfn + request.count() {
                break;
            }
            pfn = pfn.max(next.pfn + next.count).next_multiple_of(request.align());
            at += 1;
        }
        if pfn + request.count() > end {
            return Err(Refused::Exhausted);
        }
        self.out.insert(at, Pages { pfn, count: request.count() });
        Ok(pfn)
    }

    fn free(&mut self, _cpu: usize, pages: Pages) -> Result<(), NotFreed> {
        let at = self.out.binary_search(&pages).map_err(|_| NotFreed::NotAllocated)?;
        self.out.remove(at);
        Ok(())
    }
}

fn main() -> Result<(), Wrong> {
    against_reference(Promises::eager(), FirstFit::new)?;

    let mut all = contestants();
    all.push(Contestant::new("FirstFit", || FirstFit::new(APERTURE)).at_most(1_000));
    println!("{:>36} {:>10} {:>10}", "ns per turn, one page each", "16 out", "1,000 out");
    for contestant in &all {
        let time = |live| mean(contestant, Shape::OnePage, live, Duration::from_millis(20));
        let [few, many] = [16, 1_000].map(|live| time(live).as_secs_f64() * 1e9);
        println!("{:>36} {few:>10.1} {many:>10.1}", contestant.name());
    }

    println!("\n{:>36} {:>10}", "simulated", "requests/s");
    let own = Scheme::strict("strict over FirstFit", |aperture, _cpus| FirstFit::new(aperture));
    for scheme in [Scheme::BitmapLazy, Scheme::Strict, own] {
        let outcome = simulate(&scheme, &Costs::guest(), Duration::from_secs(1), 1);
        let iops = outcome.expect("the scheme must not run out of addresses").iops;
        println!("{:>36} {iops:>10.0}", scheme.to_string());
    }
    Ok(())
}
