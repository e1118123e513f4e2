// The norm before a product: of one row, of five, of a prompt and of a picture.
#include "kernels/norm.h"

#include <memory>

#include "benchmarks/kernels/each_kernel.h"

namespace instructblip::kernels::benchmarks {
namespace {

struct Data {
  NormProblem problem;
  std::vector<float> x, weight, bias, y;

  void run(const NormKernel& kernel, float* to) {
    SerialQueue queue;
    kernel.run(problem, {x.data(), weight.data(), problem.centred ? bias.data() : nullptr, to},
               queue);
  }
};

Case<NormKernel> make(const NormProblem& p) {
  const auto data = std::make_shared<Data>();
  data->problem = p;
  data->x = random_numbers(p.rows * p.width);
  data->weight = random_numbers(p.width);
  data->bias = random_numbers(p.width);
  data->y.resize(data->x.size());
  return {.name = {},
          .work = {static_cast<double>(2 * data->x.size()) * sizeof(float), 0},
          .run = [data](const NormKernel& kernel) { data->run(kernel, data->y.data()); },
          .is_right =
              [data] {
                std::vector<float> want(data->y.size());
                data->run(norm_kernels().back(), want.data());
                return is_close(data->y, want);
              }};
}

}  // namespace

void register_norm() {
  const auto add = [](std::int64_t rows, std::int64_t width, bool centred) {
    register_each(
        norm_kernels(), NormProblem{.rows = rows, .width = width, .eps = 1e-6f, .centred = centred},
        (centred ? "layer_" : "rms_") + std::to_string(rows) + "x" + std::to_string(width), make);
  };
  for (const std::int64_t rows : {1, 5, 64}) {
    for (const std::int64_t width : {2048, 4096}) add(rows, width, false);
    add(rows, 2560, true);
  }
  add(257, 1408, true);
}

}  // namespace instructblip::kernels::benchmarks
