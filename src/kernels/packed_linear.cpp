#include "kernels/packed_linear.h"

#include "kernels/cpu/packed_linear.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/packed_linear.h"

namespace instructblip::kernels {
namespace {

template <Support (*has)(const Machine&)>
Support supports(const PackedLinearProblem&, const Machine& machine) {
  return has(machine);
}

// Those that multiply bfloat16: other weights are the next ones'.
template <Support (*has)(const Machine&)>
Support supports_bf16(const PackedLinearProblem& problem, const Machine& machine) {
  const Support support = has(machine);
  if (!support || problem.weights == Format::bf16) return support;
  return Support::not_such_sizes("its weights are BF16");
}

constexpr Traits kOneOrder = {.row_invariant = true};
constexpr Traits kRounding = {};

constexpr PackedLinearKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"avx512", kOneOrder, supports<cpu::has_avx512>, cpu::packed_linear_avx512},
    {"avx2", kOneOrder, supports<cpu::has_avx2>, cpu::packed_linear_avx2},
#endif
    {"portable", kOneOrder, supports<cpu::has_anything>, cpu::packed_linear_portable},
// Behind one that fits everywhere, so that they run where they are forced alone: they round x.
#if INSTRUCTBLIP_KERNELS_X86
    {"bf16_amx", kRounding, supports_bf16<cpu::has_amx_bf16>, cpu::packed_linear_bf16_amx},
    {"bf16_avx512", kRounding, supports_bf16<cpu::has_avx512_bf16>, cpu::packed_linear_bf16_avx512},
#endif
    {"bf16_portable", kRounding, supports_bf16<cpu::has_anything>,
     cpu::packed_linear_bf16_portable},
    {"bf16_tiles_portable", kRounding, supports_bf16<cpu::has_anything>,
     cpu::packed_linear_bf16_tiles_portable},
#if INSTRUCTBLIP_KERNELS_X86
    {"bytes_avx512_vnni", kRounding, supports<cpu::has_avx512_vnni>,
     cpu::packed_linear_bytes_avx512_vnni},
#endif
    {"bytes_portable", kRounding, supports<cpu::has_anything>, cpu::packed_linear_bytes_portable},
    {"reference", kOneOrder, supports<cpu::has_anything>, reference::packed_linear},
};

}  // namespace

std::span<const PackedLinearKernel> packed_linear_kernels() { return kKernels; }

}  // namespace instructblip::kernels
