#include "kernels/catalogue.h"

#include <algorithm>
#include <span>

#include "kernels/attention.h"
#include "kernels/cuda/kernels.h"
#include "kernels/kv_append.h"
#include "kernels/linear.h"
#include "kernels/log_sum_exp.h"
#include "kernels/norm.h"
#include "kernels/packed_linear.h"
#include "kernels/paged_attention.h"
#include "kernels/resample.h"

namespace instructblip::kernels {
namespace {

template <class Kernel, class Problem>
Operation operation(Scope scope, std::string_view purpose, std::span<const Kernel> kernels,
                    const Problem& everyday, const Wanted& wanted) {
  Operation result{
      Kernel::kOperation, scope, purpose, !forced_in(kernels, *wanted.choice).empty(), {}};
  const Kernel* used = choose(kernels, everyday, wanted);
  for (const Kernel& kernel : kernels) {
    result.entries.push_back(
        {kernel.name, kernel.traits, kernel.supports(everyday, *wanted.machine), &kernel == used});
  }
  return result;
}

void use(Entry& entry, const UsedFor& what) {
  entry.used = true;
  entry.support = Support::yes();  // for these weights, if not for the everyday ones
  entry.used_for.push_back(what);
}

// Which kernel is used depends on how the weights are held.
Operation packed_linear(const Wanted& wanted) {
  constexpr PackedLinearProblem kF16 = {
      .rows = 1, .inputs = 4096, .outputs = 4096, .weights = Format::f16};
  Operation result =
      operation(Scope::model, "y = x w^T + bias over packed weights, or float32 in rows",
                packed_linear_kernels(), kF16, wanted);
  for (Entry& entry : result.entries) entry.used = false;
  for (const Format format : {Format::f32, Format::f16, Format::bf16, Format::w8, Format::w4}) {
    PackedLinearProblem problem = kF16;
    problem.weights = format;
    const PackedLinearKernel* const used = choose(packed_linear_kernels(), problem, wanted);
    problem.may_round = true;
    const PackedLinearKernel* const rounding = choose(packed_linear_kernels(), problem, wanted);
    for (Entry& entry : result.entries) {
      if (used != nullptr && entry.kernel == used->name) use(entry, {format});
      if (rounding == nullptr || rounding == used) continue;
      if (entry.kernel == rounding->name) use(entry, {format, true});
    }
  }
  return result;
}

constexpr AttentionProblem kAttention = {
    .queries = 257, .keys = 257, .query_heads = 16, .key_heads = 16, .width = 88};
constexpr KvAppendProblem kKvAppend = {
    .positions = 5, .key_heads = 32, .width = 128, .page_positions = 16};
constexpr LinearProblem kLinear = {.rows = 1, .inputs = 4096, .outputs = 4096};
constexpr LogSumExpProblem kLogSumExp = {.rows = 1, .size = 32000};
constexpr NormProblem kNorm = {.rows = 1, .width = 4096, .eps = 1e-6f};
constexpr PagedAttentionProblem kPagedAttention = {
    .rows = 5, .query_heads = 32, .key_heads = 32, .width = 128, .shared = 64, .tail = 16};
constexpr ResampleProblem kResample = {
    .height = 480, .width = 640, .outputs = 224, .taps = 13, .precision = 22};

Support supports(const cuda::Listed& entry, const Machine& machine) {
  const bool higher = machine.cuda_capability > entry.capability;
  return machine.cuda_capability >= entry.capability && !(higher && entry.this_one)
             ? Support::yes()
             : Support::no("the device has another compute capability");
}

// The kernels themselves belong to a part of the library that is opened for a device.
std::vector<Operation> catalogue_of_device(const Choice& choice, const Machine& machine) {
  std::vector<Operation> all;
  for (const cuda::Listed& entry : cuda::listed()) {
    const bool forced = choice.forces(entry.operation, entry.kernel);
    if (all.empty() || all.back().name != entry.operation) {
      all.push_back({entry.operation, Scope::model, entry.purpose, false, {}});
    }
    Operation& operation = all.back();
    operation.forced = operation.forced || choice.forces(entry.operation, kNoKernel);
    const Support support = supports(entry, machine);
    if (forced) {
      if (!support) throw_unfit(entry.operation, entry.kernel, support.reason());
      operation.forced = true;
      for (Entry& other : operation.entries) other.used = false;
    }
    const bool first = std::ranges::none_of(operation.entries, &Entry::used);
    operation.entries.push_back(
        {entry.kernel, entry.traits, support, support && first && (!operation.forced || forced)});
  }
  return all;
}

}  // namespace

std::vector<Operation> catalogue(const Choice& choice, const Machine& machine) {
  if (machine.cuda_capability > 0) return catalogue_of_device(choice, machine);
  // A forced one may take other problems than the everyday one, which then none is given to.
  const Wanted wanted{.choice = &choice, .machine = &machine, .may_compose = true};
  return {
      operation(Scope::model, "attention of pictures and prompts", attention_kernels(), kAttention,
                wanted),
      operation(Scope::model, "copies new keys and values into their slots", kv_append_kernels(),
                kKvAppend, wanted),
      operation(
          Scope::model,
          "y = x w^T + bias: few rows with float32 weights, all where --deterministic asks for it",
          linear_kernels(), kLinear, wanted),
      operation(Scope::process, "the largest number of a row and log of the sum of exp",
                log_sum_exp_kernels(), kLogSumExp, wanted),
      operation(Scope::model, "LayerNorm and RMSNorm", norm_kernels(), kNorm, wanted),
      packed_linear(wanted),
      operation(Scope::model, "attention of new positions over pages of keys and values",
                paged_attention_kernels(), kPagedAttention, wanted),
      operation(Scope::process, "resizes one axis of a picture", resample_kernels(), kResample,
                wanted),
  };
}

}  // namespace instructblip::kernels
