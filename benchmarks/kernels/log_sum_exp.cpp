// The normaliser of the logits of one and of five hypotheses.
#include "kernels/log_sum_exp.h"

#include <memory>

#include "benchmarks/kernels/each_kernel.h"

namespace instructblip::kernels::benchmarks {
namespace {

struct Data {
  LogSumExpProblem problem;
  std::vector<float> x, max, log_sum;

  void run(const LogSumExpKernel& kernel, float* to) {
    SerialQueue queue;
    kernel.run(problem, {x.data(), max.data(), to}, queue);
  }
};

Case<LogSumExpKernel> make(const LogSumExpProblem& p) {
  const auto data = std::make_shared<Data>();
  data->problem = p;
  data->x = random_numbers(p.rows * p.size);
  data->max.resize(static_cast<std::size_t>(p.rows));
  data->log_sum.resize(static_cast<std::size_t>(p.rows));
  return {.name = {},
          .work = {static_cast<double>(data->x.size()) * sizeof(float), 0},
          .run = [data](const LogSumExpKernel& kernel) { data->run(kernel, data->log_sum.data()); },
          .is_right =
              [data] {
                std::vector<float> want(data->log_sum.size());
                data->run(log_sum_exp_kernels().back(), want.data());
                return is_close(data->log_sum, want);
              }};
}

}  // namespace

void register_log_sum_exp() {
  for (const std::int64_t rows : {1, 5}) {
    for (const std::int64_t size : {32064, 50304}) {
      register_each(log_sum_exp_kernels(), LogSumExpProblem{.rows = rows, .size = size},
                    std::to_string(rows) + "x" + std::to_string(size), make);
    }
  }
}

}  // namespace instructblip::kernels::benchmarks
