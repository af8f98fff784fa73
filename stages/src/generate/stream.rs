//! Random streams: 32 random bits at a time, uniform numbers, exponential path lengths, directions, Gaussians.
//!
//! The generator is PCG32 (XSH-RR, `rand_pcg`). Everything derived from its bits is additions, multiplications,
//! divisions, square roots and tables made with the `libm` crate, so that a stream gives the same numbers on every machine.

use rand::Rng as _;
use rand_pcg::Pcg32;

use super::lines::Lines;

/// One stream of random numbers.
pub(crate) struct Stream(Pcg32);

impl Stream {
    /// The stream of two seed words (`Seed::stream`).
    pub(crate) fn new(words: (u64, u64)) -> Self {
        Self(Pcg32::new(words.0, words.1))
    }

    /// 32 random bits.
    #[inline(always)]
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in (0, 1): the upper 24 bits x as (x + 1/2) 2^-24.
    #[inline(always)]
    pub(crate) fn uniform(&mut self) -> f64 {
        (f64::from(self.bits() >> 8) + 0.5) * (1.0 / 16_777_216.0)
    }
}

/// Tables that turn uniform bits into other distributions.
pub(crate) struct Shapes {
    minus_log: Lines<1>,
    normal_tail: Lines<1>,
    turns: Vec<(f64, f64)>,
}

/// Octaves below 1 that hold every uniform number (the smallest is 2^-25).
const UNIFORM_OCTAVES: i32 = 25;
/// Octaves below 1 that hold every tail probability of a Gaussian (the smallest is 2^-33).
const TAIL_OCTAVES: i32 = 33;
/// Directions in the plane that are tabulated; the rest of the turn is a Taylor series.
const TURNS: u32 = 256;

impl Shapes {
    /// Makes the tables.
    pub(crate) fn new() -> Self {
        let minus_log = Lines::new(-UNIFORM_OCTAVES, 0, |u| [-libm::log(u.max(1e-9))]);
        let mut z: f64 = 7.0;
        let normal_tail = Lines::new(-TAIL_OCTAVES, -1, |p| {
            z = upper_quantile(p.max(1e-11), z);
            [z]
        });
        let angle = |i: u32| (f64::from(i) + 0.5) * std::f64::consts::TAU / f64::from(TURNS);
        let turns = (0..TURNS).map(|i| (libm::cos(angle(i)), libm::sin(angle(i)))).collect();
        Self { minus_log, normal_tail, turns }
    }

    /// Exponential with mean 1 (an optical depth).
    #[inline(always)]
    pub(crate) fn depth(&self, stream: &mut Stream) -> f64 {
        self.minus_log.at(stream.uniform())[0]
    }

    /// Standard Gaussian: sign from the lowest bit, tail probability from the other 31.
    #[inline(always)]
    pub(crate) fn normal(&self, stream: &mut Stream) -> f64 {
        let bits = stream.bits();
        let tail = (f64::from(bits >> 1) + 0.5) * (1.0 / 4_294_967_296.0);
        let z = self.normal_tail.at(tail)[0];
        if bits & 1 == 0 { z } else { -z }
    }

    /// (cos, sin) of a uniform azimuth: the upper 8 bits choose a tabulated direction, the lower 24 turn it by at most
    /// 1/512 of a turn (third-order Taylor, error below 3e-9 rad).
    #[inline(always)]
    pub(crate) fn azimuth(&self, stream: &mut Stream) -> (f64, f64) {
        let bits = stream.bits();
        let share = (f64::from(bits & 0x00ff_ffff) + 0.5) * (1.0 / 16_777_216.0) - 0.5;
        let d = share * (std::f64::consts::TAU / f64::from(TURNS));
        let (cos, sin) = self.turns[(bits >> 24) as usize];
        let d2 = d * d;
        let (cos_d, sin_d) = (1.0 - 0.5 * d2, d - d * d2 * (1.0 / 6.0));
        (cos * cos_d - sin * sin_d, sin * cos_d + cos * sin_d)
    }

    /// An isotropic direction.
    pub(crate) fn direction(&self, stream: &mut Stream) -> [f64; 3] {
        let cos = 2.0 * stream.uniform() - 1.0;
        let sin = (1.0 - cos * cos).max(0.0).sqrt();
        let (x, y) = self.azimuth(stream);
        [sin * x, sin * y, cos]
    }
}

/// z with Q(z) = `p` for the upper tail Q of a Gaussian, by Newton's method from `z`, which must not lie below it by much.
fn upper_quantile(p: f64, mut z: f64) -> f64 {
    for _ in 0..60 {
        let tail = 0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2);
        let density = libm::exp(-0.5 * z * z) / std::f64::consts::TAU.sqrt();
        // Newton in ln Q, which is nearly a parabola.
        let step = (libm::log(tail) - libm::log(p)) * tail / density;
        z += step;
        if step.abs() < 1e-13 {
            break;
        }
    }
    z
}

/// `direction` turned by the polar angle with cosine `cos` and the azimuth with cosine and sine `azimuth`.
///
/// # Source
/// Branch-free orthonormal basis: T. Duff et al., J. Computer Graphics Techniques 6 (2017) 1.
#[inline(always)]
pub(crate) fn turned(direction: [f64; 3], cos: f64, azimuth: (f64, f64)) -> [f64; 3] {
    let [u, v, w] = direction;
    let sin = (1.0 - cos * cos).max(0.0).sqrt();
    let (p, q) = (sin * azimuth.0, sin * azimuth.1);
    let sign = 1.0_f64.copysign(w);
    let a = -1.0 / (sign + w);
    let b = u * v * a;
    [
        p * (1.0 + sign * u * u * a) + q * b + cos * u,
        p * (sign * b) + q * (sign + v * v * a) + cos * v,
        -p * (sign * u) - q * v + cos * w,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussians_have_the_moments_of_a_gaussian() {
        let (shapes, mut stream) = (Shapes::new(), Stream::new((1, 2)));
        let n = 2_000_000;
        let (mut m1, mut m2, mut m4) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let z = shapes.normal(&mut stream);
            m1 += z;
            m2 += z * z;
            m4 += z * z * z * z;
        }
        let n = f64::from(n);
        assert!((m1 / n).abs() < 3e-3);
        assert!((m2 / n - 1.0).abs() < 4e-3);
        assert!((m4 / n - 3.0).abs() < 0.03);
    }

    #[test]
    fn gaussian_table_holds_known_quantiles() {
        let shapes = Shapes::new();
        for (p, z) in [(0.158_655_253_931, 1.0), (0.022_750_131_948, 2.0), (2.866_515_719e-7, 5.0)] {
            assert!((shapes.normal_tail.at(p)[0] - z).abs() < 3e-5, "{p}");
        }
    }

    #[test]
    fn depths_have_mean_and_variance_one() {
        let (shapes, mut stream) = (Shapes::new(), Stream::new((3, 4)));
        let n = 1_000_000;
        let sum: (f64, f64) = (0..n).fold((0.0, 0.0), |sum, _| {
            let depth = shapes.depth(&mut stream);
            (sum.0 + depth, sum.1 + depth * depth)
        });
        assert!((sum.0 / f64::from(n) - 1.0).abs() < 4e-3);
        assert!((sum.1 / f64::from(n) - 2.0).abs() < 2e-2);
    }

    #[test]
    fn turning_keeps_length_and_angle() {
        let (shapes, mut stream) = (Shapes::new(), Stream::new((5, 6)));
        for _ in 0..10_000 {
            let direction = shapes.direction(&mut stream);
            let cos = 2.0 * stream.uniform() - 1.0;
            let new = turned(direction, cos, shapes.azimuth(&mut stream));
            let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
            assert!((dot(new, new) - 1.0).abs() < 1e-7);
            assert!((dot(new, direction) - cos).abs() < 1e-7);
        }
        assert!((turned([0.0, 0.0, -1.0], 0.5, (1.0, 0.0))[2] + 0.5).abs() < 1e-12);
    }
}
