#include "kernels/log_sum_exp.h"

#include "kernels/cpu/log_sum_exp.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/log_sum_exp.h"

namespace instructblip::kernels {
namespace {

template <Support (*has)(const Machine&)>
Support supports(const LogSumExpProblem& problem, const Machine& machine) {
  return problem.size < 1 ? Support::no("a row is empty") : has(machine);
}

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr LogSumExpKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"sleef_avx512", kRowInvariant, supports<cpu::has_avx512>, cpu::log_sum_exp_avx512},
    {"sleef_avx2", kRowInvariant, supports<cpu::has_avx2>, cpu::log_sum_exp_avx2},
#endif
    {"sleef_portable", kRowInvariant, supports<cpu::has_anything>, cpu::log_sum_exp_portable},
    {"reference", kRowInvariant, supports<cpu::has_anything>, reference::log_sum_exp},
};

}  // namespace

std::span<const LogSumExpKernel> log_sum_exp_kernels() { return kKernels; }

}  // namespace instructblip::kernels
