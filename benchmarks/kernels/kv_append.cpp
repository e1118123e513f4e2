// New keys and values into their pages: a prompt, and a step with five hypotheses.
#include "kernels/kv_append.h"

#include <memory>

#include "benchmarks/kernels/each_kernel.h"

namespace instructblip::kernels::benchmarks {
namespace {

struct Data {
  KvAppendProblem problem;
  std::vector<float> keys, values, pages;
  std::vector<float*> pages_of_keys, pages_of_values;
  std::vector<std::int32_t> slots;

  std::int64_t page() const { return problem.key_heads * problem.page_positions * problem.width; }
  void run(const KvAppendKernel& kernel) const {
    SerialQueue queue;
    kernel.run(
        problem,
        {keys.data(), values.data(), slots.data(), pages_of_keys.data(), pages_of_values.data()},
        queue);
  }
};

Case<KvAppendKernel> make(const KvAppendProblem& p) {
  const auto data = std::make_shared<Data>();
  data->problem = p;
  data->keys = random_numbers(p.positions * p.key_heads * p.width);
  data->values = data->keys;
  const std::int64_t pages = (p.positions + p.page_positions - 1) / p.page_positions;
  data->pages.resize(static_cast<std::size_t>(2 * pages * data->page()));
  for (std::int64_t i = 0; i < pages; ++i) {
    data->pages_of_keys.push_back(data->pages.data() + 2 * i * data->page());
    data->pages_of_values.push_back(data->pages.data() + (2 * i + 1) * data->page());
  }
  for (std::int32_t i = 0; i < p.positions; ++i) data->slots.push_back(i);
  // Read and written.
  const double bytes = 4.0 * static_cast<double>(data->keys.size()) * sizeof(float);
  return {.name = {},
          .work = {bytes, 0},
          .run = [data](const KvAppendKernel& kernel) { data->run(kernel); },
          .is_right =
              [data] {
                const std::vector<float> got = data->pages;
                std::ranges::fill(data->pages, 0.0f);
                data->run(kv_append_kernels().back());
                return got == data->pages;
              }};
}

}  // namespace

void register_kv_append() {
  for (const std::int64_t positions : {5, 256}) {
    const KvAppendProblem problem{
        .positions = positions, .key_heads = 32, .width = 128, .page_positions = 16};
    register_each(kv_append_kernels(), problem, "llama_7b/" + std::to_string(positions), make);
  }
}

}  // namespace instructblip::kernels::benchmarks
