//! The decoder against a plain implementation of the same architecture, against itself cut up differently, and
//! against the bits that it must give on every platform.

use super::{
    Decoder, TinyConfig, TinyModel, TinyShape, Token, model::Layer, tokenize, tokenizer::answer_tokens, weights::Matrix,
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

const TEXT: &str = "The quick brown fox jumps over the lazy dog. 0123456789";

fn nano(seed: u64) -> Arc<TinyModel> {
    Arc::new(TinyModel::generate(TinyConfig::nano(), seed))
}

/// The textbook decoder in f64 with the platform's functions: whole sequence at once, no cache, no panels.
mod plain {
    use super::*;

    fn product(matrix: &Matrix, x: &[f64]) -> Vec<f64> {
        let rows: Vec<f64> = matrix.rows().map(f64::from).collect();
        let row = |row: &[f64]| row.iter().zip(x).map(|(weight, x)| weight * x).sum();
        rows.chunks(x.len()).map(row).collect()
    }

    fn normed(x: &[f64], weight: &[f32]) -> Vec<f64> {
        let mean_square = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let scale = (mean_square + 1e-5).sqrt();
        x.iter()
            .zip(weight)
            .map(|(x, weight)| x / scale * f64::from(*weight))
            .collect()
    }

    fn rotated(heads: &[f64], head_dim: usize, position: usize) -> Vec<f64> {
        let mut out = heads.to_vec();
        for head in out.chunks_mut(head_dim) {
            for pair in 0..head_dim / 2 {
                let angle = position as f64 / 10_000_f64.powf(2.0 * pair as f64 / head_dim as f64);
                let (a, b) = (head[pair], head[pair + head_dim / 2]);
                head[pair] = a * angle.cos() - b * angle.sin();
                head[pair + head_dim / 2] = b * angle.cos() + a * angle.sin();
            }
        }
        out
    }

    fn layer(shape: &TinyShape, layer: &Layer, stream: &mut [Vec<f64>]) {
        let head_dim = shape.hidden / shape.heads;
        let normal: Vec<Vec<f64>> = stream.iter().map(|x| normed(x, &layer.attention_norm)).collect();
        let with_position = |matrix: &Matrix| -> Vec<Vec<f64>> {
            let rows = normal.iter().enumerate();
            rows.map(|(position, x)| rotated(&product(matrix, x), head_dim, position))
                .collect()
        };
        let (queries, keys) = (with_position(&layer.query), with_position(&layer.key));
        let values: Vec<Vec<f64>> = normal.iter().map(|x| product(&layer.value, x)).collect();
        for position in 0..stream.len() {
            let mut attended = Vec::new();
            for head in 0..shape.heads {
                let kv = head / (shape.heads / shape.kv_heads) * head_dim;
                let query = &queries[position][head * head_dim..][..head_dim];
                let weights: Vec<f64> = keys[..=position]
                    .iter()
                    .map(|key| {
                        let score: f64 = query.iter().zip(&key[kv..]).map(|(q, k)| q * k).sum();
                        (score / (head_dim as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = weights.iter().sum();
                for dimension in kv..kv + head_dim {
                    let terms = weights
                        .iter()
                        .zip(&values)
                        .map(|(w, value)| w / total * value[dimension]);
                    attended.push(terms.sum());
                }
            }
            let added = product(&layer.output, &attended);
            stream[position].iter_mut().zip(added).for_each(|(x, a)| *x += a);
        }
        for x in stream {
            let normal = normed(x, &layer.feed_forward_norm);
            let gated: Vec<f64> = product(&layer.gate, &normal)
                .iter()
                .zip(product(&layer.up, &normal))
                .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
                .collect();
            x.iter_mut()
                .zip(product(&layer.down, &gated))
                .for_each(|(x, a)| *x += a);
        }
    }

    pub(super) fn logits(model: &TinyModel, tokens: &[Token]) -> Vec<f64> {
        let shape = model.config().shape();
        let embed = |token: &Token| {
            let row = &model.embedding[token.id() * shape.hidden..][..shape.hidden];
            row.iter().copied().map(f64::from).collect()
        };
        let mut stream: Vec<Vec<f64>> = tokens.iter().map(embed).collect();
        for weights in &model.layers {
            layer(shape, weights, &mut stream);
        }
        product(&model.head, &normed(&stream[stream.len() - 1], &model.final_norm))
    }
}

fn largest_difference(ours: &[f32], plain: &[f64]) -> f64 {
    let differences = ours
        .iter()
        .zip(plain)
        .map(|(ours, plain)| (f64::from(*ours) - plain).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn logits_are_those_of_the_textbook_decoder() {
    let wide = TinyShape {
        hidden: 96,
        layers: 3,
        heads: 6,
        kv_heads: 3,
        intermediate: 200,
        max_context_tokens: 64,
    };
    for config in [TinyConfig::nano(), TinyConfig::tiny(), TinyConfig::new(wide).unwrap()] {
        let model = Arc::new(TinyModel::generate(config, 5));
        let tokens = tokenize(&TEXT[..20]);
        let mut decoder = Decoder::new(model.clone());
        let ours = decoder.feed(&tokens).unwrap();
        let distance = largest_difference(ours, &plain::logits(&model, &tokens));
        assert!(distance < 2e-4, "{distance}");
        // The tolerance tells a difference: an early token matters, and so does the order of tokens.
        let mut other = tokens.clone();
        other[1] = Token::byte(b'X');
        assert!(largest_difference(ours, &plain::logits(&model, &other)) > 0.01);
        let mut other = tokens;
        other.swap(10, 11);
        assert!(largest_difference(ours, &plain::logits(&model, &other)) > 0.001);
    }
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}

#[test]
fn a_prompt_at_once_is_the_same_bits_as_token_by_token() {
    let model = nano(1);
    let tokens = tokenize(TEXT);
    let mut whole = Decoder::new(model.clone());
    whole.feed(&tokens).unwrap();
    for pieces in [1, 3, 16, 17, 50] {
        let mut cut = Decoder::new(model.clone());
        for piece in tokens.chunks(pieces) {
            cut.feed(piece).unwrap();
        }
        assert_eq!(cut.position(), whole.position());
        assert_eq!(bits(cut.logits()), bits(whole.logits()), "{pieces}");
        assert_eq!(bits(cut.feed(&[Token::byte(b'!')]).unwrap()), {
            let mut next = whole.clone();
            bits(next.feed(&[Token::byte(b'!')]).unwrap())
        });
    }
    let mut shorter = Decoder::new(model);
    assert_ne!(
        bits(shorter.feed(&tokens[..tokens.len() - 1]).unwrap()),
        bits(whole.logits())
    );
}

#[test]
fn the_cache_is_the_same_bits_as_working_everything_out_again() {
    let model = nano(2);
    let tokens = tokenize(TEXT);
    let mut cached = Decoder::new(model.clone());
    for end in 1..=tokens.len() {
        let with_cache = bits(cached.feed(&tokens[end - 1..end]).unwrap());
        let mut fresh = Decoder::new(model.clone());
        assert_eq!(with_cache, bits(fresh.feed(&tokens[..end]).unwrap()), "{end}");
    }
}

#[test]
fn a_clone_goes_its_own_way() {
    let mut one = Decoder::new(nano(3));
    one.feed(&tokenize("ab")).unwrap();
    let mut other = one.clone();
    let after_c = bits(one.feed(&[Token::byte(b'c')]).unwrap());
    assert_ne!(after_c, bits(other.feed(&[Token::byte(b'd')]).unwrap()));
    let mut again = Decoder::new(nano(3));
    again.feed(&tokenize("abc")).unwrap();
    assert_eq!(after_c, bits(again.logits()));
}

#[test]
fn a_full_context_takes_nothing_more_and_stays_as_it_is() {
    let shape = TinyShape {
        max_context_tokens: 4,
        ..*TinyConfig::nano().shape()
    };
    let mut decoder = Decoder::new(Arc::new(TinyModel::generate(TinyConfig::new(shape).unwrap(), 1)));
    decoder.feed(&tokenize("ab")).unwrap();
    let before = bits(decoder.logits());
    assert_eq!(decoder.feed(&tokenize("c")).unwrap_err().max_context_tokens, 4);
    assert_eq!((decoder.position(), bits(decoder.logits())), (3, before));
    assert!(decoder.feed(&[Token::byte(b'c')]).is_ok());
    assert!(decoder.feed(&[Token::byte(b'd')]).is_err());
    assert!(decoder.feed(&[]).is_ok());
}

/// SHA-256 over all logits of the steps of a greedy answer, and the answer.
fn greedy(model: Arc<TinyModel>, tokens: usize) -> (String, String) {
    let mut decoder = Decoder::new(model);
    decoder.feed(&tokenize(TEXT)).unwrap();
    let mut hash = Sha256::new();
    let mut text = String::new();
    for _ in 0..tokens {
        for logit in decoder.logits() {
            hash.update(logit.to_le_bytes());
        }
        let logits = decoder.logits();
        let printable = answer_tokens().filter(|token| *token != Token::END);
        let best = printable.reduce(|best, next| {
            if logits[next.id()] > logits[best.id()] {
                next
            } else {
                best
            }
        });
        let token = best.unwrap();
        text.push(char::from(token.as_byte().unwrap()));
        decoder.feed(&[token]).unwrap();
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    (digest, text)
}

/// These are the bits for every platform: whoever changes them changes the definition of the models, and must raise its
/// version in `model.rs`. Computed by this code on x86-64, debug and release.
#[test]
fn logits_and_greedy_answers_have_the_golden_bits() {
    let golden = [
        (
            TinyConfig::nano(),
            "b271e8ad824fe0797eec1372373fe9500cce268321df9cd3890d0a409f28ce47",
            "2xD'DDCs0/=[6^=[6^=[6rwT}mv^=[E^=[6^=[6^=[6^mv^m-92xDDDDDDDDDDDD",
        ),
        (
            TinyConfig::tiny(),
            "b5c3c73b249a35c1f5cd72c60631725f9078255b410d20fc2505c730733b95ff",
            "vy$v\\E]F2}^C>QB7qXF2}^M!Vv\"A9v\"An&F\\E]F;F;wQB7qW71717171y>QB7)[3",
        ),
    ];
    for (config, digest, text) in golden {
        let (actual_digest, actual_text) = greedy(Arc::new(TinyModel::generate(config, 42)), 64);
        assert_eq!((actual_digest.as_str(), actual_text.as_str()), (digest, text));
        // One bit of one weight of 125,504 or more is enough to be seen.
        let mut other = TinyModel::generate(config, 42);
        other.final_norm[7] = f32::from_bits(other.final_norm[7].to_bits() ^ 1);
        assert_ne!(greedy(Arc::new(other), 64).0, digest);
    }
}
