#include "kernels/attention.h"

#include "kernels/cpu/attention.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/attention.h"

namespace instructblip::kernels {
namespace {

template <Support (*has)(const Machine&)>
Support supports(const AttentionProblem& problem, const Machine& machine) {
  if (const Support support = has(machine); !support) return support;
  if (problem.keys < 1) return Support::not_such_sizes("there is no key to attend to");
  if (problem.causal && problem.keys < problem.queries) {
    return Support::not_such_sizes("its first row would see no key");
  }
  if (problem.key_heads < 1 || problem.query_heads % problem.key_heads != 0) {
    return Support::not_such_sizes("the query heads are no multiple of the key heads");
  }
  return Support::yes();
}

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr AttentionKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"avx512", kRowInvariant, supports<cpu::has_avx512>, cpu::attention_avx512},
    {"avx2", kRowInvariant, supports<cpu::has_avx2>, cpu::attention_avx2},
#endif
    {"portable", kRowInvariant, supports<cpu::has_anything>, cpu::attention_portable},
    {"reference", kRowInvariant, supports<cpu::has_anything>, reference::attention},
};

}  // namespace

std::span<const AttentionKernel> attention_kernels() { return kKernels; }

}  // namespace instructblip::kernels
