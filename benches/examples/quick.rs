use std::time::Instant;
use selvedge_benches::programs::PROGRAMS;
use selvedge_core::{Engine, Limits, Search};
use std::ops::ControlFlow;
fn main() {
    for p in PROGRAMS {
        for search in [Search::Reduced, Search::Census] {
            let s = p.scenario().proved();
            let mut l = Limits::default();
            l.search = search;
            l.jobs = std::env::var("JOBS").map_or(1, |j| j.parse().unwrap()).try_into().unwrap();
            let mut best = f64::MAX;
            let mut out = String::new();
            for _ in 0..5 {
            let t = Instant::now();
            let r = s.verify_with(Engine::Native, &l, &mut |_| ControlFlow::Continue(()));
            best = best.min(t.elapsed().as_secs_f64());
            out = format!("{} execs {:?} {:x?}", r.verdict.as_str(), r.executions, r.certificate);
            }
            println!("{:10} {:8} {:9.3} ms {out} {}", p.name, search.as_str(), best*1e3, r_ok(p.states, search));
        }
    }
}
fn r_ok(s: u64, _: Search) -> String { format!("known {s}") }
