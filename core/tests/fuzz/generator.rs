//! A generator of random programs.

use super::program::{CHILDREN, Instr, MUTEXES, Program, Step, When};
use super::themes::Theme;

impl Program {
    /// Returns the program of this number.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        // Every operation is expensive, and the more so the more threads there are.
        let (threads, length) = [(2, 5), (2, 5), (3, 4), (3, 4), (4, 3)][rng.usize(..5)];
        let mut themes = Vec::new();
        while themes.len() < 2 {
            let theme = Theme::ALL[rng.usize(..Theme::ALL.len())];
            if !themes.contains(&theme) {
                themes.push(theme);
            }
        }
        let about = |theme| usize::from(themes.contains(&theme));
        let timers = about(Theme::Timers);
        let max_active = themes.contains(&Theme::Workqueue).then(|| rng.usize(1..=2));
        // One more than run at a time.
        let works = match max_active {
            Some(most) => most + 1,
            None => about(Theme::Works) * rng.usize(1..=2),
        };
        let in_memory = themes.contains(&Theme::Memory);
        let mut program = Self {
            mutexes: rng.usize(1..=3),
            spins: rng.usize(1..=2),
            sems: rng.usize(1..=2),
            unfair: rng.usize(1..=2),
            atomics: rng.usize(1..=2),
            queues: rng.usize(1..=2),
            completions: 1,
            condvars: 1,
            slots: vec![rng.u64(0..=2)],
            // Without that theme it would be a leak.
            krefs: about(Theme::Counts),
            tracked: usize::from(themes.iter().any(|theme| theme.frees())),
            in_memory,
            modules: about(Theme::Modules),
            srcus: 1,
            timers: vec![0; timers],
            works: vec![0; works],
            max_active,
            ..Self::default()
        };
        let starting = themes.iter().any(|theme| theme.starts());
        let (threads, length) = if starting { (2, length.min(4)) } else { (threads, length) };
        program.started = threads;
        for _ in 0..threads {
            let thread = program.thread(&mut rng, &themes, length);
            program.threads.push(thread);
        }
        program.spawn_the_rest(&mut rng, &themes);
        program.add_functions(&mut rng, &themes);
        program
    }

    /// Returns the program of this number with threads that repeat their steps for ever, some of
    /// which poll, and with timers and work that arm and queue themselves again.
    pub(crate) fn endless(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let themes = endless_themes(&mut rng);
        let about = |theme| usize::from(themes.contains(&theme));
        let mut program = Self {
            mutexes: rng.usize(1..=2),
            spins: rng.usize(1..=2),
            sems: 1,
            unfair: 1,
            atomics: rng.usize(1..=2),
            queues: 1,
            completions: 1,
            condvars: 1,
            slots: vec![rng.u64(0..=2)],
            srcus: 1,
            timers: vec![0; about(Theme::Timers)],
            works: vec![0; about(Theme::Works) + about(Theme::Workqueue)],
            max_active: themes.contains(&Theme::Workqueue).then_some(1),
            ..Self::default()
        };
        program.started = rng.usize(2..=3);
        let length = 5 - program.started as u32;
        for _ in 0..program.started {
            let mut thread = program.round(&mut rng, &themes, length);
            if rng.u8(..3) > 0 {
                let first = if rng.bool() { 0 } else { rng.usize(..=thread.len()) };
                // The library starts a thread whenever none waits for the expiry.
                let starts =
                    |step: &Step| matches!(step.instr, Instr::ModTimer(_) | Instr::QueueWork(_));
                let round = thread.split_off(first);
                thread.extend(round.into_iter().filter(|step| !starts(step)));
                // A round performs a visible operation.
                thread.push(Step::always(Instr::Load(0)));
                thread.insert(first, Step::always(Instr::Forever));
                thread.push(Step::always(Instr::Again));
            }
            program.threads.push(thread);
        }
        for t in 0..program.timers.len() {
            program.timers[t] = program.threads.len();
            let mut steps = program.round(&mut rng, &themes, 1);
            steps.insert(0, Step::always(Instr::Expires(t)));
            if rng.bool() {
                steps.push(Step::sometimes(&mut rng, Instr::ModTimer(t)));
            }
            steps.push(Step::always(Instr::TimerReturns(t)));
            program.threads.push(steps);
        }
        for w in 0..program.works.len() {
            program.works[w] = program.threads.len();
            let mut steps = program.round(&mut rng, &themes, 1);
            steps.insert(0, Step::always(Instr::WorkBegins(w)));
            if rng.bool() {
                steps.push(Step::sometimes(&mut rng, Instr::QueueWork(w)));
            }
            steps.push(Step::always(Instr::WorkReturns(w)));
            program.threads.push(steps);
        }
        program
    }

    /// Returns steps that can be repeated without end.
    fn round(&self, rng: &mut fastrand::Rng, themes: &[Theme], length: u32) -> Vec<Step> {
        let mut steps = self.thread(rng, themes, length);
        steps.retain(|step| step.instr.in_rounds());
        if rng.u8(..3) == 0 {
            // A thread performs an operation before it polls again.
            let at = rng.usize(..=steps.len());
            let poll = [Instr::Poll(rng.usize(..self.atomics)), Instr::Load(0)];
            steps.splice(at..at, poll.map(Step::always));
        }
        if rng.u8(..3) == 0 {
            let at = rng.usize(..=steps.len());
            let store = Instr::Store(rng.usize(..self.atomics), rng.u64(0..=1));
            steps.insert(at, Step::sometimes(rng, store));
        }
        steps
    }

    /// Gives each thread that is to be started a number and steps.
    fn spawn_the_rest(&mut self, rng: &mut fastrand::Rng, themes: &[Theme]) {
        let mut spawned = Vec::new();
        for thread in &mut self.threads {
            let mut mine = None;
            thread.retain_mut(|step| match step.instr {
                Instr::Spawn(_) | Instr::CallRcu(_) if spawned.len() < CHILDREN.len() => {
                    let number = self.started + spawned.len();
                    let callback = matches!(step.instr, Instr::CallRcu(_));
                    spawned.push(callback);
                    if callback {
                        step.instr = Instr::CallRcu(number);
                    } else {
                        step.instr = Instr::Spawn(number);
                        mine = Some(number);
                    }
                    true
                }
                Instr::Spawn(_) | Instr::CallRcu(_) => false,
                Instr::Join(_) => {
                    step.instr = Instr::Join(mine.unwrap_or(0));
                    mine.is_some()
                }
                _ => true,
            });
        }
        for callback in spawned {
            let mut thread = self.function(rng, themes, 2);
            if callback {
                let frame = [Instr::GraceBegins, Instr::GraceEnds].map(Step::always);
                thread.splice(..0, frame);
                thread.push(Step::always(Instr::GraceReturns));
            }
            self.threads.push(thread);
        }
    }

    /// Gives each timer and each work its function.
    fn add_functions(&mut self, rng: &mut fastrand::Rng, themes: &[Theme]) {
        for t in 0..self.timers.len() {
            self.timers[t] = self.threads.len();
            let mut steps = self.function(rng, themes, 2);
            steps.insert(0, Step::always(Instr::Expires(t)));
            steps.push(Step::always(Instr::TimerReturns(t)));
            self.threads.push(steps);
        }
        for w in 0..self.works.len() {
            self.works[w] = self.threads.len();
            let mut steps = self.function(rng, themes, if self.works.len() > 2 { 1 } else { 2 });
            // Works that queue each other would continue for ever.
            steps.retain(|step| !matches!(step.instr, Instr::QueueWork(other) if other <= w));
            steps.insert(0, Step::always(Instr::WorkBegins(w)));
            steps.push(Step::always(Instr::WorkReturns(w)));
            self.threads.push(steps);
        }
    }

    fn function(&self, rng: &mut fastrand::Rng, themes: &[Theme], length: u32) -> Vec<Step> {
        let mut steps = self.thread(rng, themes, length);
        steps.retain(|step| step.instr.in_functions());
        steps
    }

    fn thread(&self, rng: &mut fastrand::Rng, themes: &[Theme], length: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut taken = Vec::new();
        let mut budget = length;
        while budget > 0 {
            let theme = themes[rng.usize(..themes.len())];
            let mut instr = self.instr(rng, theme);
            // A thread that waits for itself is a common deadlock; most are to be others.
            while instr.takes().is_some_and(|lock| taken.contains(&lock)) && rng.u8(..8) > 0 {
                instr = self.instr(rng, theme);
            }
            match instr {
                Instr::Release(n) if !taken.is_empty() => drop(taken.remove(n % taken.len())),
                _ => taken.extend(instr.takes()),
            }
            let step = Step::sometimes(rng, instr);
            let when = step.when;
            if instr.unlocks_mutex() && taken.is_empty() {
                let mutex = rng.usize(..self.mutexes);
                steps.push(Step { when, instr: Instr::Lock(mutex) });
                taken.push(MUTEXES[mutex]);
            }
            steps.push(step);
            steps.extend(Self::sequel(rng, when, instr));
            budget = budget.saturating_sub(instr.cost());
        }
        // What is violated before a first operation is so before other threads exist, on loom.
        if steps.iter().any(|step| matches!(step.instr, Instr::LockNestLock(..))) {
            steps.insert(0, Step::always(Instr::Load(0)));
        }
        steps
    }

    /// Returns the usual steps after `instr`: a look at the data after a lock, a sleep after its
    /// preparation, a wake-up after a store, a release after the last put.
    fn sequel(rng: &mut fastrand::Rng, when: When, instr: Instr) -> Vec<Step> {
        let all = |instrs: &[Instr]| instrs.iter().map(|i| Step { when, instr: *i }).collect();
        let if_so = |instr| Step { when: When::LastOther, instr };
        match (instr, rng.u8(..4)) {
            (Instr::Prepare(queue) | Instr::PrepareExclusive(queue), 1..) => {
                let sleep = match rng.u8(..3) {
                    0 => Instr::ScheduleTimeout(queue),
                    _ => Instr::Schedule(queue),
                };
                all(&[sleep, Instr::Finish(queue)])
            }
            (Instr::Store(..), 0) => all(&[Instr::WakeUp(0)]),
            (Instr::Store(..), 1) => all(&[Instr::WakeUpAll(0)]),
            (Instr::Down(slots), 2..) => all(&[Instr::Up(slots)]),
            (
                Instr::DownInterruptible(slots)
                | Instr::DownTimeout(slots)
                | Instr::DownTrylock(slots),
                2..,
            ) => vec![if_so(Instr::Up(slots))],
            (Instr::KrefPut(_) | Instr::KrefPutMutex(..), 1..) => vec![if_so(Instr::Free(0))],
            (Instr::KrefGetUnlessZero(k), 1..) => {
                vec![if_so(Instr::Use(0)), if_so(Instr::KrefPut(k))]
            }
            (Instr::ModuleGet(m), 1..) => {
                vec![if_so(Instr::ModuleCall(m)), if_so(Instr::ModulePut(m))]
            }
            (Instr::ModuleDelete(m), 1..) => vec![if_so(Instr::ModuleFree(m))],
            (Instr::SrcuSync(_) | Instr::RcuSync | Instr::RcuBarrier, 0..2) => {
                all(&[Instr::Free(0)])
            }
            (Instr::SrcuRead(_) | Instr::RcuRead, 0) => all(&[Instr::Use(0)]),
            (_, 0 | 1) if instr.takes().is_some() => all(&[Instr::Add(rng.u64(1..=2))]),
            (_, 2) if instr.takes().is_some() => all(&[Instr::Look]),
            _ => Vec::new(),
        }
    }
}

/// Returns two themes of which a program that never ends has finitely many states.
fn endless_themes(rng: &mut fastrand::Rng) -> Vec<Theme> {
    let mut themes = Vec::new();
    while themes.len() < 2 {
        let theme = Theme::ALL[rng.usize(..Theme::ALL.len())];
        // Objects that only grow have infinitely many states.
        let grows = [Theme::Counts, Theme::Modules, Theme::Spawning, Theme::Memory];
        let grows = grows.contains(&theme);
        // So have two that start each other: the library creates a thread each time.
        let later = [Theme::Timers, Theme::Works, Theme::Workqueue];
        let start_each_other = |t: &Theme| later.contains(t) && later.contains(&theme);
        if !grows && !themes.contains(&theme) && !themes.iter().any(start_each_other) {
            themes.push(theme);
        }
    }
    themes
}
