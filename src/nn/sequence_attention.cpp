#include "nn/sequence_attention.h"

#include <c10/util/Exception.h>

#include "kernels/attention.h"
#include "nn/gradients.h"

namespace instructblip::nn {
namespace {

kernels::HeadRows rows_of(const at::Tensor& x) {
  return {x.const_data_ptr<float>(), x.stride(1), x.stride(0)};
}

}  // namespace

at::Tensor attend_by_kernel(const Heads& heads, const AttentionOptions& options,
                            const at::Tensor& bias) {
  const Runtime& runtime = *options.runtime;
  if (runtime.numerics() != Numerics::fast || runtime.tables().attention.empty()) return {};
  if (is_watched() || heads.queries.scalar_type() != at::kFloat) return {};
  const kernels::AttentionProblem problem{
      .batch = heads.queries.size(0),
      .queries = heads.queries.size(1),
      .keys = heads.keys.size(1),
      .query_heads = heads.queries.size(2),
      .key_heads = heads.keys.size(2),
      .width = heads.queries.size(3),
      .divisor = static_cast<float>(options.whole_divisor()),
      .causal = options.causal,
  };
  if (!runtime.has_kernel(runtime.tables().attention, problem)) return {};
  TORCH_CHECK(heads.keys.sizes() == heads.values.sizes() && heads.keys.size(0) == problem.batch &&
                  heads.keys.size(3) == problem.width,
              "attention of ", heads.queries.sizes(), " to keys ", heads.keys.sizes(),
              " and values ", heads.values.sizes());
  const at::Tensor queries = heads_side_by_side(heads.queries),
                   keys = heads_side_by_side(heads.keys), values = heads_side_by_side(heads.values);
  TORCH_CHECK(
      !bias.defined() || bias.numel() == problem.query_heads * (problem.queries + problem.keys - 1),
      "a bias of ", bias.sizes(), " for ", problem.queries, " queries and ", problem.keys, " keys");
  const at::Tensor out = runtime.empty(
      {problem.batch, problem.queries, problem.query_heads * problem.width}, at::kFloat);
  runtime.kernel(runtime.tables().attention, problem)
      .run(problem,
           {.queries = rows_of(queries),
            .keys = rows_of(keys),
            .values = rows_of(values),
            .bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr,
            .out = out.mutable_data_ptr<float>()},
           runtime.queue());
  return out;
}

}  // namespace instructblip::nn
