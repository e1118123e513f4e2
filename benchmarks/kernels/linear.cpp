// The products of the published models: decode with 1 and 5 rows, prompts, ViT-g.
#include "kernels/linear.h"

#include <memory>

#include "benchmarks/kernels/each_kernel.h"
#include "core/dtype.h"

namespace instructblip::kernels::benchmarks {
namespace {

struct Shape {
  const char* name;
  std::int64_t outputs, inputs;
};

constexpr Shape kDecode[] = {{"llama_7b_qkv", 12288, 4096},  {"llama_7b_gate_up", 22016, 4096},
                             {"llama_7b_down", 4096, 11008}, {"t5_xl_qkv", 6144, 2048},
                             {"t5_xl_gate_up", 10240, 2048}, {"t5_xl_wo", 2048, 5120},
                             {"t5_xl_head", 32128, 2048}};
constexpr Shape kVision[] = {
    {"vit_qkv", 4224, 1408}, {"vit_fc1", 6144, 1408}, {"vit_fc2", 1408, 6144}};

struct Data {
  std::vector<float> x, y;
  std::vector<std::uint16_t> half;  // weights of 16 bits: any bits of small finite numbers
  std::vector<float> whole;
  LinearProblem problem;

  const void* weights() const {
    return problem.weights == DType::f32 ? static_cast<const void*>(whole.data()) : half.data();
  }
  void run(const LinearKernel& kernel, std::int64_t rows, float* to) {
    LinearProblem some = problem;
    some.rows = rows;
    SerialQueue queue;
    kernel.run(some, {x.data(), weights(), nullptr, to}, queue);
  }
};

std::shared_ptr<Data> data_of(const LinearProblem& problem) {
  auto data = std::make_shared<Data>();
  data->problem = problem;
  data->x = random_numbers(problem.rows * problem.inputs);
  data->y.resize(static_cast<std::size_t>(problem.rows * problem.outputs));
  const std::int64_t count = problem.outputs * problem.inputs;
  if (problem.weights == DType::f32) {
    data->whole = random_numbers(count);
  } else {
    std::minstd_rand random(3);
    data->half.resize(static_cast<std::size_t>(count));
    // Sign and mantissa at random, the exponent that of 1/4 .. 1/2.
    const bool ieee = problem.weights == DType::f16;
    const unsigned drawn = ieee ? 0x83FF : 0x807F, fixed = ieee ? 13U << 10 : 125U << 7;
    for (std::uint16_t& bits : data->half) {
      bits = static_cast<std::uint16_t>((random() & drawn) | fixed);
    }
  }
  return data;
}

Case<LinearKernel> make(const LinearProblem& problem) {
  const auto data = data_of(problem);
  const double elements = static_cast<double>(problem.outputs * problem.inputs);
  const auto size = static_cast<double>(size_of(problem.weights));
  return {.name = {},
          .work = {elements * size, 2 * elements * static_cast<double>(problem.rows)},
          .run =
              [data](const LinearKernel& kernel) {
                data->run(kernel, data->problem.rows, data->y.data());
              },
          .is_right = [data] {  // the first row: plain loops are slow
            std::vector<float> want(static_cast<std::size_t>(data->problem.outputs));
            data->run(linear_kernels().back(), 1, want.data());
            return is_close(std::span(data->y).first(want.size()), want);
          }};
}

void add(const char* use, const Shape& shape, std::int64_t rows) {
  for (const DType weights : {DType::f32, DType::f16, DType::bf16}) {
    const LinearProblem problem{
        .rows = rows, .inputs = shape.inputs, .outputs = shape.outputs, .weights = weights};
    // Plain loops take seconds for many rows.
    const auto kernels = linear_kernels();
    register_each(rows > 8 ? kernels.first(kernels.size() - 1) : kernels, problem,
                  std::string(use) + "/" + shape.name + "/" + std::to_string(rows) + "/" +
                      std::string(name_of(weights)),
                  make);
  }
}

}  // namespace

void register_linear() {
  for (const Shape& shape : kDecode) {
    for (const std::int64_t rows : {1, 5, 8}) add("decode", shape, rows);
  }
  for (const Shape& shape : kDecode) add("prompt", shape, 72);
  for (const Shape& shape : kVision) add("vision", shape, 257);
}

}  // namespace instructblip::kernels::benchmarks
