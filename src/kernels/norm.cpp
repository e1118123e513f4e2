#include "kernels/norm.h"

#include "kernels/cpu/norm.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/norm.h"

namespace instructblip::kernels {
namespace {

template <Support (*has)(const Machine&)>
Support supports(const NormProblem& problem, const Machine& machine) {
  return problem.width < 1 ? Support::no("a row is empty") : has(machine);
}

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr NormKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"avx512", kRowInvariant, supports<cpu::has_avx512>, cpu::norm_avx512},
    {"avx2", kRowInvariant, supports<cpu::has_avx2>, cpu::norm_avx2},
#endif
    {"portable", kRowInvariant, supports<cpu::has_anything>, cpu::norm_portable},
    {"reference", kRowInvariant, supports<cpu::has_anything>, reference::norm},
};

}  // namespace

std::span<const NormKernel> norm_kernels() { return kKernels; }

}  // namespace instructblip::kernels
