#include "kernels/resample.h"

#include "kernels/cpu/resample.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/resample.h"

namespace instructblip::kernels {
namespace {

template <Support (*has)(const Machine&)>
Support supports(const ResampleProblem&, const Machine& machine) {
  return has(machine);
}

constexpr Traits kExact = {.row_invariant = true};

constexpr ResampleKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"avx2", kExact, supports<cpu::has_avx2>, cpu::resample_avx2},
#endif
    {"portable", kExact, supports<cpu::has_anything>, cpu::resample_portable},
    {"reference", kExact, supports<cpu::has_anything>, reference::resample},
};

}  // namespace

std::span<const ResampleKernel> resample_kernels() { return kKernels; }

}  // namespace instructblip::kernels
