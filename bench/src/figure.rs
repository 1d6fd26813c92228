//! A figure: the median of several rounds, and how far they spread.

/// The rounds of one subject, summed up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Figure {
    /// Sums up rounds, in whatever order; `None` where there are none. Between two middle ones lies their mean.
    pub(crate) fn of(mut rounds: Vec<f64>) -> Option<Self> {
        rounds.sort_unstable_by(f64::total_cmp);
        let (lowest, highest) = (*rounds.first()?, *rounds.last()?);
        let median = (rounds[(rounds.len() - 1) / 2] + rounds[rounds.len() / 2]) / 2.0;
        Some(Self { median, lowest, highest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(rounds: &[f64]) -> f64 {
        Figure::of(rounds.to_vec()).unwrap().median
    }

    #[test]
    fn the_median_is_the_middle_one_whatever_the_order() {
        assert_eq!(median(&[5.0]), 5.0);
        assert_eq!(median(&[9.0, 1.0, 5.0, 1000.0, 4.0]), 5.0);
    }

    #[test]
    fn of_an_even_number_it_is_the_mean_of_the_two_in_the_middle() {
        assert_eq!(median(&[4.0, 1.0, 100.0, 2.0]), 3.0);
    }

    #[test]
    fn the_spread_goes_from_the_lowest_to_the_highest() {
        let figure = Figure::of(vec![3.0, -1.0, 2.0]).unwrap();
        assert_eq!((figure.lowest, figure.highest), (-1.0, 3.0));
        assert_eq!(Figure::of(Vec::new()), None);
    }
}
