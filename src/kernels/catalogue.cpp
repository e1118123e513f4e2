#include "kernels/catalogue.h"

#include <span>

#include "kernels/kv_append.h"
#include "kernels/linear.h"
#include "kernels/log_sum_exp.h"
#include "kernels/packed_linear.h"
#include "kernels/paged_attention.h"
#include "kernels/resample.h"

namespace instructblip::kernels {
namespace {

template <class Kernel, class Problem>
Operation operation(Scope scope, std::string_view purpose, std::span<const Kernel> kernels,
                    const Problem& everyday, const Wanted& wanted) {
  Operation result{
      Kernel::kOperation, scope, purpose, !wanted.choice->forced(Kernel::kOperation).empty(), {}};
  const Kernel* used = choose(kernels, everyday, wanted);
  for (const Kernel& kernel : kernels) {
    result.entries.push_back(
        {kernel.name, kernel.traits, kernel.supports(everyday, *wanted.machine), &kernel == used});
  }
  return result;
}

constexpr KvAppendProblem kKvAppend = {
    .positions = 5, .key_heads = 32, .width = 128, .page_positions = 16};
constexpr LinearProblem kLinear = {.rows = 1, .inputs = 4096, .outputs = 4096};
constexpr LogSumExpProblem kLogSumExp = {.rows = 1, .size = 32000};
constexpr PackedLinearProblem kPackedLinear = {
    .rows = 1, .inputs = 4096, .outputs = 4096, .weights = Format::f16};
constexpr PagedAttentionProblem kPagedAttention = {
    .rows = 5, .query_heads = 32, .key_heads = 32, .width = 128, .shared = 64, .tail = 16};
constexpr ResampleProblem kResample = {
    .height = 480, .width = 640, .outputs = 224, .taps = 13, .precision = 22};

}  // namespace

std::vector<Operation> catalogue(const Choice& choice, const Machine& machine) {
  const Wanted wanted{.choice = &choice, .machine = &machine};
  return {
      operation(Scope::model, "copies new keys and values into their slots", kv_append_kernels(),
                kKvAppend, wanted),
      operation(Scope::model,
                "y = x w^T + bias; LibTorch's, unless --deterministic or --kernels asks for one",
                linear_kernels(), kLinear, wanted),
      operation(Scope::process, "the largest number of a row and log of the sum of exp",
                log_sum_exp_kernels(), kLogSumExp, wanted),
      operation(Scope::model, "y = x w^T + bias over packed weights", packed_linear_kernels(),
                kPackedLinear, wanted),
      operation(Scope::model, "attention of new positions over pages of keys and values",
                paged_attention_kernels(), kPagedAttention, wanted),
      operation(Scope::process, "resizes one axis of a picture", resample_kernels(), kResample,
                wanted),
  };
}

}  // namespace instructblip::kernels
