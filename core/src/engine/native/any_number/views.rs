//! Views of a few threads among any number.
//!
//! A view shows every thread that has a name of its own and some others; objects name the rest
//! `HIDDEN`. A set of views is *closed* if it has the views of every beginning, and if each step
//! out of a state of one thread more, all of whose views are in the set, leads to a state whose
//! views are in the set. A closed set has the views of every reachable state of every number of
//! threads (P. A. Abdulla, F. Haziza and L. Holik, "All for the price of few", VMCAI 2013). It may
//! have others too, so what happens in a view may never happen, but what happens in none never
//! does.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::engine::native::automaton::{Automaton, Kinds, Leads, Unknown, ViolatedKey, Wakers};
use crate::limits::Listener;
use crate::op::ThreadId;

use super::instances::{Instances, Shown, counts};
use super::waits::Waits;
use super::{Open, VIEWS_MAX};

/// A state in which a few threads are shown.
#[derive(Clone, PartialEq, Eq, Hash)]
struct View {
    state: Box<[u32]>,
    /// The kinds of the hidden threads that are about to [wake up](Wakers) others.
    wakes: Kinds,
}

/// The role of a thread in each object, if the object names it.
type Roles = Vec<Option<u32>>;

/// A set of views that grows until it is closed.
pub(super) struct Views<'g> {
    /// The number of threads that a view shows, beside those with a name of their own.
    shown: usize,
    groups: &'g [Vec<ThreadId>],
    known: FxHashSet<View>,
    /// The threads of views that are the same if these are hidden too. Only they can be in one
    /// state.
    together: FxHashMap<View, FxHashSet<(usize, u32, Roles)>>,
    /// The states of one thread more whose successors are known.
    expanded: FxHashSet<View>,
    to_do: Vec<View>,
    wakers: Wakers,
    waits: Waits,
}

/// The steps out of a state.
#[derive(Default)]
struct Steps {
    next: Vec<Vec<u32>>,
    violated: Option<ViolatedKey>,
}

impl<'g> Views<'g> {
    pub(super) fn new(
        shown: usize,
        groups: &'g [Vec<ThreadId>],
        instances: &Instances<'_, '_>,
    ) -> Self {
        Self {
            shown,
            groups,
            known: FxHashSet::default(),
            together: FxHashMap::default(),
            expanded: FxHashSet::default(),
            to_do: Vec::new(),
            wakers: instances.automaton().wakers(),
            waits: Waits::default(),
        }
    }

    /// Returns the number of views.
    pub(super) fn len(&self) -> u64 {
        self.known.len() as u64
    }

    /// Adds views until the set is closed. Fails if some view may violate something, or threads may
    /// come to wait for each other.
    pub(super) fn close(
        &mut self,
        instances: &mut Instances<'_, '_>,
        listener: &mut Listener<'_>,
    ) -> Result<(), Open> {
        let one_of_each = instances.beginning(&vec![1; self.groups.len()]);
        let all = self.wakes(&one_of_each, instances);
        for counts in counts(self.shown, self.groups.len()) {
            let state: Box<[u32]> = instances.beginning(&counts).into();
            // Any of the functions may be those of hidden threads.
            for wakes in subsets(all) {
                self.add(View { state: state.clone(), wakes }, instances)?;
            }
        }
        while let Some(view) = self.to_do.pop() {
            self.extend(&view, instances)?;
            if self.known.len() > VIEWS_MAX {
                return Err(Open::Cannot(format!("there are more than {VIEWS_MAX} views")));
            }
            instances.listen(self.known.len(), listener)?;
        }
        if instances.automaton().may_be_endless() {
            return Err(Open::Cannot("a thread may repeat what it does without end".to_owned()));
        }
        self.waits.check(instances)
    }

    /// Adds a view, which is not sorted yet.
    fn add(&mut self, view: View, instances: &mut Instances<'_, '_>) -> Result<(), Open> {
        let view = sorted(view, instances)?;
        if self.known.contains(&view) {
            return Ok(());
        }
        let shown = instances.shown(&view.state);
        let threads: Vec<ThreadId> = shown.iter().map(|shown| shown.thread).collect();
        let rest = self.hide(&view, &threads, instances)?;
        for Shown { thread, group, local } in shown {
            let objects = instances.objects(&view.state).into_iter();
            let roles = objects.map(|object| instances.role(object, thread)).collect();
            self.together.entry(rest.clone()).or_default().insert((group, local, roles));
        }
        self.known.insert(view.clone());
        self.to_do.push(view);
        Ok(())
    }

    /// Takes every step out of the states that have `view` and one thread more.
    fn extend(&mut self, view: &View, instances: &mut Instances<'_, '_>) -> Result<(), Open> {
        let threads: Vec<ThreadId> =
            instances.shown(&view.state).iter().map(|shown| shown.thread).collect();
        let rest = self.hide(view, &threads, instances)?;
        let others: Vec<(usize, u32, Roles)> = self.together[&rest].iter().cloned().collect();
        for (group, local, roles) in others {
            let mut slots = self.groups[group].iter();
            let slot = slots.find(|thread| !threads.contains(thread)).expect("one slot more");
            for view in self.with_thread(view, *slot, local, &roles, instances)? {
                let view = sorted(view, instances)?;
                if !self.expanded.contains(&view) && self.has_views_of(&view, instances)? {
                    self.expand(&view, instances)?;
                    self.expanded.insert(view);
                }
            }
        }
        Ok(())
    }

    /// Returns whether the set has every view of a state of one thread more.
    fn has_views_of(&self, state: &View, instances: &mut Instances<'_, '_>) -> Result<bool, Open> {
        for Shown { thread, .. } in instances.shown(&state.state) {
            let view = sorted(self.hide(state, &[thread], instances)?, instances)?;
            if !self.known.contains(&view) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds the views of every successor of a state of one thread more.
    fn expand(&mut self, view: &View, instances: &mut Instances<'_, '_>) -> Result<(), Open> {
        let View { state, wakes } = view;
        let Steps { next, violated } =
            instances.know(state, |automaton| steps(automaton, state))?;
        if let Some((object, kind)) = violated {
            let of = object.map_or(String::new(), |object| format!("({})", instances.name(object)));
            return Err(Open::Violated(format!("{kind}{of}")));
        }
        self.waits.add(state, *wakes, &self.wakers, instances)?;
        for next in next {
            if next[0] != state[0] {
                return Err(Open::Cannot("a thread creates threads or objects".to_owned()));
            }
            let next = View { state: next.into(), wakes: *wakes };
            for Shown { thread, .. } in instances.shown(&next.state) {
                let view = self.hide(&next, &[thread], instances)?;
                self.add(view, instances)?;
            }
        }
        Ok(())
    }

    /// Returns the kinds of the threads that `state` shows.
    fn wakes(&self, state: &[u32], instances: &Instances<'_, '_>) -> Kinds {
        let shown = instances.shown(state).into_iter();
        shown.fold(0, |all, shown| all | self.wakers.kind(shown.local))
    }

    /// Returns the view without `threads`, not sorted.
    fn hide(
        &self,
        view: &View,
        threads: &[ThreadId],
        instances: &mut Instances<'_, '_>,
    ) -> Result<View, Open> {
        let mut state = view.state.clone();
        let mut wakes = view.wakes;
        for thread in threads {
            wakes |= self.wakers.kind(instances.automaton().local(&state, *thread));
            instances.hide(&mut state, *thread);
        }
        let objects = instances.objects(&view.state);
        let first = state.len() - objects.len();
        for (at, object) in objects.into_iter().enumerate() {
            let hidden =
                instances.know(&view.state, |automaton| automaton.hidden(object, threads))?;
            state[first + at] = hidden;
        }
        Ok(View { state, wakes })
    }

    /// Returns the states that become `view` when `thread`, which has this local state and these
    /// roles, is hidden.
    fn with_thread(
        &self,
        view: &View,
        thread: ThreadId,
        local: u32,
        roles: &Roles,
        instances: &mut Instances<'_, '_>,
    ) -> Result<Vec<View>, Open> {
        let own = self.wakers.kind(local);
        if own & !view.wakes != 0 {
            return Ok(Vec::new());
        }
        let mut state = view.state.to_vec();
        instances.automaton().set_local(&mut state, thread, local);
        let objects = instances.objects(&view.state);
        let first = state.len() - objects.len();
        let mut states = vec![state];
        for (at, (object, role)) in objects.into_iter().zip(roles).enumerate() {
            let Some(role) = *role else { continue };
            let exposed = instances.know(&view.state, |automaton| {
                automaton.exposed(object, thread, role).map(<[u32]>::to_vec)
            })?;
            let with = |state: Vec<u32>| {
                exposed.iter().map(move |object| {
                    let mut state = state.clone();
                    state[first + at] = *object;
                    state
                })
            };
            states = states.into_iter().flat_map(with).collect();
        }
        // What the thread does others may do as well, or not.
        let with = |state: Vec<u32>| {
            let state: Box<[u32]> = state.into();
            let others = subsets(own).map(move |others| view.wakes & !own | others);
            others.map(move |wakes| View { state: state.clone(), wakes })
        };
        Ok(states.into_iter().flat_map(with).collect())
    }
}

/// Returns every set of these bits.
fn subsets(bits: Kinds) -> impl Iterator<Item = Kinds> {
    let next = move |set: &Kinds| (*set != 0).then(|| (*set - 1) & bits);
    std::iter::successors(Some(bits), next)
}

fn steps(automaton: &Automaton, state: &[u32]) -> Result<Steps, Unknown> {
    let (mut steps, mut scratch) = (Steps::default(), Vec::new());
    automaton.expand(state, false, &mut scratch, |_, _, leads| match leads {
        Leads::To(successor) => {
            let mut next = Vec::new();
            successor.write_to(&mut next);
            steps.next.push(next);
        }
        Leads::Violates(what) => steps.violated = Some(what.key()),
    })?;
    Ok(steps)
}

fn sorted(view: View, instances: &mut Instances<'_, '_>) -> Result<View, Open> {
    let View { state, wakes } = view;
    let state = instances.know(&state, |automaton| {
        let mut sorted = state.clone();
        automaton.sort(&mut sorted).map(|_| sorted)
    })?;
    Ok(View { state, wakes })
}
