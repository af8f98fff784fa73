//! Where a training computes, and whether that is there.

/// Where a training computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Device(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// The processor, with the fused kernels.
    #[default]
    Cpu,
    /// The processor, with burn.
    Burn,
    /// An NVIDIA GPU by its number, with burn.
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

/// Why there is no GPU to compute on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoGpu {
    /// The program cannot use any.
    #[error("this program was built without CUDA (cargo feature `cuda`)")]
    NotBuilt,
    /// The driver is not there.
    #[error("NVIDIA's driver (libcuda) is not on this machine")]
    NoDriver,
    /// Kernels are compiled when they are first used, and what does that is not there.
    #[error("CUDA's run-time compiler (libnvrtc) is not on this machine: the CUDA toolkit brings it")]
    NoCompiler,
    /// The compiler needs header files.
    #[error("CUDA's header files are not on this machine: CUDA_PATH names the folder of the toolkit that has them")]
    NoHeaders,
    /// The driver does not work.
    #[error("NVIDIA's driver cannot be used: {0}")]
    Driver(String),
    /// The driver has no GPU of this number.
    #[error("there is no GPU {number}: the driver shows {count}")]
    Missing {
        /// The number.
        number: usize,
        /// How many there are.
        count: usize,
    },
}

impl Device {
    /// The processor.
    pub const CPU: Self = Self(Kind::Cpu);

    /// The processor through burn's tensor operations, as on a GPU: several times slower, for comparisons.
    pub const BURN: Self = Self(Kind::Burn);

    /// The GPU that CUDA knows under this number. Asks first for all that burn's backend would panic without.
    ///
    /// # Errors
    /// [`NoGpu`] says what is missing.
    #[cfg(feature = "cuda")]
    pub fn cuda(number: usize) -> Result<Self, NoGpu> {
        #[expect(
            unsafe_code,
            reason = "looks whether the libraries can be loaded, and runs nothing of them but their set-up"
        )]
        let (driver, compiler) =
            unsafe { (cudarc::driver::sys::is_culib_present(), cudarc::nvrtc::sys::is_culib_present()) };
        if !driver {
            return Err(NoGpu::NoDriver);
        }
        if !compiler {
            return Err(NoGpu::NoCompiler);
        }
        // Every kernel that CubeCL writes begins by including this file.
        let headers = cubecl::cuda::install::cuda_path().map(|path| path.join("include/cuda_runtime.h"));
        if !headers.is_some_and(|path| path.exists()) {
            return Err(NoGpu::NoHeaders);
        }
        let count = cudarc::driver::CudaContext::device_count().map_err(|error| NoGpu::Driver(error.to_string()))?;
        let count = usize::try_from(count).unwrap_or(0);
        if number < count { Ok(Self(Kind::Cuda(number))) } else { Err(NoGpu::Missing { number, count }) }
    }

    /// The GPU that CUDA knows under this number.
    ///
    /// # Errors
    /// Always: this program was built without CUDA.
    #[cfg(not(feature = "cuda"))]
    pub fn cuda(_number: usize) -> Result<Self, NoGpu> {
        Err(NoGpu::NotBuilt)
    }

    /// `cpu`, `burn` or `cuda`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Cpu => "cpu",
            Kind::Burn => "burn",
            #[cfg(feature = "cuda")]
            Kind::Cuda(_) => "cuda",
        }
    }

    pub(crate) fn kind(self) -> Kind {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(Device::default(), Device::CPU);
        // No machine has a million GPUs, with or without CUDA.
        let error = Device::cuda(1_000_000).unwrap_err().to_string();
        assert!(error.contains("CUDA") || error.contains("driver"), "{error}");
    }
}
