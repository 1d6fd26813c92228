//! The workloads, one file each, all of the same shape.

use crate::workload::Workload;

mod fanout_16;
mod inline_16;
mod lanes;
mod match_100k;
mod middleware;
mod producers_4x1;
mod queue_1x1;
mod slow_neighbour;

/// Every workload, in the order in which they run.
pub(crate) const ALL: &[&Workload] = &[
    &queue_1x1::WORKLOAD,
    &fanout_16::WORKLOAD,
    &inline_16::WORKLOAD,
    &producers_4x1::WORKLOAD,
    &slow_neighbour::WORKLOAD,
    &middleware::WORKLOAD,
    &lanes::WORKLOAD,
    &match_100k::WORKLOAD,
];

pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|workload| workload.name).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::workload::Want;

    #[test]
    fn every_figure_has_a_name_of_its_own() {
        for workload in ALL {
            let names: Vec<_> = workload.figures().map(|(name, _)| name).collect();
            let distinct: HashSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len(), "{}: {names:?}", workload.name);
        }
    }

    #[test]
    fn every_want_is_of_figures_that_are_there() {
        for workload in ALL {
            let has = |name: &str| workload.figures().any(|(figure, _)| figure == name);
            for want in workload.wants {
                assert!(has(want.subject()), "{}: {}", workload.name, want.subject());
                if let Want::Ratio { beside, .. } = want {
                    assert!(has(beside), "{}: {beside}", workload.name);
                }
            }
        }
    }
}
