// The host half of the kernels: which problems they take. Compiled with them.
#include "kernels/cuda/kernels.h"

namespace instructblip::kernels::cuda {
namespace {

Support answer(const char* refusal, const Machine& machine) {
  if (machine.cuda_capability < 80) return Support::no("needs compute capability 8.0");
  return refusal == nullptr ? Support::yes() : Support::no(refusal);
}

Support takes(const AttentionProblem& problem, const Machine& machine) {
  constexpr float kAny = 0.0f;
  AttentionBuffers buffers{};
  if (problem.max_distance > 0) buffers.bias = &kAny;
  return answer(attention_refuses(problem, buffers), machine);
}
Support takes_pages(const PagedAttentionProblem& problem, const Machine& machine) {
  return answer(paged_attention_refuses(problem), machine);
}
Support takes_new_keys(const KvAppend::Problem& problem, const Machine& machine) {
  return answer(kv_append_refuses(problem, problem.turned), machine);
}
Support takes_norm(const NormProblem& problem, const Machine& machine) {
  return answer(norm_refuses(problem), machine);
}
Support takes_activation(const ActivationProblem& problem, const Machine& machine) {
  return answer(activation_refuses(problem), machine);
}
Support takes_few_rows(const SkinnyProblem& problem, const Machine& machine) {
  return answer(skinny_refuses(problem), machine);
}

int append(const KvAppend::Problem& problem, const KvAppendBuffers& buffers, void* stream,
           bool overlaps_previous) {
  return append_keys_and_values(problem, buffers, stream, overlaps_previous);
}

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr Kernel<Attention> kAttention[] = {{"sm_80", kRowInvariant, takes, attend}};
constexpr Kernel<PagedAttention> kPagedAttention[] = {{"sm_80", {}, takes_pages, attend_pages}};
constexpr Kernel<KvAppend> kKvAppend[] = {{"sm_80", kRowInvariant, takes_new_keys, append}};
constexpr Kernel<Norm> kNorm[] = {{"sm_80", kRowInvariant, takes_norm, normalize}};
constexpr Kernel<Activate> kActivation[] = {{"sm_80", kRowInvariant, takes_activation, activate}};
constexpr Kernel<Skinny> kSkinny[] = {{"sm_80", kRowInvariant, takes_few_rows, multiply_skinny}};

constexpr Tables kTables = {.attention = kAttention,
                            .paged_attention = kPagedAttention,
                            .kv_append = kKvAppend,
                            .norm = kNorm,
                            .activation = kActivation,
                            .skinny = kSkinny,
                            .paged_attention_workspace = paged_attention_workspace};

}  // namespace

const Tables& tables() { return kTables; }

}  // namespace instructblip::kernels::cuda
