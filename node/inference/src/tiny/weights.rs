//! Weights from a seed, and matrices laid out for multiplying.

use crate::counter::Counter;

/// Outputs that are worked out side by side; each has one accumulator and adds its terms in the order of the inputs.
pub(super) const PANEL: usize = 16;

/// The weights of one input in a panel, aligned to a cache line so that a load never straddles two.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub(super) struct Row(pub(super) [f32; PANEL]);

impl Row {
    pub(super) const ZERO: Row = Row([0.0; PANEL]);
}

/// The tensors of a model. A number is part of the definition of the weights: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tensor {
    Embedding = 0,
    FinalNorm = 1,
    Head = 2,
    AttentionNorm = 3,
    Query = 4,
    Key = 5,
    Value = 6,
    Output = 7,
    FeedForwardNorm = 8,
    Gate = 9,
    Up = 10,
    Down = 11,
}

/// Source of a model's weights: each element is a function of seed, layer, tensor and row-major index, so that any
/// slice can be made again anywhere, for example on a GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightSource(Counter);

impl WeightSource {
    pub(super) fn new(seed: u64) -> Self {
        Self(Counter::new(seed))
    }

    /// Standard normal by Irwin and Hall: twelve uniform numbers of 16 bits, less their mean; their variance is 1.
    /// Integers up to the conversion, which is exact.
    fn normal(draws: Counter, index: u64) -> f32 {
        let mut total = 0_i32;
        for part in 0..3 {
            let bits = draws.at(index * 3 + part);
            total += (0..4)
                .map(|word| (bits >> (16 * word)) as u16)
                .map(i32::from)
                .sum::<i32>();
        }
        (total - 6 * i32::from(u16::MAX)) as f32 / 65_536.0
    }

    /// `rows` × `columns` normal numbers times `scale`, row by row. Layers count from 0.
    fn elements(self, layer: usize, tensor: Tensor, count: usize, scale: f32) -> impl Iterator<Item = f32> {
        let draws = self.0.stream((layer as u64) << 8 | tensor as u64);
        (0..count as u64).map(move |index| Self::normal(draws, index) * scale)
    }

    /// A vector around 1, for a normalisation.
    pub(super) fn norm(self, layer: usize, tensor: Tensor, width: usize) -> Vec<f32> {
        self.elements(layer, tensor, width, 1.0 / 16.0)
            .map(|x| 1.0 + x)
            .collect()
    }

    /// Rows to look up.
    pub(super) fn table(self, tensor: Tensor, rows: usize, columns: usize) -> Vec<f32> {
        self.elements(0, tensor, rows * columns, 1.0).collect()
    }

    /// A matrix to multiply with.
    pub(super) fn matrix(self, layer: usize, tensor: Tensor, outputs: usize, inputs: usize, scale: f32) -> Matrix {
        Matrix::from_rows(outputs, inputs, self.elements(layer, tensor, outputs * inputs, scale))
    }
}

/// A matrix in panels of [`PANEL`] outputs, each panel input by input; missing outputs of the last panel are zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matrix {
    panels: Vec<Row>,
    outputs: usize,
    inputs: usize,
}

impl Matrix {
    /// From elements row by row, one row for each output.
    fn from_rows(outputs: usize, inputs: usize, elements: impl Iterator<Item = f32>) -> Self {
        let mut panels = vec![Row::ZERO; outputs.div_ceil(PANEL) * inputs];
        for (index, element) in elements.take(outputs * inputs).enumerate() {
            let (output, input) = (index / inputs, index % inputs);
            panels[output / PANEL * inputs + input].0[output % PANEL] = element;
        }
        Self {
            panels,
            outputs,
            inputs,
        }
    }

    /// Elements row by row.
    pub(super) fn rows(&self) -> impl Iterator<Item = f32> {
        (0..self.outputs * self.inputs).map(|index| {
            let (output, input) = (index / self.inputs, index % self.inputs);
            self.panels[output / PANEL * self.inputs + input].0[output % PANEL]
        })
    }

    /// Multiplies each of the vectors that follow one another in `x`; the products follow one another in `out`.
    ///
    /// A panel stays in the cache for all vectors; each product is the same as if its vector were alone.
    pub(super) fn multiply(&self, x: &[f32], out: &mut [f32]) {
        for (number, panel) in self.panels.chunks_exact(self.inputs).enumerate() {
            let start = number * PANEL;
            let width = PANEL.min(self.outputs - start);
            for (x, out) in x.chunks_exact(self.inputs).zip(out.chunks_exact_mut(self.outputs)) {
                out[start..start + width].copy_from_slice(&multiply_panel(panel, x)[..width]);
            }
        }
    }
}

/// Multiplies a vector with one panel, which has a row of outputs for each input.
pub(super) fn multiply_panel(panel: &[Row], x: &[f32]) -> [f32; PANEL] {
    let mut sums = [0.0; PANEL];
    let mut add = |row: &Row, x: f32| {
        for (sum, weight) in sums.iter_mut().zip(&row.0) {
            *sum += weight * x;
        }
    };
    let inputs = panel.len().min(x.len());
    // Two rows a round, for the compiler to interleave; each sum still adds them one after the other.
    let (rows, last_row) = panel[..inputs].as_chunks::<2>();
    let (pairs, last_x) = x[..inputs].as_chunks::<2>();
    for ([row_a, row_b], [a, b]) in rows.iter().zip(pairs) {
        add(row_a, *a);
        add(row_b, *b);
    }
    for (row, x) in last_row.iter().zip(last_x) {
        add(row, *x);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_the_sum_over_inputs_in_order() {
        // Neither size is a multiple of the panel.
        let (outputs, inputs) = (37, 11);
        let matrix = WeightSource::new(1).matrix(0, Tensor::Up, outputs, inputs, 1.0);
        let rows: Vec<f32> = matrix.rows().collect();
        let x: Vec<f32> = WeightSource::new(2).table(Tensor::Embedding, 3, inputs);
        let mut out = vec![f32::NAN; 3 * outputs];
        matrix.multiply(&x, &mut out);
        for (x, out) in x.chunks(inputs).zip(out.chunks(outputs)) {
            for (row, out) in rows.chunks(inputs).zip(out) {
                let expected = row.iter().zip(x).fold(0.0, |sum, (weight, x)| sum + weight * x);
                assert_eq!(out.to_bits(), expected.to_bits());
                let reversed = row.iter().zip(x).rev().fold(0.0, |sum, (weight, x)| sum + weight * x);
                assert!((out - reversed).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn weights_are_normal_and_a_function_of_their_place() {
        let source = WeightSource::new(42);
        let sample: Vec<f64> = source.elements(1, Tensor::Gate, 40_000, 1.0).map(f64::from).collect();
        let mean = sample.iter().sum::<f64>() / 40_000.0;
        let variance = sample.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 40_000.0;
        // Five standard errors: 1/200 of the mean, √2/200 of the variance.
        assert!(mean.abs() < 0.025, "{mean}");
        assert!((variance - 1.0).abs() < 0.036, "{variance}");
        let beyond_two = sample.iter().filter(|x| x.abs() > 2.0).count();
        assert!((1600..2100).contains(&beyond_two), "{beyond_two}");

        let first = |seed, layer, tensor| {
            let elements: Vec<f32> = WeightSource::new(seed).elements(layer, tensor, 4, 1.0).collect();
            elements
        };
        assert_eq!(first(42, 1, Tensor::Gate), first(42, 1, Tensor::Gate));
        for other in [
            first(43, 1, Tensor::Gate),
            first(42, 2, Tensor::Gate),
            first(42, 1, Tensor::Up),
        ] {
            assert_ne!(first(42, 1, Tensor::Gate), other);
        }
    }
}
