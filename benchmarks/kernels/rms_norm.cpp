// The norm before a product: of one row, of five, and of a prompt.
#include "kernels/rms_norm.h"

#include <memory>

#include "benchmarks/kernels/each_kernel.h"

namespace instructblip::kernels::benchmarks {
namespace {

struct Data {
  RmsNormProblem problem;
  std::vector<float> x, weight, y;

  void run(const RmsNormKernel& kernel, float* to) {
    SerialQueue queue;
    kernel.run(problem, {x.data(), weight.data(), to}, queue);
  }
};

Case<RmsNormKernel> make(const RmsNormProblem& p) {
  const auto data = std::make_shared<Data>();
  data->problem = p;
  data->x = random_numbers(p.rows * p.width);
  data->weight = random_numbers(p.width);
  data->y.resize(data->x.size());
  return {.name = {},
          .work = {static_cast<double>(2 * data->x.size()) * sizeof(float), 0},
          .run = [data](const RmsNormKernel& kernel) { data->run(kernel, data->y.data()); },
          .is_right =
              [data] {
                std::vector<float> want(data->y.size());
                data->run(rms_norm_kernels().back(), want.data());
                return is_close(data->y, want);
              }};
}

}  // namespace

void register_rms_norm() {
  for (const std::int64_t rows : {1, 5, 64}) {
    for (const std::int64_t width : {2048, 4096}) {
      register_each(rms_norm_kernels(), RmsNormProblem{.rows = rows, .width = width, .eps = 1e-6f},
                    std::to_string(rows) + "x" + std::to_string(width), make);
    }
  }
}

}  // namespace instructblip::kernels::benchmarks
