//! Which settings a search tries when there are too many to try them all: a few spread over everything, then what lies beside
//! the best so far, in large steps first and in small ones last.
//!
//! Pure: it knows places on a lattice, one number an axis; what a place is worth is told to it.

use std::collections::HashSet;

/// A setting: how far along each axis.
pub type Place = Vec<usize>;

/// Places that are given out at once. Fixed, so that a search is the same on any number of cores.
const BATCH: usize = 8;
/// Of the places that may be tried, one in so many is spread over everything first.
const SPREAD: usize = 5;
/// Draws of a place that was not tried yet, before they are counted through.
const DRAWS: usize = 64;

/// See the module. `next` gives places, `told` takes what they came to.
#[derive(Debug)]
pub struct Search {
    axes: Vec<usize>,
    most: usize,
    stride: usize,
    tried: Vec<Place>,
    known: HashSet<Place>,
    wants: Vec<Vec<f64>>,
    /// Tried places that no other beats.
    front: Vec<usize>,
    best: Option<usize>,
}

impl Search {
    /// `axes`: how many values each has, at least one. `first`: where the settings of now are, or are nearest. `most`: how
    /// many places are tried; all of them if there are no more.
    pub fn new(axes: Vec<usize>, first: Place, most: usize) -> Search {
        assert!(axes.len() == first.len() && axes.iter().zip(&first).all(|(size, at)| at < size), "on the lattice");
        let all = axes.iter().fold(1_usize, |all, size| all.saturating_mul(*size));
        let mut search = Search {
            most: most.clamp(1, all),
            stride: 1,
            known: HashSet::from([first.clone()]),
            tried: vec![first],
            axes,
            wants: Vec::new(),
            front: Vec::new(),
            best: None,
        };
        search.stride = search.widest();
        search
    }

    /// How many will be tried.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The places to try now; none: it is over. `draw(n)`: a number under `n`, by chance.
    pub fn next(&mut self, draw: &mut dyn FnMut(usize) -> usize) -> Vec<Place> {
        let from = self.wants.len();
        assert!(from == 0 || from == self.tried.len(), "what was given out was told");
        if from == 0 {
            let spread = (self.most / SPREAD).max(1);
            while self.tried.len() < spread {
                self.spread(draw);
            }
        } else {
            self.beside(self.most.min(from + BATCH), draw);
        }
        self.tried[from..].to_vec()
    }

    /// What the places came to that `next` gave: of each, what is wanted, the larger the better; and which of all places so
    /// far, in the order in which they were given, is the one to take.
    pub fn told(&mut self, wants: Vec<Vec<f64>>, best: Option<usize>) {
        for own in wants {
            let beaten = |other: usize| beats(&self.wants[other], &own);
            if !self.front.iter().any(|at| beaten(*at)) {
                self.front.retain(|at| !beats(&own, &self.wants[*at]));
                self.front.push(self.wants.len());
            }
            self.wants.push(own);
        }
        assert_eq!(self.wants.len(), self.tried.len(), "each place has its figures");
        self.best = best;
    }

    fn add(&mut self, place: Place) {
        if self.known.insert(place.clone()) {
            self.tried.push(place);
        }
    }

    /// A place by chance.
    fn spread(&mut self, draw: &mut dyn FnMut(usize) -> usize) {
        let before = self.tried.len();
        for _ in 0..DRAWS {
            let place: Place = self.axes.iter().map(|size| draw(*size)).collect();
            self.add(place);
            if self.tried.len() > before {
                return;
            }
        }
        // Nearly all are known: the first that is not.
        let mut place = vec![0; self.axes.len()];
        while self.known.contains(&place) {
            let Some(axis) = (0..place.len()).find(|axis| place[*axis] + 1 < self.axes[*axis]) else { return };
            place[axis] += 1;
            place[..axis].fill(0);
        }
        self.add(place);
    }

    /// What lies beside the best one, at every distance, then beside those that none beats, in smaller steps once nothing is left.
    fn beside(&mut self, until: usize, draw: &mut dyn FnMut(usize) -> usize) {
        let before = self.tried.len();
        if let Some(best) = self.best {
            let mut stride = self.widest();
            while stride > 0 {
                self.around(best, stride, until);
                stride /= 2;
            }
        }
        while self.tried.len() == before {
            let centres: Vec<usize> = self.front.iter().rev().copied().collect();
            for centre in centres {
                self.around(centre, self.stride, until);
            }
            match (self.tried.len() > before, self.stride) {
                // Judged before more is built on them.
                (true, _) => return,
                (false, 1) => {
                    if until > before {
                        // A new start, and large steps from whatever it shows.
                        self.spread(draw);
                        self.stride = self.widest();
                    }
                    return;
                }
                (false, _) => self.stride /= 2,
            }
        }
    }

    /// Half of the longest axis.
    fn widest(&self) -> usize {
        (self.axes.iter().copied().max().unwrap_or(1) / 2).next_power_of_two().max(1)
    }

    /// The places one stride away from that one, along one axis each.
    fn around(&mut self, centre: usize, stride: usize, until: usize) {
        for axis in 0..self.axes.len() {
            let (at, size) = (self.tried[centre][axis], self.axes[axis]);
            for step in [at.checked_sub(stride), Some(at + stride)].into_iter().flatten() {
                if step < size && self.tried.len() < until {
                    let mut place = self.tried[centre].clone();
                    place[axis] = step;
                    self.add(place);
                }
            }
        }
    }
}

/// All places of a lattice.
pub fn everywhere(axes: &[usize]) -> Vec<Place> {
    let mut places: Vec<Place> = vec![Vec::new()];
    for size in axes {
        let longer = |place: &Place| (0..*size).map(|at| [place.as_slice(), &[at]].concat()).collect::<Vec<Place>>();
        places = places.iter().flat_map(longer).collect();
    }
    places
}

/// Of each, whether no other one beats it.
pub fn unbeaten<const N: usize>(all: &[[f64; N]]) -> Vec<bool> {
    all.iter().map(|own| !all.iter().any(|other| beats(other, own))).collect()
}

/// At least as good in everything and better in something.
fn beats(one: &[f64], other: &[f64]) -> bool {
    let as_good = one.iter().zip(other).all(|(a, b)| a >= b);
    as_good && one.iter().zip(other).any(|(a, b)| a > b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A search for the highest place of a hill; gives it and how many places were tried.
    fn climb(axes: &[usize], most: usize, seed: u64, worth: impl Fn(&Place) -> f64) -> (Place, Vec<Place>) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut draw = |n: usize| random.usize(..n);
        let mut search = Search::new(axes.to_vec(), vec![0; axes.len()], most);
        let (mut all, mut values) = (Vec::new(), Vec::new());
        loop {
            let places = search.next(&mut draw);
            if places.is_empty() {
                break;
            }
            let worths: Vec<f64> = places.iter().map(&worth).collect();
            all.extend(places);
            values.extend(worths.iter().copied());
            let best = (0..all.len()).max_by(|a, b| values[*a].total_cmp(&values[*b]));
            search.told(worths.into_iter().map(|it| vec![it]).collect(), best);
        }
        let best = (0..all.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).expect("one");
        (all[best].clone(), all)
    }

    #[test]
    fn a_hill_is_climbed_with_a_fortieth_of_the_places_and_none_is_tried_twice() {
        let top = [11, 3, 17, 5];
        let hill = |place: &Place| -(place.iter().zip(top).map(|(a, b)| a.abs_diff(b) as f64).sum::<f64>());
        for seed in 0..20 {
            let (best, tried) = climb(&[15, 7, 21, 8], 400, seed, hill);
            assert_eq!((best.as_slice(), tried.len()), (&top[..], 400), "seed {seed}");
            assert_eq!(tried.iter().collect::<HashSet<_>>().len(), 400);
        }
    }

    #[test]
    fn a_budget_is_kept_and_one_that_is_large_enough_tries_them_all() {
        let flat = |_: &Place| 1.0;
        for most in [1, 2, 7, 16, 17, 23] {
            assert_eq!(climb(&[3, 2, 4], most, 1, flat).1.len(), most);
        }
        for axes in [&[3, 2, 4][..], &[1], &[1, 1, 5]] {
            let all: usize = axes.iter().product();
            let (_, tried) = climb(axes, 9_999, 3, flat);
            assert_eq!((tried.len(), tried.iter().collect::<HashSet<_>>().len()), (all, all));
        }
    }

    #[test]
    fn the_same_seed_tries_the_same_places() {
        let worth = |place: &Place| (place[0] * 7 % 5) as f64 - place[1] as f64;
        assert_eq!(climb(&[9, 9], 40, 5, worth).1, climb(&[9, 9], 40, 5, worth).1);
        assert_ne!(climb(&[9, 9], 40, 5, worth).1, climb(&[9, 9], 40, 6, worth).1);
    }
}
