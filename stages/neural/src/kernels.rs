//! Vectorised kernels over plain slices: what one training step of a small network consists of.
//!
//! Every kernel is compiled twice, for AVX2 with FMA and for the target's baseline, and chosen at run time. All sums
//! run in an order that is fixed here (lanes of [`LANES`], then lanes in turn), never by the number of threads or the
//! width of a register, so that the bits are those of the arithmetic alone: the same on every x86-64 processor with
//! AVX2 and FMA. Without FMA the roundings, and so the bits, differ.
//!
//! They exist because a training step in plain tensor operations spends most of its time on temporaries; see
//! `tede/reference.rs` for the same network in burn, against which gradients are tested.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod functions;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod real;
pub(crate) mod softmax;

use real::Real;

/// Partial sums of a reduction: one 256-bit register of `f32`.
pub(crate) const LANES: usize = 8;

/// `a * b + c`, rounded once or twice: the one operation in which instruction sets differ.
pub(crate) trait MultiplyAdd {
    /// `a * b + c`.
    fn fma<T: Real>(a: T, b: T, c: T) -> T;
}

/// One rounding; only fast where the processor has the instruction.
pub(crate) struct Fused;

/// Two roundings; `f32::mul_add` would call the C library for every element here.
#[cfg_attr(target_arch = "aarch64", expect(dead_code, reason = "there the baseline has fused multiply-add"))]
pub(crate) struct Separate;

impl MultiplyAdd for Fused {
    #[inline(always)]
    fn fma<T: Real>(a: T, b: T, c: T) -> T {
        a.fused(b, c)
    }
}

impl MultiplyAdd for Separate {
    #[inline(always)]
    fn fma<T: Real>(a: T, b: T, c: T) -> T {
        a * b + c
    }
}

/// What the baseline of the target offers.
#[cfg(target_arch = "aarch64")]
pub(crate) type Baseline = Fused;
#[cfg(not(target_arch = "aarch64"))]
pub(crate) type Baseline = Separate;

/// Defines a function that runs the generic `$body` with the best instructions of the processor.
macro_rules! kernel {
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) = $body:ident) => {
        $(#[$meta])*
        pub(crate) fn $name($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $ty),*) {
                    $body::<crate::kernels::Fused>($($arg),*);
                }
                if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                    #[expect(unsafe_code, reason = "the processor was asked for exactly these features just above")]
                    unsafe {
                        wide($($arg),*);
                    }
                    return;
                }
            }
            $body::<crate::kernels::Baseline>($($arg),*);
        }
    };
}
pub(crate) use kernel;

/// Defines a function, generic over [`Real`] numbers, that runs the generic `$body` with the best instructions of the
/// processor, AVX-512 included. The widths agree to the bit as long as sums run in lanes that the body fixes.
macro_rules! wide_kernel {
    ($(#[$meta:meta])* fn $name:ident<$($g:ident: $bound:path),+>($($arg:ident: $ty:ty),* $(,)?) = $body:ident) => {
        $(#[$meta])*
        pub(crate) fn $name<$($g: $bound),+>($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,fma")]
                fn widest<$($g: $bound),+>($($arg: $ty),*) {
                    $body::<crate::kernels::Fused, $($g),+>($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn wide<$($g: $bound),+>($($arg: $ty),*) {
                    $body::<crate::kernels::Fused, $($g),+>($($arg),*);
                }
                match crate::kernels::instructions() {
                    #[expect(unsafe_code, reason = "the processor was asked for these features")]
                    crate::kernels::Instructions::Avx512 => return unsafe { widest::<$($g),+>($($arg),*) },
                    #[expect(unsafe_code, reason = "the processor was asked for these features")]
                    crate::kernels::Instructions::Avx2 => return unsafe { wide::<$($g),+>($($arg),*) },
                    crate::kernels::Instructions::Baseline => {}
                }
            }
            $body::<crate::kernels::Baseline, $($g),+>($($arg),*);
        }
    };
}
pub(crate) use wide_kernel;

/// What a processor offers.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instructions {
    /// AVX-512 with its common extensions, and FMA.
    Avx512,
    /// AVX2 and FMA.
    Avx2,
    /// What every processor of the target has.
    Baseline,
}

/// What this processor offers.
#[cfg(target_arch = "x86_64")]
pub(crate) fn instructions() -> Instructions {
    use std::is_x86_feature_detected as has;
    let fma = has!("fma");
    #[cfg(test)]
    if let Some(forced) = tests::forced() {
        return forced;
    }
    if fma && has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw") {
        Instructions::Avx512
    } else if fma && has!("avx2") {
        Instructions::Avx2
    } else {
        Instructions::Baseline
    }
}

/// Sum of `f(i)` over `0..n` in fixed lanes.
#[inline(always)]
pub(crate) fn lane_sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let whole = n - n % LANES;
    let mut start = 0;
    while start < whole {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += f(start + lane);
        }
        start += LANES;
    }
    for (lane, index) in (whole..n).enumerate() {
        lanes[lane] += f(index);
    }
    lanes.iter().sum()
}

#[cfg(test)]
pub(crate) mod tests {
    //! A way to run every form of a kernel on one processor.

    use super::Instructions;
    use std::cell::Cell;

    thread_local!(static FORCED: Cell<Option<Instructions>> = const { Cell::new(None) });

    pub(crate) fn forced() -> Option<Instructions> {
        FORCED.get()
    }

    /// Runs `f` with every instruction set that this processor has; the last result is the baseline's.
    pub(crate) fn with_all<R>(mut f: impl FnMut() -> R) -> Vec<(Instructions, R)> {
        let best = super::instructions();
        let all = [Instructions::Avx512, Instructions::Avx2, Instructions::Baseline];
        let available = all.into_iter().skip_while(|set| *set != best);
        let results = available.map(|set| {
            FORCED.set(Some(set));
            (set, f())
        });
        let results = results.collect();
        FORCED.set(None);
        results
    }
}
