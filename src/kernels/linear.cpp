#include "kernels/linear.h"

#include "kernels/cpu/linear.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/linear.h"

namespace instructblip::kernels {
namespace {

Support supports_weights(const LinearProblem& problem) {
  switch (problem.weights) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return Support::yes();
    default:
      return Support::no("weights are F32, F16 or BF16");
  }
}

template <Support (*has)(const Machine&)>
Support supports(const LinearProblem& problem, const Machine& machine) {
  const Support processor = has(machine);
  return processor ? supports_weights(problem) : processor;
}

constexpr Traits kFixedOrder = {.row_invariant = true};

constexpr LinearKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"fixed_order_avx512", kFixedOrder, supports<cpu::has_avx512>, cpu::linear_avx512, 72},
    {"fixed_order_avx2", kFixedOrder, supports<cpu::has_avx2>, cpu::linear_avx2},
#endif
    {"fixed_order_portable", kFixedOrder, supports<cpu::has_anything>, cpu::linear_portable},
    {"reference", kFixedOrder, supports<cpu::has_anything>, reference::linear},
};

}  // namespace

std::span<const LinearKernel> linear_kernels() { return kKernels; }

}  // namespace instructblip::kernels
