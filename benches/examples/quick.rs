use selvedge_core::{Engine, Limits, Progress, Search};
use selvedge_models::programs::Program;
use std::ops::ControlFlow;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let p = Program::named(&a[0]).unwrap();
    let s = p.scenario();
    let mut l = Limits::default();
    l.search = a[1].parse().unwrap();
    l.jobs = a.get(2).map_or(1, |j| j.parse().unwrap()).try_into().unwrap();
    let n: usize = a.get(3).map_or(1, |j| j.parse().unwrap());
    let mut best = f64::MAX;
    for _ in 0..n {
        let t = Instant::now();
        let r = s.verify_with(Engine::Native, &l, &mut |_: Progress<'_>| ControlFlow::Continue(()));
        let e = t.elapsed().as_secs_f64();
        if e < best {
            best = e;
            println!(
                "{:.3} ms {} execs {} {:x?} {:.0} ns/exec",
                e * 1e3,
                r.verdict.as_str(),
                r.executions,
                r.certificate,
                e * 1e9 / r.executions as f64
            );
        }
    }
}
