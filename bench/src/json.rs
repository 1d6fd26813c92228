//! The figures as programs read them.

use anyhow::Result;
use serde::Serialize;

use crate::{rounds::Measured, verdict};

/// One figure, or one ratio: a subject that is compared with several others comes once for each.
#[derive(Serialize)]
struct Line<'a> {
    workload: &'a str,
    subject: &'a str,
    /// The median.
    value: f64,
    unit: &'a str,
    #[serde(flatten)]
    ratio: Option<Ratio<'a>>,
    /// The round that counts, of a figure that has to be right in every round.
    #[serde(skip_serializing_if = "Option::is_none")]
    worst: Option<f64>,
}

#[derive(Serialize)]
struct Ratio<'a> {
    beside: &'a str,
    ratio: f64,
}

/// An array of objects `workload`, `subject`, `value`, `unit`, for ratios `beside` and `ratio`, and `worst` for what has
/// to be right in every round.
pub(crate) fn of(measured: &[Measured]) -> Result<String> {
    let lines: Vec<_> = measured.iter().flat_map(lines).collect();
    Ok(serde_json::to_string_pretty(&lines)?)
}

fn lines(measured: &Measured) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for ((name, unit), figure) in measured.workload.figures().zip(&measured.figures) {
        let verdicts = verdict::of(measured, name);
        let worst = verdicts.iter().find_map(|verdict| verdict.worst);
        let line = |ratio| Line {
            workload: measured.workload.name,
            subject: name,
            value: figure.median,
            unit: unit.name(),
            ratio,
            worst,
        };
        let ratios = verdicts.iter().filter_map(|verdict| verdict.ratio);
        let before = lines.len();
        lines.extend(ratios.map(|(beside, ratio)| line(Some(Ratio { beside, ratio }))));
        if lines.len() == before {
            lines.push(line(None));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::of;
    use crate::{figure::Figure, samples};

    #[test]
    fn every_figure_is_there_and_every_ratio_once() {
        let figure = |median| Figure { median, lowest: 0.0, highest: median + 1.0 };
        let measured = samples::measured([figure(300.0), figure(100.0), figure(200.0)]);
        let text = of(&[measured]).unwrap();
        let expected = json!([
            { "workload": "race", "subject": "owl", "value": 300.0, "unit": "events/s", "beside": "hen", "ratio": 3.0 },
            { "workload": "race", "subject": "owl", "value": 300.0, "unit": "events/s", "beside": "duck", "ratio": 1.5 },
            { "workload": "race", "subject": "hen", "value": 100.0, "unit": "events/s" },
            { "workload": "race", "subject": "duck", "value": 200.0, "unit": "events/s", "worst": 201.0 },
        ]);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }
}
