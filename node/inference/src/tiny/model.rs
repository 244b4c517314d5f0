//! A model: weights that follow from a shape and a seed.

use super::{
    config::{TinyConfig, TinyShape},
    exact,
    tokenizer::Token,
    weights::{Matrix, Tensor, WeightSource},
};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Version of the definition that turns shape and seed into logits. Goes up whenever any bit of them changes.
const DEFINITION: &str = "chrysalis-tiny-llama 1";

/// ln 10000: the base of the rotary frequencies.
const LN_ROTARY_BASE: f32 = 9.210_34;

/// Spread of the logits: wide enough that sampling has favourites, narrow enough that it has choices.
const HEAD_GAIN: f32 = 4.0;

/// A decoder of the Llama architecture with weights from a seed: RMS normalisation before each part, rotary positions,
/// grouped-query attention, SwiGLU, embedding and head untied.
///
/// Immutable; share one `Arc` among as many backends and runs as there are.
#[derive(Clone, PartialEq)]
pub struct TinyModel {
    config: TinyConfig,
    seed: u64,
    pub(super) embedding: Vec<f32>,
    pub(super) layers: Vec<Layer>,
    pub(super) final_norm: Vec<f32>,
    pub(super) head: Matrix,
    /// Sine and cosine for each position and each pair of a head's dimensions.
    pub(super) rotations: Vec<(f32, f32)>,
    /// 1/√(width of a head).
    pub(super) score_scale: f32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    pub(super) query: Matrix,
    pub(super) key: Matrix,
    pub(super) value: Matrix,
    pub(super) output: Matrix,
    pub(super) feed_forward_norm: Vec<f32>,
    pub(super) gate: Matrix,
    pub(super) up: Matrix,
    pub(super) down: Matrix,
}

impl TinyModel {
    /// Makes the weights: the same bits for the same shape and seed, everywhere.
    pub fn generate(config: TinyConfig, seed: u64) -> Self {
        let shape = *config.shape();
        let source = WeightSource::new(seed);
        // Products of a normal vector with such a matrix have about the variance of the vector.
        let inward = exact::inverse_sqrt(shape.hidden as f32);
        let outward = exact::inverse_sqrt(shape.intermediate as f32);
        let layers = (0..shape.layers).map(|layer| {
            let square = |tensor, outputs| source.matrix(layer, tensor, outputs, shape.hidden, inward);
            Layer {
                attention_norm: source.norm(layer, Tensor::AttentionNorm, shape.hidden),
                query: square(Tensor::Query, shape.hidden),
                key: square(Tensor::Key, config.kv_dim()),
                value: square(Tensor::Value, config.kv_dim()),
                output: square(Tensor::Output, shape.hidden),
                feed_forward_norm: source.norm(layer, Tensor::FeedForwardNorm, shape.hidden),
                gate: square(Tensor::Gate, shape.intermediate),
                up: square(Tensor::Up, shape.intermediate),
                down: source.matrix(layer, Tensor::Down, shape.hidden, shape.intermediate, outward),
            }
        });
        Self {
            layers: layers.collect(),
            embedding: source.table(Tensor::Embedding, Token::VOCABULARY, shape.hidden),
            final_norm: source.norm(0, Tensor::FinalNorm, shape.hidden),
            head: source.matrix(0, Tensor::Head, Token::VOCABULARY, shape.hidden, inward * HEAD_GAIN),
            rotations: rotations(config.head_dim(), shape.max_context_tokens),
            score_scale: exact::inverse_sqrt(config.head_dim() as f32),
            config,
            seed,
        }
    }

    /// Its shape.
    pub fn config(&self) -> &TinyConfig {
        &self.config
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        let mut count = 0;
        self.for_each_weight(|_| count += 1);
        count
    }

    /// What identifies the model: a hash of the definition, the shape and the seed, from which every bit of every
    /// logit follows.
    pub fn identity(&self) -> [u8; 32] {
        let TinyShape {
            hidden,
            layers,
            heads,
            kv_heads,
            intermediate,
            max_context_tokens,
        } = self.config.shape();
        let shape = format!("{hidden} {layers} {heads} {kv_heads} {intermediate} {max_context_tokens}");
        Sha256::digest(format!("{DEFINITION} {shape} {}", self.seed)).into()
    }

    /// SHA-256 over all weights (little-endian f32), layer by layer, matrices row by row: what a copy on another
    /// device can be checked against.
    pub fn weights_digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.for_each_weight(|weight| hash.update(weight.to_le_bytes()));
        hash.finalize().into()
    }

    fn for_each_weight(&self, mut visit: impl FnMut(f32)) {
        self.embedding.iter().copied().for_each(&mut visit);
        for layer in &self.layers {
            layer.attention_norm.iter().copied().for_each(&mut visit);
            for matrix in [&layer.query, &layer.key, &layer.value, &layer.output] {
                matrix.rows().for_each(&mut visit);
            }
            layer.feed_forward_norm.iter().copied().for_each(&mut visit);
            for matrix in [&layer.gate, &layer.up, &layer.down] {
                matrix.rows().for_each(&mut visit);
            }
        }
        self.final_norm.iter().copied().for_each(&mut visit);
        self.head.rows().for_each(&mut visit);
    }
}

impl fmt::Debug for TinyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TinyModel")
            .field("config", &self.config)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Pair `j` of a head of width `d` turns by `position / 10000^(2j/d)`.
fn rotations(head_dim: usize, positions: usize) -> Vec<(f32, f32)> {
    let pairs = head_dim / 2;
    let frequencies: Vec<f64> = (0..pairs)
        .map(|pair| exact::exp(-LN_ROTARY_BASE * (pair as f32 / pairs as f32)).into())
        .collect();
    let mut table = Vec::with_capacity(positions * pairs);
    for position in 0..positions {
        for frequency in &frequencies {
            let (sine, cosine) = exact::sin_cos(position as f64 * frequency);
            table.push((sine as f32, cosine as f32));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_architecture() {
        for config in [TinyConfig::nano(), TinyConfig::tiny()] {
            let TinyShape {
                hidden,
                layers,
                intermediate,
                ..
            } = *config.shape();
            let attention = 2 * hidden * hidden + 2 * hidden * config.kv_dim();
            let layer = attention + 3 * hidden * intermediate + 2 * hidden;
            let expected = 2 * Token::VOCABULARY * hidden + layers * layer + hidden;
            assert_eq!(TinyModel::generate(config, 1).parameters(), expected);
        }
    }

    #[test]
    fn weights_are_the_same_bits_everywhere() {
        let digest = |seed| TinyModel::generate(TinyConfig::nano(), seed).weights_digest();
        assert_eq!(
            hex(&digest(42)),
            "4d4859e751f3379910203fdb6fead5b0fb11ec89817609d9a15e9afacbd48640"
        );
        assert_ne!(digest(42), digest(43));
    }

    #[test]
    fn identity_tells_seeds_and_shapes_apart() {
        let model = TinyModel::generate(TinyConfig::nano(), 42);
        assert_eq!(model.identity(), TinyModel::generate(TinyConfig::nano(), 42).identity());
        assert_ne!(model.identity(), TinyModel::generate(TinyConfig::nano(), 43).identity());
        assert_ne!(model.identity(), TinyModel::generate(TinyConfig::tiny(), 42).identity());
    }

    #[test]
    fn rotations_turn_by_the_written_angle() {
        let table = rotations(16, 100);
        assert_eq!(table.len(), 100 * 8);
        for position in [0, 1, 7, 99] {
            for pair in 0..8 {
                let angle = position as f64 / 10_000_f64.powf(pair as f64 / 8.0);
                let (sine, cosine) = table[position * 8 + pair];
                assert!((f64::from(sine) - angle.sin()).abs() < 2e-5, "{position} {pair}");
                assert!((f64::from(cosine) - angle.cos()).abs() < 2e-5, "{position} {pair}");
            }
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
