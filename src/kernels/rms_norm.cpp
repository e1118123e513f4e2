#include "kernels/rms_norm.h"

#include "kernels/cpu/rms_norm.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/rms_norm.h"

namespace instructblip::kernels {
namespace {

template <Support (*has)(const Machine&)>
Support supports(const RmsNormProblem& problem, const Machine& machine) {
  return problem.width < 1 ? Support::no("a row is empty") : has(machine);
}

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr RmsNormKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"avx512", kRowInvariant, supports<cpu::has_avx512>, cpu::rms_norm_avx512},
    {"avx2", kRowInvariant, supports<cpu::has_avx2>, cpu::rms_norm_avx2},
#endif
    {"portable", kRowInvariant, supports<cpu::has_anything>, cpu::rms_norm_portable},
    {"reference", kRowInvariant, supports<cpu::has_anything>, reference::rms_norm},
};

}  // namespace

std::span<const RmsNormKernel> rms_norm_kernels() { return kKernels; }

}  // namespace instructblip::kernels
