//! Shapes of the decoder.

use super::weights::PANEL;

/// Width of each attention head must be a multiple of this: values are cached in panels of that many dimensions.
const HEAD_DIM_MULTIPLE: usize = PANEL;

/// A shape as one writes it down; [`TinyConfig::new`] checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TinyShape {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads; they divide `hidden` into widths that are multiples of 16.
    pub heads: usize,
    /// Key and value heads; they divide `heads`.
    pub kv_heads: usize,
    /// Width of the feed-forward part.
    pub intermediate: usize,
    /// Positions, prompt and answer together.
    pub max_context_tokens: usize,
}

/// A shape that a model can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TinyConfig(TinyShape);

/// Why a shape is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A dimension is zero or above its limit.
    #[error("{name} must be within 1..={limit}")]
    Range {
        /// Which.
        name: &'static str,
        /// Its limit.
        limit: usize,
    },
    /// Heads do not divide the hidden width into multiples of 16.
    #[error("the hidden width must be the heads times a multiple of {HEAD_DIM_MULTIPLE}")]
    Heads,
    /// Key and value heads do not divide the query heads.
    #[error("the key and value heads must divide the query heads")]
    KvHeads,
}

impl TinyConfig {
    /// 64 wide, 2 layers: 0.13 million parameters.
    pub const fn nano() -> Self {
        Self(TinyShape {
            hidden: 64,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            intermediate: 176,
            max_context_tokens: 4096,
        })
    }

    /// 128 wide, 4 layers: 0.79 million parameters.
    pub const fn tiny() -> Self {
        Self(TinyShape {
            hidden: 128,
            layers: 4,
            heads: 4,
            kv_heads: 2,
            intermediate: 344,
            max_context_tokens: 4096,
        })
    }

    /// Checks a shape.
    ///
    /// # Errors
    /// It is inconsistent, or beyond what this decoder is for.
    pub fn new(shape: TinyShape) -> Result<Self, ShapeError> {
        let limits = [
            ("hidden", shape.hidden, 4096),
            ("layers", shape.layers, 64),
            ("heads", shape.heads, 128),
            ("kv_heads", shape.kv_heads, 128),
            ("intermediate", shape.intermediate, 16_384),
            ("max_context_tokens", shape.max_context_tokens, 65_536),
        ];
        for (name, value, limit) in limits {
            if value == 0 || value > limit {
                return Err(ShapeError::Range { name, limit });
            }
        }
        if !shape.hidden.is_multiple_of(shape.heads * HEAD_DIM_MULTIPLE) {
            return Err(ShapeError::Heads);
        }
        if !shape.heads.is_multiple_of(shape.kv_heads) {
            return Err(ShapeError::KvHeads);
        }
        Ok(Self(shape))
    }

    /// The shape.
    pub const fn shape(&self) -> &TinyShape {
        &self.0
    }

    /// Width of a head.
    pub(super) const fn head_dim(&self) -> usize {
        self.0.hidden / self.0.heads
    }

    /// Width of all keys, or all values, of one position.
    pub(super) const fn kv_dim(&self) -> usize {
        self.0.kv_heads * self.head_dim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_shapes() {
        for preset in [TinyConfig::nano(), TinyConfig::tiny()] {
            assert_eq!(TinyConfig::new(*preset.shape()), Ok(preset));
        }
    }

    #[test]
    fn shapes_that_cannot_be_are_refused() {
        let good = *TinyConfig::nano().shape();
        let refused = [
            (TinyShape { heads: 3, ..good }, ShapeError::Heads),
            // 64 / 8 = 8 is a width, but no multiple of 16.
            (TinyShape { heads: 8, ..good }, ShapeError::Heads),
            (TinyShape { kv_heads: 3, ..good }, ShapeError::KvHeads),
            (TinyShape { kv_heads: 8, ..good }, ShapeError::KvHeads),
            (
                TinyShape { layers: 0, ..good },
                ShapeError::Range {
                    name: "layers",
                    limit: 64,
                },
            ),
            (
                TinyShape {
                    max_context_tokens: usize::MAX,
                    ..good
                },
                ShapeError::Range {
                    name: "max_context_tokens",
                    limit: 65_536,
                },
            ),
        ];
        for (shape, error) in refused {
            assert_eq!(TinyConfig::new(shape), Err(error));
        }
    }
}
