//! How a comparison came out.

use crate::{
    rounds::Measured,
    workload::{Bound, Want},
};

/// A want beside what was measured.
pub(crate) struct Verdict {
    /// The subject compared with, and the ratio to it; `None` where the figure itself is what counts.
    pub(crate) ratio: Option<(&'static str, f64)>,
    /// The round that counts, where one that is worse than the others does.
    pub(crate) worst: Option<f64>,
    /// What is wanted, and whether it is so: `≥ 1.5× yes`. Empty where the figure is only shown.
    pub(crate) wanted: String,
}

/// How the wants of one subject came out, in their order.
pub(crate) fn of(measured: &Measured, subject: &str) -> Vec<Verdict> {
    let wants = measured.workload.wants.iter().filter(|want| want.subject() == subject);
    wants.filter_map(|want| judge(measured, want)).collect()
}

fn judge(measured: &Measured, want: &Want) -> Option<Verdict> {
    let figure = measured.figure(want.subject())?;
    Some(match want {
        Want::Value { bound, .. } => {
            Verdict { ratio: None, worst: None, wanted: said(bound, figure.median, "") }
        }
        Want::EachRound { bound, .. } => {
            let worst = if let Bound::AtLeast(_) = bound { figure.lowest } else { figure.highest };
            Verdict { ratio: None, worst: Some(worst), wanted: said(bound, worst, " always") }
        }
        Want::Ratio { beside, bound, .. } => {
            let ratio = figure.median / measured.figure(beside)?.median;
            Verdict { ratio: Some((beside, ratio)), worst: None, wanted: said(bound, ratio, "×") }
        }
    })
}

fn said(bound: &Bound, value: f64, unit: &str) -> String {
    let (sign, limit, kept) = match bound {
        Bound::AtLeast(limit) => ('≥', limit, value >= *limit),
        Bound::AtMost(limit) => ('≤', limit, value <= *limit),
        Bound::Shown => return String::new(),
    };
    format!("{sign} {limit}{unit} {}", if kept { "yes" } else { "no" })
}

#[cfg(test)]
mod tests {
    use super::{judge, said};
    use crate::{
        figure::Figure,
        samples,
        workload::{Bound, Want},
    };

    #[test]
    fn a_bound_is_kept_up_to_itself() {
        assert_eq!(said(&Bound::AtLeast(1.5), 1.5, "×"), "≥ 1.5× yes");
        assert_eq!(said(&Bound::AtLeast(1.5), 1.49, "×"), "≥ 1.5× no");
        assert_eq!(said(&Bound::AtMost(60.0), 60.0, ""), "≤ 60 yes");
        assert_eq!(said(&Bound::AtMost(60.0), 60.1, ""), "≤ 60 no");
        assert_eq!(said(&Bound::Shown, 60.1, ""), "");
    }

    #[test]
    fn a_promise_is_kept_in_every_round_or_not_at_all() {
        let figure = |highest| Figure { median: 3.0, lowest: 1.0, highest };
        let measured = samples::measured([figure(4.0), figure(5.0), figure(6.0)]);
        let judged = |bound| {
            let verdict = judge(&measured, &Want::EachRound { subject: "hen", bound }).unwrap();
            (verdict.worst.unwrap(), verdict.wanted)
        };
        assert_eq!(judged(Bound::AtMost(4.5)), (5.0, "≤ 4.5 always no".to_owned()));
        assert_eq!(judged(Bound::AtLeast(1.0)), (1.0, "≥ 1 always yes".to_owned()));
    }
}
