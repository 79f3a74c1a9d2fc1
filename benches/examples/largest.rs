use selvedge_core::{Engine, Limits, Search};
use selvedge_models::ap_perms_instance as instance;
use std::ops::ControlFlow;
use std::time::Instant;
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let s = instance(a[0], a[1]);
    let mut l = Limits::default();
    l.search = Search::Reduced;
    l.jobs = a[2].try_into().unwrap();
    l.native_memory = 12 << 30;
    let t = Instant::now();
    let mut p = String::new();
    let r = s.verify_with(Engine::Native, &l, &mut |x| {
        p = format!("{x:?}");
        if t.elapsed().as_secs() > 100 {
            ControlFlow::Break("time".into())
        } else {
            ControlFlow::Continue(())
        }
    });
    println!("{:?} {r} execs {:?} {:?} {p}", t.elapsed(), r.executions, r.certificate);
}
