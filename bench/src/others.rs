//! What the rest of the machine did meanwhile: figures made beside other work are worth less.

use std::fs;

/// Processor time so far, in ticks of the kernel: spent at all, spent by anybody, spent by rounds that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks {
    all: u64,
    busy: u64,
    rounds: u64,
}

impl Ticks {
    /// Now; `None` where there is no `/proc` to ask.
    pub(crate) fn now() -> Option<Self> {
        let (all, busy) = of_machine(&fs::read_to_string("/proc/stat").ok()?)?;
        Some(Self { all, busy, rounds: of_children(&fs::read_to_string("/proc/self/stat").ok()?)? })
    }

    /// The part of the machine that others had from `before` until now, from 0 to 1.
    pub(crate) fn others_since(self, before: Self) -> f64 {
        let others = (self.busy - before.busy).saturating_sub(self.rounds - before.rounds);
        others as f64 / (self.all - before.all).max(1) as f64
    }
}

/// A warning, where others had more than a twentieth of the machine since then.
pub(crate) fn warning(before: Option<Ticks>) -> Option<String> {
    let share = Ticks::now()?.others_since(before?);
    let worth = || {
        format!(
            "Other programs used {:.0} % of the processors meanwhile: measure again when it is quiet.",
            share * 100.0
        )
    };
    (share > 0.05).then(worth)
}

/// The first line: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user already.
fn of_machine(stat: &str) -> Option<(u64, u64)> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
    let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [_, _, _, idle, iowait, ..] = ticks[..] else { return None };
    let all: u64 = ticks.iter().sum();
    Some((all, all - idle - iowait))
}

/// User and system time of children that were waited for: fields 16 and 17, behind a name that may contain anything.
fn of_children(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(13);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        assert_eq!(of_machine("cpu  10 1 4 80 5 0 2 1 7 0\ncpu0 1 2 3 4\n"), Some((103, 18)));
        assert_eq!(of_machine("intr 1 2 3\n"), None);
        let own = "17 (a ) name) S 1 2 3 4 5 6 7 8 9 10 11 12 130 14 15 16\n";
        assert_eq!(of_children(own), Some(130 + 14));
        assert_eq!(of_children("nothing"), None);
    }

    #[test]
    fn what_the_rounds_did_is_not_what_others_did() {
        let before = Ticks { all: 1_000, busy: 500, rounds: 100 };
        let after = Ticks { all: 1_200, busy: 680, rounds: 250 };
        assert_eq!(after.others_since(before), 30.0 / 200.0);
        assert_eq!(before.others_since(before), 0.0);
    }
}
