//! Arithmetic whose bits are the same on every platform.
//!
//! IEEE 754 fixes addition, subtraction, multiplication and division to the bit; what differs between platforms is
//! libm, fused multiply-add, and the order in which a compiler may sum. So: functions are fixed polynomials in those
//! four operations, Rust never fuses on its own, and each sum has one written order. Loops are shaped so that the
//! compiler can still put neighbouring *outputs* (not terms of one sum) into SIMD lanes.
//!
//! Arguments are finite by construction (weights are, and each layer is normalised): payloads of NaN, which do differ
//! between platforms, never arise.

use std::f32::consts::LOG2_E;

/// Lanes of a sum whose terms are spread over accumulators; term `i` goes to lane `i % LANES`.
const LANES: usize = 8;

/// Adding and subtracting 1.5 × 2^23 rounds a small f32 to the nearest integer, ties to even.
const ROUND: f32 = 12_582_912.0;

/// The part of ln 2 that fits 9 bits, so that its product with an exponent is exact, and the rest.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// e^x within 3 units in the last place. Saturates at e^±86, which keeps results normal.
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-86.0, 86.0);
    let shifted = x * LOG2_E + ROUND;
    let exponent = shifted - ROUND;
    let rest = (x - exponent * LN_2_HIGH) - exponent * LN_2_LOW;
    // Taylor on |rest| <= ln(2)/2: the first term left out is below 2^-27.
    let mut power = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        power = power * rest + coefficient;
    }
    // The low bits of `shifted` hold the exponent as an integer; moved up, they scale by a power of two.
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// 1/√x for normal positive x, within 3 units in the last place.
pub(super) fn inverse_sqrt(x: f32) -> f32 {
    // Halving the exponent by a shift is within 4%; three Newton steps square that to below 2^-24.
    let mut root = f32::from_bits(0x5f37_59df - (x.to_bits() >> 1));
    for _ in 0..3 {
        root *= 1.5 - 0.5 * x * root * root;
    }
    root
}

/// Sine and cosine of 0 <= x < 2^20, within 2^-50, in f64: the tables they fill are rounded to f32.
pub(super) fn sin_cos(x: f64) -> (f64, f64) {
    /// As [`ROUND`], for f64.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// π/2 in two parts; the first has 33 bits, so that its product with a quarter-turn count is exact.
    const QUARTER_HIGH: f64 = f64::from_bits(0x3ff9_21fb_5440_0000);
    const QUARTER_LOW: f64 = 6.077_100_506_506_192e-11;
    let shifted = x * std::f64::consts::FRAC_2_PI + ROUND;
    let quarters = shifted - ROUND;
    let rest = (x - quarters * QUARTER_HIGH) - quarters * QUARTER_LOW;
    let square = rest * rest;
    // Taylor on |rest| <= π/4, from the highest term down: x^(k+2)/(k+2)! is x^k/k! times square/((k+1)(k+2)).
    let (mut sine, mut cosine) = (1.0, 1.0);
    for k in [14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        sine = 1.0 - sine * square / (k * (k + 1.0));
        cosine = 1.0 - cosine * square / (k * (k - 1.0));
    }
    sine *= rest;
    match shifted.to_bits() & 3 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

/// Σ a·b, where both have the same length, a multiple of [`LANES`].
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    fold(lanes)
}

/// Σ a of any length.
pub(super) fn sum(a: &[f32]) -> f32 {
    let (whole, rest) = a.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in whole {
        for (lane, a) in lanes.iter_mut().zip(chunk) {
            *lane += a;
        }
    }
    for (lane, a) in lanes.iter_mut().zip(rest) {
        *lane += a;
    }
    fold(lanes)
}

/// Halves are added to halves: the order of a SIMD reduction, written out.
fn fold(lanes: [f32; LANES]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Turns scores into weights that sum to 1.
pub(super) fn softmax(scores: &mut [f32]) {
    // A comparison, not `f32::max`, which may pick either of two zeros.
    let higher = |best: f32, next: f32| if next > best { next } else { best };
    let highest = scores.iter().copied().fold(f32::MIN, higher);
    for score in scores.iter_mut() {
        *score = exp(*score - highest);
    }
    let scale = 1.0 / sum(scores);
    for score in scores {
        *score *= scale;
    }
}

/// `x / rms(x) * weight`, the root-mean-square normalisation.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], out: &mut [f32]) {
    const EPSILON: f32 = 1e-5;
    // Lengths are far below 2^24, where f32 is exact.
    let mean_square = dot(x, x) / x.len() as f32;
    let scale = inverse_sqrt(mean_square + EPSILON);
    for (out, (x, weight)) in out.iter_mut().zip(x.iter().zip(weight)) {
        *out = x * scale * weight;
    }
}

/// The gate of SwiGLU: `gate · σ(gate) · up`, into `gate`.
pub(super) fn swiglu(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative distance to the platform's own function, which is right to about one unit in the last place.
    fn relative(ours: f64, platform: f64) -> f64 {
        ((ours - platform) / platform).abs()
    }

    #[test]
    fn exp_agrees_with_the_platform_to_the_last_places() {
        let mut worst: f64 = 0.0;
        for step in -86_000..=86_000 {
            let x = step as f32 / 1000.0;
            worst = worst.max(relative(exp(x).into(), f64::from(x).exp()));
        }
        assert!(worst < 2.5e-7, "{worst}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e9), exp(-86.0));
        assert_eq!(exp(1e9), exp(86.0));
        assert!(exp(-86.0).is_normal() && exp(86.0).is_normal());
    }

    #[test]
    fn inverse_sqrt_agrees_with_the_platform_to_the_last_places() {
        let mut worst: f64 = 0.0;
        for step in 1..100_000 {
            let x = step as f32 * 0.01;
            worst = worst.max(relative(inverse_sqrt(x).into(), 1.0 / f64::from(x).sqrt()));
        }
        assert!(worst < 2.5e-7, "{worst}");
    }

    #[test]
    fn sine_and_cosine_agree_with_the_platform() {
        let mut worst: f64 = 0.0;
        for step in 0..200_000 {
            let x = f64::from(step) * 0.331;
            let (sine, cosine) = sin_cos(x);
            worst = worst.max((sine - x.sin()).abs()).max((cosine - x.cos()).abs());
        }
        assert!(worst < 1e-14, "{worst}");
        assert_eq!(sin_cos(0.0), (0.0, 1.0));
    }

    /// Bits, not values: these are what every platform must give. Computed by this code on x86-64.
    #[test]
    fn bits_of_each_function_are_fixed() {
        let mut bits = Vec::new();
        for step in 0_i16..64 {
            let x = f32::from(step) * 0.73 - 20.0;
            bits.push(exp(x).to_bits());
            bits.push(inverse_sqrt(x + 21.0).to_bits());
            let (sine, cosine) = sin_cos(f64::from(step) * 61.7);
            bits.push((sine as f32).to_bits());
            bits.push((cosine as f32).to_bits());
        }
        let folded = bits.iter().fold(0_u64, |hash, bits| {
            (hash ^ u64::from(*bits)).wrapping_mul(0x100_0000_01b3)
        });
        assert_eq!(folded, 0x4f62_b031_c26c_31ea, "{folded:#x}");
    }

    #[test]
    fn sums_are_in_the_written_order() {
        // Terms whose sum depends on the order: lane 0 gets 1e8 and -1e8, lane 1 the small ones.
        let mut terms = [0.0_f32; 16];
        terms[0] = 1e8;
        terms[8] = -1e8;
        terms[1] = 1.0;
        terms[9] = 1.0;
        assert_eq!(sum(&terms), 2.0);
        assert_eq!(dot(&terms, &[1.0; 16]), 2.0);
        // One after the other, the first small term is lost: the test can tell orders apart.
        assert_eq!(terms.iter().sum::<f32>(), 1.0);
        assert_eq!(sum(&[1.0, 2.0, 3.0]), 6.0);
        assert_eq!(sum(&[]), 0.0);
    }

    #[test]
    fn softmax_sums_to_one_and_keeps_the_order() {
        let mut scores = [1.0, -3.0, 2.0, 80.0, 79.0];
        softmax(&mut scores);
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(scores[3] > scores[4] && scores[4] > scores[2] && scores[2] > scores[0] && scores[0] > scores[1]);
        assert!((scores[3] / scores[4] - std::f32::consts::E).abs() < 1e-5);
    }

    #[test]
    fn normalisation_gives_a_unit_root_mean_square() {
        let x: Vec<f32> = (0..64_u8).map(|i| f32::from(i) - 20.0).collect();
        let mut out = vec![0.0; 64];
        rms_norm(&x, &[1.0; 64], &mut out);
        assert!((dot(&out, &out) / 64.0 - 1.0).abs() < 1e-5);
        rms_norm(&x, &[2.0; 64], &mut out);
        assert!((dot(&out, &out) / 64.0 - 4.0).abs() < 1e-4);
    }

    #[test]
    fn swiglu_follows_its_definition() {
        let mut gate = [0.0, 1.0, -2.0, 30.0];
        swiglu(&mut gate, &[5.0, 2.0, 3.0, 1.0]);
        let expected = [0.0, 2.0 * 0.731_058_6, -6.0 * 0.119_202_92, 30.0];
        for (ours, expected) in gate.iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-5, "{ours} {expected}");
        }
    }
}
