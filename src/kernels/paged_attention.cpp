#include "kernels/paged_attention.h"

#include "kernels/cpu/paged_attention.h"
#include "kernels/cpu/supports.h"
#include "kernels/reference/paged_attention.h"

namespace instructblip::kernels {
namespace {

template <Support (*has)(const Machine&)>
Support supports(const PagedAttentionProblem& problem, const Machine& machine) {
  if (problem.shared + problem.tail < 1) return Support::no("there is no key to attend to");
  if (problem.key_heads < 1 || problem.query_heads % problem.key_heads != 0) {
    return Support::no("the query heads are no multiple of the key heads");
  }
  return has(machine);
}

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr PagedAttentionKernel kKernels[] = {
#if INSTRUCTBLIP_KERNELS_X86
    {"avx512", kRowInvariant, supports<cpu::has_avx512>, cpu::paged_attention_avx512},
    {"avx2", kRowInvariant, supports<cpu::has_avx2>, cpu::paged_attention_avx2},
#endif
    {"portable", kRowInvariant, supports<cpu::has_anything>, cpu::paged_attention_portable},
    {"reference", kRowInvariant, supports<cpu::has_anything>, reference::paged_attention},
};

}  // namespace

std::span<const PagedAttentionKernel> paged_attention_kernels() { return kKernels; }

}  // namespace instructblip::kernels
