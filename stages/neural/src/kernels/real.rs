//! Numbers that kernels compute with: `f32`, and `f64` where a caller pays for it.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::{MultiplyAdd, functions};

/// A floating-point number with the elementary functions of the kernels as straight-line arithmetic.
pub(crate) trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + 'static
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Smallest factor of a Jacobian: four of them multiplied are still a normal number, and none has a logarithm of
    /// minus infinity.
    const SMALLEST_SLOPE: Self;

    /// Nearest number to `value`.
    fn of(value: f64) -> Self;
    /// The number as `f64`, exactly.
    fn widen(self) -> f64;
    /// `self * b + c`, rounded once.
    fn fused(self, b: Self, c: Self) -> Self;
    /// The larger one.
    fn larger(self, other: Self) -> Self;
    /// e^self, clamped where it would leave the range of normal numbers.
    fn exponential<M: MultiplyAdd>(self) -> Self;
    /// The error function.
    fn error_function<M: MultiplyAdd>(self) -> Self;
    /// tanh self.
    fn hyperbolic_tangent<M: MultiplyAdd>(self) -> Self;
    /// (m, n) with self = m 2^n and m in [1, 2), for positive normal numbers.
    fn split(self) -> (Self, Self);
    /// ln m for m in [1, 2).
    fn log_mantissa<M: MultiplyAdd>(self) -> Self;
}

impl Real for f32 {
    const SMALLEST_SLOPE: Self = 1e-9;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn exponential<M: MultiplyAdd>(self) -> Self {
        functions::exp::<M>(self)
    }
    #[inline(always)]
    fn error_function<M: MultiplyAdd>(self) -> Self {
        functions::erf::<M>(self)
    }
    #[inline(always)]
    fn hyperbolic_tangent<M: MultiplyAdd>(self) -> Self {
        functions::tanh::<M>(self)
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let bits = self.to_bits();
        (Self::from_bits(bits & 0x007F_FFFF | 0x3F80_0000), ((bits >> 23) as i32 - 127) as Self)
    }
    #[inline(always)]
    fn log_mantissa<M: MultiplyAdd>(self) -> Self {
        log_mantissa::<Self, M, 6>(self)
    }
}

impl Real for f64 {
    const SMALLEST_SLOPE: Self = 1e-12;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }
    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn exponential<M: MultiplyAdd>(self) -> Self {
        functions::exp_double::<M>(self)
    }
    #[inline(always)]
    fn error_function<M: MultiplyAdd>(self) -> Self {
        libm::erf(self)
    }
    #[inline(always)]
    fn hyperbolic_tangent<M: MultiplyAdd>(self) -> Self {
        functions::tanh_double::<M>(self)
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        let bits = self.to_bits();
        let mantissa = Self::from_bits(bits & 0x000F_FFFF_FFFF_FFFF | 0x3FF0_0000_0000_0000);
        // The biased exponent as a number, without an integer conversion, which AVX2 lacks for 64 bits.
        let exponent = Self::from_bits(bits >> 52 | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1023.0);
        (mantissa, exponent)
    }
    #[inline(always)]
    fn log_mantissa<M: MultiplyAdd>(self) -> Self {
        log_mantissa::<Self, M, 12>(self)
    }
}

/// ln m = ln sqrt(2) + 2 artanh s with s = (m - sqrt 2) / (m + sqrt 2), |s| < 0.172, by `TERMS` terms of the series
/// s + s^3 / 3 + s^5 / 5 + ...
#[inline(always)]
fn log_mantissa<T: Real, M: MultiplyAdd, const TERMS: usize>(m: T) -> T {
    let root = T::of(std::f64::consts::SQRT_2);
    let s = (m - root) / (m + root);
    let square = s * s;
    let mut sum = T::of(1.0 / (2 * TERMS - 1) as f64);
    for term in (1..TERMS).rev() {
        sum = M::fma(sum, square, T::of(1.0 / (2 * term - 1) as f64));
    }
    M::fma(s + s, sum, T::of(0.5 * std::f64::consts::LN_2))
}

#[cfg(test)]
mod tests {
    use super::super::{Fused, Separate};
    use super::*;

    #[test]
    fn logarithms_are_good_to_the_last_places() {
        let log = |(m, n): (f64, f64)| m.log_mantissa::<Fused>() + n * std::f64::consts::LN_2;
        let short =
            |(m, n): (f32, f32)| f64::from(m.log_mantissa::<Separate>()) + f64::from(n) * std::f64::consts::LN_2;
        for i in 1..4000 {
            let x = 1e-3 * f64::from(i) * f64::from(i % 97 + 1);
            assert!((log(x.split()) - x.ln()).abs() < 4e-16 * (1.0 + x.ln().abs()), "ln {x}");
            let x = x as f32;
            assert!((short(x.split()) - f64::from(x).ln()).abs() < 2e-7, "ln {x}");
        }
        assert_eq!(1.0_f64.split(), (1.0, 0.0));
        assert_eq!(0.375_f32.split(), (1.5, -2.0));
        assert_eq!(1e-300_f64.split().1, (1e-300_f64).log2().floor());
    }
}
