//! The workloads, one file each, all of the same shape.

use crate::workload::Workload;

mod fanout_16;
mod match_100k;
mod producers_4x1;
mod queue_1x1;

/// Every workload, in the order in which they run.
pub(crate) const ALL: &[&Workload] =
    &[&queue_1x1::WORKLOAD, &fanout_16::WORKLOAD, &producers_4x1::WORKLOAD, &match_100k::WORKLOAD];

pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|workload| workload.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Want;

    #[test]
    fn every_want_is_of_subjects_that_are_there() {
        for workload in ALL {
            let has =
                |name: &str| workload.subjects.iter().filter(|subject| subject.name == name).count() == 1;
            for want in workload.wants {
                assert!(has(want.subject()), "{}: {}", workload.name, want.subject());
                if let Want::Ratio { beside, .. } = want {
                    assert!(has(beside), "{}: {beside}", workload.name);
                }
            }
        }
    }
}
