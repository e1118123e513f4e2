// Attention of whole sequences: a picture, queries over it, prompts.
#include "kernels/attention.h"

#include <memory>

#include "benchmarks/kernels/each_kernel.h"

namespace instructblip::kernels::benchmarks {
namespace {

struct Data {
  AttentionProblem problem;
  std::vector<float> queries, keys, values, bias, out;

  HeadRows rows_of(const std::vector<float>& numbers, std::int64_t heads, std::int64_t rows) const {
    const std::int64_t row = heads * problem.width;
    return {numbers.data(), row, rows * row};
  }
  void run(const AttentionKernel& kernel, float* to) const {
    SerialQueue queue;
    kernel.run(problem,
               {rows_of(queries, problem.query_heads, problem.queries),
                rows_of(keys, problem.key_heads, problem.keys),
                rows_of(values, problem.key_heads, problem.keys),
                bias.empty() ? nullptr : bias.data(), to},
               queue);
  }
};

struct Shape {
  const char* name;
  AttentionProblem problem;
  bool biased = false;
};

Case<AttentionKernel> make(const AttentionProblem& p, bool biased) {
  const auto data = std::make_shared<Data>();
  data->problem = p;
  data->queries = random_numbers(p.batch * p.queries * p.query_heads * p.width);
  data->keys = random_numbers(p.batch * p.keys * p.key_heads * p.width);
  data->values = data->keys;
  if (biased) data->bias = random_numbers(p.query_heads * (p.queries + p.keys - 1));
  data->out.resize(data->queries.size());
  const auto pairs = static_cast<double>(
      p.batch * (p.causal ? p.queries * (p.queries + 1) / 2 : p.queries * p.keys));
  return {.name = {},
          .work = {static_cast<double>(2 * data->queries.size() + 2 * data->keys.size()) *
                       sizeof(float),
                   4 * pairs * static_cast<double>(p.query_heads * p.width)},
          .run = [data](const AttentionKernel& kernel) { data->run(kernel, data->out.data()); },
          .is_right =
              [data] {
                std::vector<float> want(data->out.size());
                data->run(attention_kernels().back(), want.data());
                return is_close(data->out, want);
              }};
}

}  // namespace

void register_attention() {
  const Shape shapes[] = {
      {"vit_g/257",
       {.queries = 257,
        .keys = 257,
        .query_heads = 16,
        .key_heads = 16,
        .width = 88,
        .divisor = 9.4f}},
      {"qformer/48", {.queries = 48, .keys = 48, .query_heads = 12, .key_heads = 12, .width = 64}},
      {"qformer/32_over_257",
       {.queries = 32, .keys = 257, .query_heads = 12, .key_heads = 12, .width = 64}},
      {"t5_xl/64",
       {.queries = 64, .keys = 64, .query_heads = 32, .key_heads = 32, .width = 64},
       /*biased=*/true},
      {"llama_7b/72",
       {.queries = 72,
        .keys = 72,
        .query_heads = 32,
        .key_heads = 32,
        .width = 128,
        .divisor = 11.3f,
        .causal = true}},
      {"llama_7b/600",
       {.queries = 600,
        .keys = 600,
        .query_heads = 32,
        .key_heads = 32,
        .width = 128,
        .divisor = 11.3f,
        .causal = true}},
  };
  const auto kernels = attention_kernels();
  for (const Shape& shape : shapes) {
    register_each(kernels.first(kernels.size() - 1), shape.problem, shape.name,
                  [biased = shape.biased](const AttentionProblem& p) { return make(p, biased); });
  }
}

}  // namespace instructblip::kernels::benchmarks
