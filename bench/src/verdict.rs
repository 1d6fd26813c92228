//! How a comparison came out.

use crate::{
    rounds::Measured,
    workload::{Bound, Want},
};

/// A want beside what was measured.
pub(crate) struct Verdict {
    /// The subject compared with, and the ratio to it; `None` where the figure itself is what counts.
    pub(crate) ratio: Option<(&'static str, f64)>,
    /// What is wanted, and whether it is so: `≥ 1.5× yes`. Empty where the figure is only shown.
    pub(crate) wanted: String,
}

/// How the wants of one subject came out, in their order.
pub(crate) fn of(measured: &Measured, subject: &str) -> Vec<Verdict> {
    let wants = measured.workload.wants.iter().filter(|want| want.subject() == subject);
    wants.filter_map(|want| judge(measured, want)).collect()
}

fn judge(measured: &Measured, want: &Want) -> Option<Verdict> {
    let value = measured.figure(want.subject())?.median;
    Some(match want {
        Want::Value { bound, .. } => Verdict { ratio: None, wanted: said(bound, value, "") },
        Want::Ratio { beside, bound, .. } => {
            let ratio = value / measured.figure(beside)?.median;
            Verdict { ratio: Some((beside, ratio)), wanted: said(bound, ratio, "×") }
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
    use super::said;
    use crate::workload::Bound;

    #[test]
    fn a_bound_is_kept_up_to_itself() {
        assert_eq!(said(&Bound::AtLeast(1.5), 1.5, "×"), "≥ 1.5× yes");
        assert_eq!(said(&Bound::AtLeast(1.5), 1.49, "×"), "≥ 1.5× no");
        assert_eq!(said(&Bound::AtMost(60.0), 60.0, ""), "≤ 60 yes");
        assert_eq!(said(&Bound::AtMost(60.0), 60.1, ""), "≤ 60 no");
        assert_eq!(said(&Bound::Shown, 60.1, ""), "");
    }
}
