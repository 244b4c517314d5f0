//! Choosing a token, in integers: the same choice on every platform.

use super::{
    exact,
    tokenizer::{ANSWER_VOCABULARY, Token, answer_tokens},
};
use crate::{counter::Counter, openai::Sampling};

/// Below this temperature the likeliest token is taken: the others have no weight left.
const GREEDY_BELOW: f32 = 0.01;

/// Weight of the likeliest token; the others have the whole part of their share of it.
const FULL_WEIGHT: f32 = (1 << 24) as f32;

/// Chooses the tokens of one answer.
#[derive(Debug, Clone)]
pub(super) struct Sampler {
    sampling: Sampling,
    allow_end: bool,
    draws: Counter,
    drawn: u64,
    /// How often each token has appeared in the answer.
    counts: [u16; ANSWER_VOCABULARY],
}

impl Sampler {
    /// The choices follow from `seed` and `choice` alone.
    pub(super) fn new(sampling: Sampling, allow_end: bool, seed: u64, choice: u64) -> Self {
        Self {
            sampling,
            allow_end,
            draws: Counter::new(seed).stream(choice),
            drawn: 0,
            counts: [0; ANSWER_VOCABULARY],
        }
    }

    /// The next token, given the scores of all tokens of the vocabulary.
    pub(super) fn choose(&mut self, logits: &[f32]) -> Token {
        let candidates: Vec<Candidate> = answer_tokens()
            .enumerate()
            .filter(|(_, token)| self.allow_end || *token != Token::END)
            .map(|(place, token)| Candidate {
                place,
                token,
                score: logits[token.id()] - self.penalty(place),
            })
            .collect();
        let chosen = if self.sampling.temperature < GREEDY_BELOW {
            likeliest(&candidates)
        } else {
            self.draw(&candidates)
        };
        self.counts[chosen.place] = self.counts[chosen.place].saturating_add(1);
        chosen.token
    }

    fn penalty(&self, place: usize) -> f32 {
        let count = self.counts[place];
        let presence = if count > 0 { self.sampling.presence_penalty } else { 0.0 };
        f32::from(count) * self.sampling.frequency_penalty + presence
    }

    fn draw(&mut self, candidates: &[Candidate]) -> Candidate {
        let highest = likeliest(candidates);
        let mut weighted: Vec<(u64, Candidate)> = candidates
            .iter()
            .map(|candidate| {
                let share = exact::exp((candidate.score - highest.score) / self.sampling.temperature);
                ((share * FULL_WEIGHT) as u64, *candidate)
            })
            .collect();
        // The sort is stable: of equal weights the lower token comes first.
        weighted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let total: u64 = weighted.iter().map(|(weight, _)| weight).sum();
        let nucleus = nucleus(total, self.sampling.top_p);
        let mut kept = 0;
        let last = weighted
            .iter()
            .position(|(weight, _)| {
                kept += weight;
                kept >= nucleus
            })
            .unwrap_or(weighted.len() - 1);
        let mut drawn = self.draws.below(self.drawn, kept);
        self.drawn += 1;
        for (weight, candidate) in &weighted[..=last] {
            if drawn < *weight {
                return *candidate;
            }
            drawn -= weight;
        }
        highest
    }
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    /// Place among the tokens of answers.
    place: usize,
    token: Token,
    score: f32,
}

/// The highest score; of equal ones the lowest token.
fn likeliest(candidates: &[Candidate]) -> Candidate {
    let better = |best: Candidate, next: &Candidate| if next.score > best.score { *next } else { best };
    candidates.iter().skip(1).fold(candidates[0], better)
}

/// Weight that the kept tokens must reach together: `total` times `top_p`, rounded up. The likeliest token is kept even
/// where that is 0.
fn nucleus(total: u64, top_p: f64) -> u64 {
    /// `top_p` in units of 2^-32: scaling by a power of two is exact.
    const UNITS: f64 = (1_u64 << 32) as f64;
    let units = (top_p * UNITS) as u64;
    // The total is below 2^31: 96 tokens of 2^24 each.
    (total * units).div_ceil(1 << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLING: Sampling = Sampling {
        temperature: 1.0,
        top_p: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
        seed: None,
    };

    /// All tokens hopeless but for the given ones.
    fn logits(scores: &[(Token, f32)]) -> Vec<f32> {
        let mut logits = vec![-1000.0; Token::VOCABULARY];
        for (token, score) in scores {
            logits[token.id()] = *score;
        }
        logits
    }

    fn letter(byte: u8) -> Token {
        Token::byte(byte)
    }

    fn counts(sampling: Sampling, logits: &[f32], draws: u32) -> [u32; 3] {
        let mut sampler = Sampler::new(sampling, true, 1, 0);
        let mut counts = [0; 3];
        for _ in 0..draws {
            let byte = sampler.choose(logits).as_byte().unwrap();
            counts[usize::from(byte - b'a')] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_highest_and_the_lowest_of_equals() {
        let greedy = Sampling {
            temperature: 0.0,
            ..SAMPLING
        };
        let mut sampler = Sampler::new(greedy, true, 1, 0);
        let scores = logits(&[(letter(b'b'), 2.0), (letter(b'c'), 2.0), (letter(b'a'), 1.0)]);
        assert_eq!(sampler.choose(&scores), letter(b'b'));
        // What is not printable is never chosen, however high.
        let scores = logits(&[
            (letter(7), 9.0),
            (Token::BEGIN, 9.0),
            (letter(0xff), 9.0),
            (letter(b'x'), 1.0),
        ]);
        assert_eq!(sampler.choose(&scores), letter(b'x'));
    }

    #[test]
    fn the_end_is_chosen_only_where_it_may_be() {
        let scores = logits(&[(Token::END, 5.0), (letter(b'x'), 1.0)]);
        for temperature in [0.0, 0.5] {
            let sampling = Sampling {
                temperature,
                ..SAMPLING
            };
            assert_eq!(Sampler::new(sampling, true, 3, 0).choose(&scores), Token::END);
            assert_eq!(Sampler::new(sampling, false, 3, 0).choose(&scores), letter(b'x'));
        }
    }

    #[test]
    fn shares_follow_the_distribution_and_the_temperature() {
        // Probabilities 0.665, 0.245, 0.090.
        let scores = logits(&[(letter(b'a'), 2.0), (letter(b'b'), 1.0), (letter(b'c'), 0.0)]);
        let near = |count: u32, expected: u32| count.abs_diff(expected) < 250;
        let warm = counts(SAMPLING, &scores, 10_000);
        assert!(
            near(warm[0], 6652) && near(warm[1], 2447) && near(warm[2], 900),
            "{warm:?}"
        );
        // Half the temperature squares the odds: 0.867, 0.117, 0.016.
        let cool = Sampling {
            temperature: 0.5,
            ..SAMPLING
        };
        let cool = counts(cool, &scores, 10_000);
        assert!(
            near(cool[0], 8668) && near(cool[1], 1173) && near(cool[2], 159),
            "{cool:?}"
        );
    }

    #[test]
    fn top_p_keeps_the_fewest_tokens_that_reach_it() {
        let scores = logits(&[(letter(b'a'), 2.0), (letter(b'b'), 1.0), (letter(b'c'), 0.0)]);
        let kept = |top_p| counts(Sampling { top_p, ..SAMPLING }, &scores, 2000).map(|count| count > 0);
        assert_eq!(kept(1.0), [true, true, true]);
        assert_eq!(kept(0.92), [true, true, true]);
        assert_eq!(kept(0.90), [true, true, false]);
        assert_eq!(kept(0.67), [true, true, false]);
        assert_eq!(kept(0.66), [true, false, false]);
        assert_eq!(kept(f64::MIN_POSITIVE), [true, false, false]);
        assert_eq!(nucleus(1000, 0.5), 500);
        assert_eq!(nucleus(1001, 0.5), 501);
    }

    #[test]
    fn choices_follow_from_the_seed() {
        let scores = logits(&[(letter(b'a'), 0.0), (letter(b'b'), 0.0), (letter(b'c'), 0.0)]);
        let answer = |seed, choice| {
            let mut sampler = Sampler::new(SAMPLING, true, seed, choice);
            let tokens: Vec<Token> = (0..64).map(|_| sampler.choose(&scores)).collect();
            tokens
        };
        assert_eq!(answer(1, 0), answer(1, 0));
        assert_ne!(answer(1, 0), answer(2, 0));
        assert_ne!(answer(1, 0), answer(1, 1));
    }

    #[test]
    fn penalties_move_on_to_other_tokens() {
        let scores = logits(&[(letter(b'a'), 2.0), (letter(b'b'), 1.5), (letter(b'c'), 1.0)]);
        let run = |frequency_penalty, presence_penalty| {
            let sampling = Sampling {
                temperature: 0.0,
                frequency_penalty,
                presence_penalty,
                ..SAMPLING
            };
            let mut sampler = Sampler::new(sampling, true, 1, 0);
            let bytes: Vec<u8> = (0..6).filter_map(|_| sampler.choose(&scores).as_byte()).collect();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(run(0.0, 0.0), "aaaaaa");
        assert_eq!(run(0.0, 2.0), "abcaaa");
        assert_eq!(run(0.6, 0.0), "abacba");
    }
}
