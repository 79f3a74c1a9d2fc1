//! The cycles of the dependency graph.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::usage::Usage;
use super::{ClassId, Edge, Inversion, Link, Lockdep, Mode};

impl Lockdep {
    /// Returns the cycles, each once, the shortest first: for each dependency that is no detour of
    /// others, the shortest one that contains it.
    pub(super) fn cycles(&self, usage: &Usage) -> Vec<Inversion> {
        let name = |edge: &Edge| (self.name(edge.from), self.name(edge.to));
        let needed: Vec<bool> = self.edges.iter().map(|edge| !self.is_replaced(edge)).collect();
        let mut closing: Vec<&Edge> =
            self.edges.iter().zip(&needed).filter(|(_, needed)| **needed).map(|(e, _)| e).collect();
        closing.sort_by_key(|edge| name(edge));
        let cycle = |closing: &Edge| {
            let path = self.strong_path(
                closing.to,
                &needed,
                |first| closing.wanted.waits_for(first.held),
                |last| last.to == closing.from && last.wanted.waits_for(closing.held),
            )?;
            Some(self.cycle(&path, closing, usage))
        };
        let cycles = closing.into_iter().filter_map(cycle);
        let recursive = self.recursive.values().map(|edge| self.cycle(&[], edge, usage));
        let by_name: BTreeMap<Vec<String>, Inversion> =
            cycles.chain(recursive).map(|inversion| (inversion.classes(), inversion)).collect();
        let mut inversions: Vec<Inversion> = by_name.into_values().collect();
        inversions.sort_by_key(|inversion| inversion.links.len());
        inversions
    }

    /// Returns whether a path over the nearest held locks is as strong as the dependency.
    fn is_replaced(&self, edge: &Edge) -> bool {
        let nearest: Vec<bool> = self.edges.iter().map(|edge| edge.nearest).collect();
        let begins = |first: &Edge| !first.held.shared() || edge.held.shared();
        let recursive = |edge: &Edge| edge.wanted == Mode::SharedRecursive;
        let ends = |last: &Edge| last.to == edge.to && (!recursive(last) || recursive(edge));
        !edge.nearest && self.strong_path(edge.from, &nearest, begins, ends).is_some()
    }

    /// Returns the shortest path from a class over the dependencies in `usable` on which every link
    /// really waits for the next: breadth first over (class, mode in which it was wanted).
    fn strong_path(
        &self,
        from: ClassId,
        usable: &[bool],
        begins: impl Fn(&Edge) -> bool,
        ends: impl Fn(&Edge) -> bool,
    ) -> Option<Vec<usize>> {
        let mut coverage: Vec<(usize, Option<usize>)> = Vec::new();
        let mut seen: FxHashSet<(ClassId, Mode)> = FxHashSet::default();
        let leave = |class: ClassId, follows: &dyn Fn(&Edge) -> bool| {
            let edges = self.from.get(&class).map_or(&[][..], Vec::as_slice);
            let follow = |i: &&usize| usable[**i] && follows(&self.edges[**i]);
            let mut edges: Vec<usize> = edges.iter().filter(follow).copied().collect();
            edges.sort_by_key(|i| self.name(self.edges[*i].to));
            edges
        };
        let mut queue: Vec<(usize, Option<usize>)> =
            leave(from, &begins).into_iter().map(|edge| (edge, None)).collect();
        let mut next = 0;
        while let Some(&(index, parent)) = queue.get(next) {
            next += 1;
            let edge = &self.edges[index];
            if !seen.insert((edge.to, edge.wanted)) {
                continue;
            }
            coverage.push((index, parent));
            let here = coverage.len() - 1;
            if ends(edge) {
                return Some(unroll(&coverage, here));
            }
            let follows = |next: &Edge| {
                edge.wanted.waits_for(next.held) && !seen.contains(&(next.to, next.wanted))
            };
            queue.extend(leave(edge.to, &follows).into_iter().map(|edge| (edge, Some(here))));
        }
        None
    }

    fn cycle(&self, path: &[usize], closing: &Edge, usage: &Usage) -> Inversion {
        let link = |edge: &Edge| Link {
            task: edge.task.clone(),
            held: (self.name(edge.from).to_owned(), edge.held_at),
            wanted: (self.name(edge.to).to_owned(), edge.wanted_at),
            modes: (edge.held, edge.wanted),
            interrupt: edge.interrupt,
            arrives: edge.arrives,
        };
        let edges: Vec<&Edge> = path.iter().map(|index| &self.edges[*index]).collect();
        let edges = || edges.iter().copied().chain([closing]);
        let marks = |class: ClassId| {
            let wait_type = self.wait_types.get(&class).map_or("{0:0}", |kind| kind.marks());
            format!("{}-{wait_type}", usage.marks(class))
        };
        let usage = edges().map(|edge| (self.name(edge.from).to_owned(), marks(edge.from)));
        Inversion { usage: usage.collect(), links: edges().map(link).collect() }
    }
}

fn unroll(coverage: &[(usize, Option<usize>)], last: usize) -> Vec<usize> {
    let mut path = Vec::new();
    let mut here = Some(last);
    while let Some(step) = here {
        path.push(coverage[step].0);
        here = coverage[step].1;
    }
    path.reverse();
    path
}
