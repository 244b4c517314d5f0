//! The forward pass over one sequence, with its cache of keys and values.

use super::{
    exact,
    model::{Layer, TinyModel},
    tokenizer::Token,
    weights::{PANEL, Row, multiply_panel},
};
use std::{fmt, sync::Arc};

/// Tokens that go through a layer together: weights are read once for all of them.
pub(super) const CHUNK_TOKENS: usize = 16;

/// The sequence is as long as the model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the context of {max_context_tokens} tokens is full")]
pub struct ContextFull {
    /// The model's context.
    pub max_context_tokens: usize,
}

/// One sequence on its way through a model. A clone goes its own way from the same point.
#[derive(Clone)]
pub struct Decoder {
    model: Arc<TinyModel>,
    /// For each layer and each key-value head.
    cache: Vec<Cache>,
    position: usize,
    logits: Vec<f32>,
    scratch: Scratch,
}

/// Keys and values of one key-value head, both as panels, so that attention is two plain products.
#[derive(Clone)]
struct Cache {
    /// For each [`PANEL`] positions a panel whose inputs are the head's dimensions and whose outputs are positions.
    keys: Vec<Row>,
    /// For each [`PANEL`] dimensions a panel whose inputs are positions and whose outputs are dimensions.
    values: Vec<Vec<Row>>,
    positions: usize,
}

/// Buffers for a chunk of tokens, kept between steps.
#[derive(Clone)]
struct Scratch {
    residual: Vec<f32>,
    normed: Vec<f32>,
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    attended: Vec<f32>,
    added: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    scores: Vec<f32>,
}

impl Decoder {
    /// An empty sequence.
    pub fn new(model: Arc<TinyModel>) -> Self {
        let shape = *model.config().shape();
        let chunk = |width: usize| vec![0.0; CHUNK_TOKENS * width];
        let kv_dim = model.config().kv_dim();
        Self {
            cache: vec![Cache::new(model.config().head_dim()); shape.layers * shape.kv_heads],
            position: 0,
            logits: vec![0.0; Token::VOCABULARY],
            scratch: Scratch {
                residual: chunk(shape.hidden),
                normed: chunk(shape.hidden),
                query: chunk(shape.hidden),
                key: chunk(kv_dim),
                value: chunk(kv_dim),
                attended: chunk(shape.hidden),
                added: chunk(shape.hidden),
                gate: chunk(shape.intermediate),
                up: chunk(shape.intermediate),
                scores: Vec::new(),
            },
            model,
        }
    }

    /// The model.
    pub fn model(&self) -> &Arc<TinyModel> {
        &self.model
    }

    /// Tokens in the sequence.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Scores of all tokens as the next one, indexed by [`Token::id`]; zeros before the first token.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Appends tokens and works out the logits after the last of them. How a sequence is cut into calls changes no bit
    /// of them.
    ///
    /// # Errors
    /// The sequence would be longer than the model's context; nothing is appended then.
    pub fn feed(&mut self, tokens: &[Token]) -> Result<&[f32], ContextFull> {
        let max_context_tokens = self.model.config().shape().max_context_tokens;
        if tokens.len() > max_context_tokens - self.position {
            return Err(ContextFull { max_context_tokens });
        }
        let model = Arc::clone(&self.model);
        let hidden = model.config().shape().hidden;
        for chunk in tokens.chunks(CHUNK_TOKENS) {
            self.scratch.fit(&model, chunk.len());
            for (token, row) in chunk.iter().zip(self.scratch.residual.chunks_exact_mut(hidden)) {
                row.copy_from_slice(&model.embedding[token.id() * hidden..][..hidden]);
            }
            for (number, layer) in model.layers.iter().enumerate() {
                self.attention(&model, number, layer);
                self.feed_forward(layer);
            }
            self.position += chunk.len();
        }
        if !tokens.is_empty() {
            let scratch = &mut self.scratch;
            let last = scratch.residual.len() - hidden;
            let normed = &mut scratch.normed[..hidden];
            exact::rms_norm(&scratch.residual[last..], &model.final_norm, normed);
            model.head.multiply(normed, &mut self.logits);
        }
        Ok(&self.logits)
    }

    fn attention(&mut self, model: &TinyModel, number: usize, layer: &Layer) {
        let shape = *model.config().shape();
        let (head_dim, kv_dim) = (model.config().head_dim(), model.config().kv_dim());
        let scratch = &mut self.scratch;
        norm_rows(&scratch.residual, &layer.attention_norm, &mut scratch.normed);
        layer.query.multiply(&scratch.normed, &mut scratch.query);
        layer.key.multiply(&scratch.normed, &mut scratch.key);
        layer.value.multiply(&scratch.normed, &mut scratch.value);

        let caches = &mut self.cache[number * shape.kv_heads..][..shape.kv_heads];
        let pairs = head_dim / 2;
        let rows = scratch
            .query
            .chunks_exact_mut(shape.hidden)
            .zip(scratch.attended.chunks_exact_mut(shape.hidden));
        let kv_rows = scratch
            .key
            .chunks_exact_mut(kv_dim)
            .zip(scratch.value.chunks_exact(kv_dim));
        for (offset, ((query, attended), (key, value))) in rows.zip(kv_rows).enumerate() {
            let rotation = &model.rotations[(self.position + offset) * pairs..][..pairs];
            rotate(query, head_dim, rotation);
            rotate(key, head_dim, rotation);
            let heads_per_kv = shape.heads / shape.kv_heads * head_dim;
            let groups = query
                .chunks_exact(heads_per_kv)
                .zip(attended.chunks_exact_mut(heads_per_kv));
            let new = key.chunks_exact(head_dim).zip(value.chunks_exact(head_dim));
            for ((cache, (key, value)), (queries, attended)) in caches.iter_mut().zip(new).zip(groups) {
                cache.append(key, value);
                let heads = queries.chunks_exact(head_dim).zip(attended.chunks_exact_mut(head_dim));
                for (query, attended) in heads {
                    cache.attend(query, model.score_scale, &mut scratch.scores, attended);
                }
            }
        }
        layer.output.multiply(&scratch.attended, &mut scratch.added);
        add(&mut scratch.residual, &scratch.added);
    }

    fn feed_forward(&mut self, layer: &Layer) {
        let scratch = &mut self.scratch;
        norm_rows(&scratch.residual, &layer.feed_forward_norm, &mut scratch.normed);
        layer.gate.multiply(&scratch.normed, &mut scratch.gate);
        layer.up.multiply(&scratch.normed, &mut scratch.up);
        exact::swiglu(&mut scratch.gate, &scratch.up);
        layer.down.multiply(&scratch.gate, &mut scratch.added);
        add(&mut scratch.residual, &scratch.added);
    }
}

impl Cache {
    fn new(head_dim: usize) -> Self {
        Self {
            keys: Vec::new(),
            values: vec![Vec::new(); head_dim / PANEL],
            positions: 0,
        }
    }

    fn append(&mut self, key: &[f32], value: &[f32]) {
        let (block, place) = (self.positions / PANEL, self.positions % PANEL);
        if place == 0 {
            self.keys.resize(self.keys.len() + key.len(), Row::ZERO);
        }
        for (positions, element) in self.keys[block * key.len()..].iter_mut().zip(key) {
            positions.0[place] = *element;
        }
        for (panel, part) in self.values.iter_mut().zip(value.as_chunks::<PANEL>().0) {
            panel.push(Row(*part));
        }
        self.positions += 1;
    }

    /// Attention of one query over all positions so far.
    fn attend(&self, query: &[f32], scale: f32, scores: &mut Vec<f32>, out: &mut [f32]) {
        scores.clear();
        for panel in self.keys.chunks_exact(query.len()) {
            scores.extend(multiply_panel(panel, query).map(|score| score * scale));
        }
        scores.truncate(self.positions);
        exact::softmax(scores);
        for (panel, out) in self.values.iter().zip(out.as_chunks_mut::<PANEL>().0) {
            *out = multiply_panel(panel, scores);
        }
    }
}

impl Scratch {
    /// Sets the buffers' lengths for `tokens` tokens; their capacity is that of a chunk.
    fn fit(&mut self, model: &TinyModel, tokens: usize) {
        let shape = model.config().shape();
        let kv_dim = model.config().kv_dim();
        let buffers = [
            (&mut self.residual, shape.hidden),
            (&mut self.normed, shape.hidden),
            (&mut self.query, shape.hidden),
            (&mut self.key, kv_dim),
            (&mut self.value, kv_dim),
            (&mut self.attended, shape.hidden),
            (&mut self.added, shape.hidden),
            (&mut self.gate, shape.intermediate),
            (&mut self.up, shape.intermediate),
        ];
        for (buffer, width) in buffers {
            buffer.resize(tokens * width, 0.0);
        }
    }
}

fn norm_rows(rows: &[f32], weight: &[f32], out: &mut [f32]) {
    let width = weight.len();
    for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        exact::rms_norm(row, weight, out);
    }
}

fn add(to: &mut [f32], terms: &[f32]) {
    for (to, term) in to.iter_mut().zip(terms) {
        *to += term;
    }
}

/// Turns dimension `i` of each head with dimension `i + width/2`.
fn rotate(heads: &mut [f32], head_dim: usize, rotation: &[(f32, f32)]) {
    for head in heads.chunks_exact_mut(head_dim) {
        let (low, high) = head.split_at_mut(head_dim / 2);
        for ((low, high), (sine, cosine)) in low.iter_mut().zip(high).zip(rotation) {
            (*low, *high) = (*low * cosine - *high * sine, *high * cosine + *low * sine);
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("model", &self.model)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
