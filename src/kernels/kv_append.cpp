#include "kernels/kv_append.h"

#include "kernels/cpu/kv_append.h"
#include "kernels/reference/kv_append.h"

namespace instructblip::kernels {
namespace {

Support supports(const KvAppendProblem&, const Machine&) { return Support::yes(); }

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr KvAppendKernel kKernels[] = {
    {"portable", kRowInvariant, supports, cpu::kv_append_portable},
    {"reference", kRowInvariant, supports, reference::kv_append},
};

}  // namespace

std::span<const KvAppendKernel> kv_append_kernels() { return kKernels; }

}  // namespace instructblip::kernels
