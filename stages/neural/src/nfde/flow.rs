//! The flow itself: a chain of planar flows on blocks of values, forward and backward, fused.
//!
//! z = x + u h, h = tanh(w x + b), dz/dx = 1 + u w (1 - h^2) =: g, flow after flow;
//! ln p(x) = -(z^2 + ln 2 pi) / 2 + sum ln(1e-10 + g).
//!
//! The logarithms are taken once for each value: factors g are multiplied up, and their binary exponents put aside
//! every four flows. What is lost in the additions z = x + u h is kept and added in the end (in `f32`, far from a peak,
//! it is worth a factor of five in the error of ln p). Nothing here knows conditions, nets or weights of values.
//!
//! # Source
//! Rezende and Mohamed, arXiv:1505.05770 (planar flows); arXiv:2507.23297 for the form used here.

use crate::kernels::real::Real;
use crate::kernels::{MultiplyAdd, wide_kernel};

/// Values that go through the flows together.
pub(crate) const BLOCK: usize = 64;
/// Partial sums of a gradient; fixed, so that vector width and number of threads leave no trace.
pub(crate) const LANES: usize = 16;
/// Flows between two normalisations of the product of slopes.
const BETWEEN: usize = 4;

/// (w, u, b) of all flows under one condition.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Flows<T> {
    /// Weight within tanh, in (-1, 1).
    pub(crate) w: Vec<T>,
    /// Amplitude, in (-1, 1).
    pub(crate) u: Vec<T>,
    /// Shift within tanh.
    pub(crate) b: Vec<T>,
}

impl<T: Real> Flows<T> {
    /// Number of flows.
    pub(crate) fn len(&self) -> usize {
        self.w.len()
    }

    /// z and ln dz/dx of every value.
    pub(crate) fn push(&self, values: &[f64], mut visit: impl FnMut(usize, T, T)) {
        let mut block = Block::default();
        for (number, chunk) in values.chunks(BLOCK).enumerate() {
            block.load(chunk);
            push(self, &mut block);
            for (at, (z, log_slope)) in block.z.iter().zip(&block.log_slope).take(chunk.len()).enumerate() {
                visit(number * BLOCK + at, *z, *log_slope);
            }
        }
    }
}

/// ln p from what a flow leaves.
#[inline(always)]
pub(crate) fn log_density<T: Real>(z: T, log_slope: T) -> T {
    /// ln(2 pi) / 2
    const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_8;
    log_slope - T::of(HALF_LOG_TWO_PI) - T::of(0.5) * z * z
}

/// A block of values.
#[derive(Debug, Clone)]
pub(crate) struct Block<T> {
    /// x before [`push`], z after it.
    pub(crate) z: [T; BLOCK],
    /// ln dz/dx.
    pub(crate) log_slope: [T; BLOCK],
}

impl<T: Real> Default for Block<T> {
    fn default() -> Self {
        Self { z: [T::of(0.0); BLOCK], log_slope: [T::of(0.0); BLOCK] }
    }
}

impl<T: Real> Block<T> {
    /// Takes up to [`BLOCK`] values; the rest is zero.
    pub(crate) fn load(&mut self, values: &[f64]) {
        self.z.fill(T::of(0.0));
        self.z.iter_mut().zip(values).for_each(|(z, value)| *z = T::of(*value));
    }
}

impl Block<f32> {
    /// Takes up to [`BLOCK`] photo-electron numbers, as kNPE; the rest is zero.
    pub(crate) fn load_npe(&mut self, npe: &[f32]) {
        self.z.fill(0.0);
        self.z.iter_mut().zip(npe).for_each(|(z, npe)| *z = npe / 1000.0);
    }
}

/// What the way back needs of the way there, flow by flow.
#[derive(Debug, Default)]
pub(crate) struct History<T> {
    /// (x, h) at every flow.
    steps: Vec<([T; BLOCK], [T; BLOCK])>,
}

/// Derivatives of some quantity L of one block with respect to what the flow leaves.
#[derive(Debug, Clone)]
pub(crate) struct Seeds<T> {
    /// dL/dz.
    pub(crate) z: [T; BLOCK],
    /// dL / d ln(dz/dx).
    pub(crate) log_slope: [T; BLOCK],
}

impl<T: Real> Default for Seeds<T> {
    fn default() -> Self {
        Self { z: [T::of(0.0); BLOCK], log_slope: [T::of(0.0); BLOCK] }
    }
}

/// Derivatives with respect to (w, u, b), in lanes that are summed at the end.
#[derive(Debug, Default)]
pub(crate) struct LaneSums<T> {
    flows: Vec<[[T; LANES]; 3]>,
}

impl<T: Real> LaneSums<T> {
    /// All zero, for so many flows.
    pub(crate) fn clear(&mut self, flows: usize) {
        self.flows.clear();
        self.flows.resize(flows, [[T::of(0.0); LANES]; 3]);
    }

    /// Derivatives (w, u, b) of every flow.
    pub(crate) fn sums(&self) -> impl Iterator<Item = [T; 3]> {
        self.flows.iter().map(|lanes| lanes.map(sum))
    }
}

/// Sum of lanes, halving their number step by step.
#[inline(always)]
pub(crate) fn sum<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Factors of one flow.
#[derive(Clone, Copy)]
struct Factors<T> {
    w: T,
    u: T,
    b: T,
    uw: T,
}

impl<T: Real> Factors<T> {
    #[inline(always)]
    fn of(flows: &Flows<T>, flow: usize) -> Self {
        let (w, u, b) = (flows.w[flow], flows.u[flow], flows.b[flow]);
        Self { w, u, b, uw: u * w }
    }

    /// tanh(w x + w rest + b), where `rest` is what x lost to rounding.
    #[inline(always)]
    fn tanh<M: MultiplyAdd>(self, x: T, rest: T) -> T {
        M::fma(self.w, x, M::fma(self.w, rest, self.b)).hyperbolic_tangent::<M>()
    }

    /// Takes a value through the flow; gives h.
    #[inline(always)]
    fn advance<M: MultiplyAdd>(self, z: &mut T, rest: &mut T, product: &mut T) -> T {
        let h = self.tanh::<M>(*z, *rest);
        *product = *product * self.slope::<M>(h);
        let next = M::fma(self.u, h, *z);
        // Dekker's sum of two numbers, exact where |z| >= |u h|. Elsewhere |z| < |u h| < 1, and numbers below one lose little.
        *rest += M::fma(self.u, h, *z - next);
        *z = next;
        h
    }

    /// 1e-10 + dz/dx.
    #[inline(always)]
    fn slope<M: MultiplyAdd>(self, h: T) -> T {
        let steepness = M::fma(-h, h, T::of(1.0));
        M::fma(self.uw, steepness, T::of(1.0 + 1e-10)).larger(T::SMALLEST_SLOPE)
    }
}

wide_kernel! {
    /// Sends a block through all flows.
    fn push<T: Real>(flows: &Flows<T>, block: &mut Block<T>) = push_body
}

#[inline(always)]
fn push_body<M: MultiplyAdd, T: Real>(flows: &Flows<T>, block: &mut Block<T>) {
    run::<M, T, false>(flows, block, &mut []);
}

wide_kernel! {
    /// The same, and keeps what [`pull`] needs.
    fn push_keeping<T: Real>(flows: &Flows<T>, block: &mut Block<T>, history: &mut History<T>) = push_keeping_body
}

#[inline(always)]
fn push_keeping_body<M: MultiplyAdd, T: Real>(flows: &Flows<T>, block: &mut Block<T>, history: &mut History<T>) {
    history.steps.resize(flows.len(), ([T::of(0.0); BLOCK], [T::of(0.0); BLOCK]));
    run::<M, T, true>(flows, block, &mut history.steps);
}

/// Everything about a value and a flow happens in one pass over the block; what [`pull`] needs goes into `steps`.
#[inline(always)]
fn run<M: MultiplyAdd, T: Real, const KEEP: bool>(
    flows: &Flows<T>,
    block: &mut Block<T>,
    steps: &mut [([T; BLOCK], [T; BLOCK])],
) {
    let z = &mut block.z;
    let mut rest = [T::of(0.0); BLOCK];
    let mut product = [T::of(1.0); BLOCK];
    let mut exponent = [T::of(0.0); BLOCK];
    for flow in 0..flows.len() {
        let factors = Factors::of(flows, flow);
        if let (true, Some((xs, hs))) = (KEEP, steps.get_mut(flow)) {
            for i in 0..BLOCK {
                xs[i] = z[i];
                hs[i] = factors.advance::<M>(&mut z[i], &mut rest[i], &mut product[i]);
            }
        } else {
            for i in 0..BLOCK {
                factors.advance::<M>(&mut z[i], &mut rest[i], &mut product[i]);
            }
        }
        if flow % BETWEEN == BETWEEN - 1 {
            for i in 0..BLOCK {
                let (mantissa, power) = product[i].split();
                product[i] = mantissa;
                exponent[i] += power;
            }
        }
    }
    for i in 0..BLOCK {
        z[i] += rest[i];
        let (mantissa, power) = product[i].split();
        let log_two = T::of(std::f64::consts::LN_2);
        block.log_slope[i] = M::fma(exponent[i] + power, log_two, mantissa.log_mantissa::<M>());
    }
}

wide_kernel! {
    /// Adds dL/d(w, u, b) of a block to `sums`; uses up `seeds`.
    ///
    /// With a = dL/dz and d = dL / d ln(dz/dx) behind a flow, s = 1 - h^2 and c = -2 u w h s d / g:
    /// dL/db = a u s + c, dL/dw = x dL/db + u s d / g, dL/du = a h + w s d / g, and before the flow a g + w c.
    fn pull<T: Real>(
        flows: &Flows<T>,
        history: &History<T>,
        seeds: &mut Seeds<T>,
        sums: &mut LaneSums<T>,
    ) = pull_body
}

#[inline(always)]
fn pull_body<M: MultiplyAdd, T: Real>(
    flows: &Flows<T>,
    history: &History<T>,
    seeds: &mut Seeds<T>,
    sums: &mut LaneSums<T>,
) {
    let (a, d) = (&mut seeds.z, &seeds.log_slope);
    let one = T::of(1.0);
    for flow in (0..flows.len()).rev() {
        let (Factors { w, u, uw, .. }, (x, h)) = (Factors::of(flows, flow), &history.steps[flow]);
        let factors = Factors::of(flows, flow);
        let [mut dw, mut du, mut db] = [[T::of(0.0); LANES]; 3];
        for group in 0..BLOCK / LANES {
            for lane in 0..LANES {
                let i = group * LANES + lane;
                let steepness = M::fma(-h[i], h[i], one);
                let slope = factors.slope::<M>(h[i]);
                let ratio = d[i] / slope;
                let (weighted, bent) = (ratio * steepness, u * steepness);
                let curve = T::of(-2.0) * uw * h[i] * weighted;
                let shift = M::fma(a[i], bent, curve);
                db[lane] += shift;
                dw[lane] += M::fma(x[i], shift, u * weighted);
                du[lane] += M::fma(a[i], h[i], w * weighted);
                a[i] = M::fma(a[i], slope, w * curve);
            }
        }
        let lanes = &mut sums.flows[flow];
        for lane in 0..LANES {
            lanes[0][lane] += dw[lane];
            lanes[1][lane] += du[lane];
            lanes[2][lane] += db[lane];
        }
    }
}
