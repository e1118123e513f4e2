#include "kernels/packed_linear.h"

#include "kernels/cpu/packed_linear.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/packed_linear.h"

namespace instructblip::kernels {
namespace {

template <Support (*has)(const Machine&)>
Support supports(const PackedLinearProblem& problem, const Machine& machine) {
  const Support support = has(machine);
  if (!support || !problem.in_rows || problem.weights == Format::f32) return support;
  return Support::not_such_sizes("weights in rows are F32");
}

// Those that round x to bfloat16, with such weights and where x may be rounded: all else is the
// next ones'.
template <Support (*has)(const Machine&)>
Support supports_bf16(const PackedLinearProblem& problem, const Machine& machine) {
  const Support support = has(machine);
  if (!support) return support;
  if (problem.weights != Format::bf16) return Support::not_such_sizes("its weights are BF16");
  return problem.may_round ? support : Support::where_forced();
}

// Those that round x where weights are of 8 or 4 bits. Others they multiply as the others do.
template <Support (*has)(const Machine&)>
Support supports_bytes(const PackedLinearProblem& problem, const Machine& machine) {
  const Support support = supports<has>(problem, machine);
  const bool bytes = problem.weights == Format::w8 || problem.weights == Format::w4;
  return support && !bytes ? Support::where_forced() : support;
}

constexpr Traits kOneOrder = {.row_invariant = true};

constexpr Multiplied kPairs = {.with_bf16 = Number::bf16};

constexpr PackedLinearKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"bytes_avx512_vnni",
     kOneOrder,
     supports_bytes<cpu::has_avx512_vnni>,
     cpu::packed_linear_bytes_avx512_vnni,
     {.with_8_bits = Number::int8, .with_4_bits = Number::int8}},
    {"bytes_avx_vnni",
     kOneOrder,
     supports_bytes<cpu::has_avx_vnni>,
     cpu::packed_linear_bytes_avx_vnni,
     {.with_8_bits = Number::int8, .with_4_bits = Number::int8}},
    {"bytes_avx2",
     kOneOrder,
     supports_bytes<cpu::has_avx2>,
     cpu::packed_linear_bytes_avx2,
     {.with_8_bits = Number::int16, .with_4_bits = Number::int8}},
    {"bf16_amx", kOneOrder, supports_bf16<cpu::has_amx_bf16>, cpu::packed_linear_bf16_amx, kPairs},
    {"bf16_avx512", kOneOrder, supports_bf16<cpu::has_avx512_bf16>, cpu::packed_linear_bf16_avx512,
     kPairs},
    {"avx512", kOneOrder, supports<cpu::has_avx512>, cpu::packed_linear_avx512},
    {"avx2", kOneOrder, supports<cpu::has_avx2>, cpu::packed_linear_avx2},
#endif
    {"portable", kOneOrder, supports<cpu::has_anything>, cpu::packed_linear_portable},
    // Behind one that fits everywhere, so that they run where they are forced alone: no machine's
    // limit is theirs.
    {"bf16_portable", kOneOrder, supports_bf16<cpu::has_anything>,
     cpu::packed_linear_bf16_portable},
    {"bf16_tiles_portable", kOneOrder, supports_bf16<cpu::has_anything>,
     cpu::packed_linear_bf16_tiles_portable},
    {"bytes_portable", kOneOrder, supports_bytes<cpu::has_anything>,
     cpu::packed_linear_bytes_portable},
    {"reference", kOneOrder, supports<cpu::has_anything>, reference::packed_linear},
};

}  // namespace

std::span<const PackedLinearKernel> packed_linear_kernels() { return kKernels; }

}  // namespace instructblip::kernels
