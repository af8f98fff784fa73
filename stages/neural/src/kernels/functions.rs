//! Elementary functions as straight-line arithmetic, so that loops over them vectorise.

use super::MultiplyAdd;

/// e^x for |x| <= 87; below that it goes to about 1e-38, above it is clamped.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 7 (relative error below 1e-8, so the
/// result is good to about one unit in the last place of `f32`).
#[inline(always)]
pub(crate) fn exp<M: MultiplyAdd>(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it leaves the rounded integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = M::fma(x, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = M::fma(n, -LN2_LOW, M::fma(n, -LN2_HIGH, x));
    let mut p = 1.0 / 5040.0;
    p = M::fma(p, r, 1.0 / 720.0);
    p = M::fma(p, r, 1.0 / 120.0);
    p = M::fma(p, r, 1.0 / 24.0);
    p = M::fma(p, r, 1.0 / 6.0);
    p = M::fma(p, r, 0.5);
    p = M::fma(p, r, 1.0);
    p = M::fma(p, r, 1.0);
    let power = f32::from_bits(shifted.to_bits().wrapping_shl(23).wrapping_add(0x3F80_0000));
    p * power
}

/// e^x in `f64` for |x| <= 708, clamped beyond: the same with a Taylor polynomial of degree 13 (relative error below
/// 1e-17 before rounding).
#[inline(always)]
pub(crate) fn exp_double<M: MultiplyAdd>(x: f64) -> f64 {
    /// 1.5 * 2^52
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    /// ln 2 with its last 21 bits zero, so that its products with whole numbers below 2^21 are exact, and the rest.
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const COEFFICIENTS: [f64; 14] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let x = x.clamp(-708.0, 708.0);
    let shifted = M::fma(x, std::f64::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = M::fma(n, -LN2_LOW, M::fma(n, -LN2_HIGH, x));
    let mut p = COEFFICIENTS[0];
    for coefficient in &COEFFICIENTS[1..] {
        p = M::fma(p, r, *coefficient);
    }
    p * f64::from_bits(shifted.to_bits().wrapping_shl(52).wrapping_add(0x3FF0_0000_0000_0000))
}

/// The error function, to about 2e-7: the rational minimax approximation on [-4, 4] used by Eigen
/// (`generic_fast_erf_float`, `MathFunctionsImpl.h`, MPL-2.0; coefficients only).
#[inline(always)]
pub(crate) fn erf<M: MultiplyAdd>(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let mut p = -2.726_142_3e-10;
    p = M::fma(p, s, 2.770_681_4e-8);
    p = M::fma(p, s, -2.101_024e-6);
    p = M::fma(p, s, -5.692_506_4e-5);
    p = M::fma(p, s, -7.349_906_5e-4);
    p = M::fma(p, s, -2.954_6e-3);
    p = M::fma(p, s, -1.609_603_3e-2);
    let mut q = -1.456_607_2e-5;
    q = M::fma(q, s, -2.133_740_6e-4);
    q = M::fma(q, s, -1.682_827e-3);
    q = M::fma(q, s, -7.373_329e-3);
    q = M::fma(q, s, -1.426_473_9e-2);
    x * p / q
}

/// tanh x = 1 - 2 / (1 + e^(2 x)), to 2e-7 and exactly 1 where it rounds to that.
///
/// 2 x = n ln 2 + 2 r with |r| <= ln 2 / 4; e^(2 r) by the polynomial of degree 6 whose largest relative error there is
/// least, 2e-9 (Remez). A rational function of x is as fast, but its rounding errors do not vanish where tanh is flat: with
/// one, Minos failed in the reference fit of the authors' NFDE.
#[inline(always)]
pub(crate) fn tanh<M: MultiplyAdd>(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it leaves the rounded integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-10.0, 10.0);
    let shifted = M::fma(x, 2.0 * std::f32::consts::LOG2_E, MAGIC);
    let r = M::fma(shifted - MAGIC, -0.5 * std::f32::consts::LN_2, x);
    let mut p = 0.088_555_81;
    p = M::fma(p, r, 0.267_994_1);
    p = M::fma(p, r, 0.666_691_6);
    p = M::fma(p, r, 1.333_313_6);
    p = M::fma(p, r, 1.999_999_7);
    p = M::fma(p, r, 2.0);
    p = M::fma(p, r, 1.0);
    let power = f32::from_bits(shifted.to_bits().wrapping_shl(23).wrapping_add(0x3F80_0000));
    M::fma(-2.0, 1.0 / M::fma(p, power, 1.0), 1.0)
}

/// tanh x = 1 - 2 / (1 + e^(2 x)) in `f64`, to about 2e-16.
#[inline(always)]
pub(crate) fn tanh_double<M: MultiplyAdd>(x: f64) -> f64 {
    M::fma(-2.0, 1.0 / (1.0 + exp_double::<M>(x + x)), 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::{Fused, Separate};
    use super::*;

    #[test]
    fn exponential_is_good_to_the_last_place() {
        for i in -8600..8600 {
            let x = i as f32 * 0.01;
            let exact = f64::from(x).exp();
            for value in [exp::<Fused>(x), exp::<Separate>(x)] {
                assert!((f64::from(value) / exact - 1.0).abs() < 2e-7, "exp({x}) = {value}");
            }
        }
        assert!(exp::<Fused>(-500.0) < 1e-37);
        assert!(exp::<Fused>(f32::NAN).is_nan());
    }

    #[test]
    fn double_exponential_is_good_to_the_last_place() {
        for i in -70_000..70_000 {
            let x = f64::from(i) * 0.0101;
            for value in [exp_double::<Fused>(x), exp_double::<Separate>(x)] {
                assert!((value / x.exp() - 1.0).abs() < 6e-16, "exp({x}) = {value}");
            }
        }
        assert!(exp_double::<Fused>(-1e4) < 1e-307 && exp_double::<Fused>(f64::NAN).is_nan());
    }

    #[test]
    fn error_function_agrees_with_tables() {
        // Abramowitz and Stegun, table 7.1.
        let table = [
            (0.0, 0.0),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (1.5, 0.966_105_1),
            (2.0, 0.995_322_3),
            (3.0, 0.999_977_9),
        ];
        for (x, value) in table {
            assert!((erf::<Fused>(x) - value).abs() < 3e-7, "erf({x})");
            assert!((erf::<Separate>(-x) + value).abs() < 3e-7, "erf(-{x})");
        }
    }
    #[test]
    fn hyperbolic_tangent_is_good_to_the_last_places() {
        for i in -120_000..120_000 {
            let x = 1e-4 * f64::from(i);
            let exact = x.tanh();
            for value in [tanh::<Fused>(x as f32), tanh::<Separate>(x as f32)] {
                assert!((f64::from(value) - exact).abs() < 2.5e-7, "tanh({x}) = {value}");
            }
            for value in [tanh_double::<Fused>(x), tanh_double::<Separate>(x)] {
                assert!((value - exact).abs() < 4e-16, "tanh({x}) = {value}");
            }
        }
        for beyond in [50.0, 1e30] {
            assert!(
                tanh::<Fused>(beyond) == 1.0
                    && tanh::<Separate>(-beyond) == -1.0
                    && tanh_double::<Fused>(f64::from(beyond)) == 1.0
            );
        }
        assert!(tanh::<Fused>(f32::NAN).is_nan() && tanh_double::<Fused>(f64::NAN).is_nan());
    }
}
