//! Lock classes as reports name them.

/// A lock class, at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Class {
    /// As the report has it, such as `(work_completion)(&hub->events)`.
    pub(crate) raw: String,
    /// The usage characters, such as `+.+.`.
    pub(crate) usage: String,
    /// The inner wait type, if the report has it: 2 spins, 3 and 4 sleep.
    pub(crate) wait: Option<u8>,
    /// The address of the lock, hashed or not.
    pub(crate) address: Option<String>,
    /// The function that takes it.
    pub(crate) at: Option<String>,
}

/// What a class stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    Lock,
    /// A work that runs.
    Work,
    Workqueue,
    Timer,
    Completion,
    /// A read section of RCU.
    Rcu,
    /// A read section of SRCU.
    Srcu,
    /// What may be called, rather than held.
    Reclaim,
    /// A callback of RCU that runs.
    RcuCallback,
}

impl Class {
    /// Reads `(&lo->lo_mutex){+.+.}-{3:3}, at: lo_open+0x75/0x120`, with or without an address and
    /// the place.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let open = text.find('(')?;
        let end = text[open..].find("){")? + open;
        let address = text[..open].trim();
        let hex = !address.is_empty() && address.chars().all(|c| c.is_ascii_hexdigit());
        if !address.is_empty() && !hex {
            return None;
        }
        let raw = text[open + 1..end].to_owned();
        let rest = &text[end + 2..];
        let (usage, rest) = rest.split_once('}')?;
        let wait = rest.strip_prefix("-{").and_then(|rest| rest.split_once('}'));
        let inner = wait.and_then(|(wait, _)| wait.split(':').next_back()?.parse().ok());
        let at = rest.split_once("at:").and_then(|(_, at)| function(at));
        Some(Self {
            raw,
            usage: usage.to_owned(),
            wait: inner,
            address: hex.then(|| address.to_owned()),
            at,
        })
    }

    /// Returns a class of which a report has the name alone, and perhaps the wait type.
    pub(crate) fn unseen(raw: &str, wait: Option<u8>) -> Self {
        let (raw, usage) = (raw.to_owned(), "....".to_owned());
        Self { raw, usage, wait, address: None, at: None }
    }

    pub(crate) fn role(&self) -> Role {
        let raw = self.raw.as_str();
        let any = |words: &[&str]| words.iter().any(|word| raw.starts_with(word));
        match raw {
            _ if any(&["(work_completion)"]) => Role::Work,
            _ if any(&["(wq_completion)"]) => Role::Workqueue,
            _ if any(&["(completion)"]) => Role::Completion,
            _ if any(&["rcu_read_lock"]) => Role::Rcu,
            _ if any(&["rcu_callback"]) => Role::RcuCallback,
            _ if any(&["fs_reclaim", "mmu_notifier_invalidate_range_start"]) => Role::Reclaim,
            _ if raw.ends_with("srcu") => Role::Srcu,
            _ if raw.starts_with('(') && raw.ends_with(')') => Role::Timer,
            _ => Role::Lock,
        }
    }

    /// Returns its name in a text.
    pub(crate) fn name(&self) -> String {
        let mut name = self.raw.as_str();
        for prefix in ["(work_completion)", "(wq_completion)", "(completion)"] {
            name = name.strip_prefix(prefix).unwrap_or(name);
        }
        while let Some(inner) = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')) {
            name = inner;
        }
        name.trim_start_matches(['&', '*']).to_owned()
    }

    /// Whether each object of a type has one, so that two of the class may be two locks.
    pub(crate) fn has_instances(&self) -> bool {
        self.raw.contains('&') || self.raw.contains("->") || self.raw.contains('#')
    }

    /// Whether some thread reads: two of the four characters are about readers.
    pub(crate) fn has_readers(&self) -> bool {
        let usage: Vec<char> = self.usage.chars().collect();
        matches!(usage.as_slice(), [_, hard, _, soft, ..] if *hard != '.' || *soft != '.')
    }
}

/// Returns the function of a place, such as ` [<ffff>] blkdev_put+0x85/0x4f0 block/bdev.c:7`.
pub(crate) fn function(place: &str) -> Option<String> {
    let mut place = place.trim();
    if let Some(rest) = place.strip_prefix('[') {
        place = rest.split_once(']')?.1.trim();
    }
    let name = place.split([' ', '+']).next()?;
    let name = base(name);
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.$".contains(c);
    (!name.is_empty() && name.chars().all(is_name)).then(|| name.to_owned())
}

/// Returns the name of a function without what the compiler has added.
pub(crate) fn base(name: &str) -> &str {
    let added = [".isra.", ".part.", ".constprop.", ".cold"];
    let end = added.iter().filter_map(|added| name.find(added)).min();
    &name[..end.unwrap_or(name.len())]
}
