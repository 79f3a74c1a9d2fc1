//! Waits of threads for each other, for brute force: closed sets, and the names of deadlocks.

use std::collections::BTreeSet;

/// The wait of a thread: what it waits for, and the threads each of which has to act first. What an
/// interrupted thread waits for has no name.
pub(crate) type Wait = (&'static str, Vec<usize>);

/// Returns the largest set of threads each of which waits for one in it.
pub(crate) fn closed(waits: &[Option<Wait>]) -> BTreeSet<usize> {
    let mut stuck: BTreeSet<usize> = (0..waits.len()).collect();
    loop {
        let left = stuck.iter().copied().filter(|at| {
            waits[*at].as_ref().is_some_and(|(_, by)| by.iter().any(|by| stuck.contains(by)))
        });
        let left: BTreeSet<usize> = left.collect();
        if left == stuck {
            return stuck;
        }
        stuck = left;
    }
}

/// Returns, for each thread of `stuck` that is on a cycle of them, the names of the shortest cycles
/// through it.
pub(crate) fn cycles(waits: &[Option<Wait>], stuck: &BTreeSet<usize>) -> Vec<Vec<String>> {
    let through = |start: &usize| {
        let mut paths = vec![vec![*start]];
        while !paths.is_empty() {
            let mut steps = Vec::new();
            for path in &paths {
                let (_, by) = waits[path[path.len() - 1]].as_ref().expect("it waits");
                steps.extend(by.iter().filter(|by| stuck.contains(by)).map(|by| (path, *by)));
            }
            let closed = steps.iter().filter(|(_, next)| next == start);
            let names: BTreeSet<String> = closed.map(|(path, _)| name(waits, path)).collect();
            if !names.is_empty() {
                return names.into_iter().collect();
            }
            let longer = steps.into_iter().filter(|(path, next)| !path.contains(next));
            paths = longer.map(|(path, next)| [path.clone(), vec![next]].concat()).collect();
        }
        Vec::new()
    };
    stuck.iter().map(through).filter(|names: &Vec<String>| !names.is_empty()).collect()
}

/// Returns the name of a deadlock of these threads.
pub(crate) fn name(waits: &[Option<Wait>], threads: &[usize]) -> String {
    let classes = threads.iter().map(|at| waits[*at].as_ref().expect("it waits").0);
    let classes: BTreeSet<&str> = classes.filter(|class| !class.is_empty()).collect();
    format!("deadlock({})", Vec::from_iter(classes).join(", "))
}
