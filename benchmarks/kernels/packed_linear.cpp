// Products with packed weights in every format: decode with 1 and 5 rows, a prompt, ViT-g.
#include "kernels/packed_linear.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "benchmarks/kernels/each_kernel.h"

namespace instructblip::kernels::benchmarks {
namespace {

struct Shape {
  const char* name;
  std::int64_t outputs, inputs;
};

constexpr Shape kDecode[] = {
    {"llama_7b_qkv", 12288, 4096}, {"t5_xl_gate_up", 10240, 2048}, {"in_cache", 256, 512}};
constexpr Shape kVision[] = {{"vit_fc1", 6144, 1408}, {"vit_fc2", 1408, 6144}};

struct Data {
  PackedLinearProblem problem;
  std::vector<float> x, y;
  std::vector<std::byte> panels;

  void run(const PackedLinearKernel& kernel, std::int64_t rows, float* to) {
    PackedLinearProblem some = problem;
    some.rows = rows;
    SerialQueue queue;
    kernel.run(some, {x.data(), panels.data(), nullptr, nullptr, to}, queue);
  }
};

bool has_16_bits(Format format) { return format == Format::f16 || format == Format::bf16; }

std::shared_ptr<Data> data_of(const PackedLinearProblem& problem) {
  auto data = std::make_shared<Data>();
  data->problem = problem;
  data->x = random_numbers(problem.rows * problem.inputs);
  data->y.resize(static_cast<std::size_t>(problem.rows * problem.outputs));
  const std::size_t bytes = bytes_of_panel(problem.weights, problem.inputs);
  data->panels.resize(static_cast<std::size_t>(panels_of(problem.outputs)) * bytes);
  // The same sixteen rows in every panel; those of 16 bits are of both signs and below 1.
  const std::vector<float> rows = random_numbers(kRowsOfPanel * problem.inputs);
  std::vector<std::uint16_t> halves(rows.size());
  std::minstd_rand random(3);
  const unsigned exponent = problem.weights == Format::f16 ? 12U << 10 : 124U << 7;
  for (std::uint16_t& bits : halves) {
    bits = static_cast<std::uint16_t>((random() & 0x807FU) | exponent);
  }
  const void* from = has_16_bits(problem.weights) ? static_cast<const void*>(halves.data())
                                                  : static_cast<const void*>(rows.data());
  for (std::size_t at = 0; at < data->panels.size(); at += bytes) {
    if (problem.in_rows) {
      std::memcpy(data->panels.data() + at, rows.data(), bytes);
      continue;
    }
    pack_panel(problem.weights, {from, kRowsOfPanel, problem.inputs}, data->panels.data() + at);
  }
  return data;
}

Case<PackedLinearKernel> make(const PackedLinearProblem& problem) {
  const auto data = data_of(problem);
  const double elements = static_cast<double>(problem.outputs * problem.inputs);
  return {.name = {},
          .work = {static_cast<double>(data->panels.size()),
                   2 * elements * static_cast<double>(problem.rows)},
          .run =
              [data](const PackedLinearKernel& kernel) {
                data->run(kernel, data->problem.rows, data->y.data());
              },
          .is_right = [data] {  // the first row: plain loops are slow
            std::vector<float> want(static_cast<std::size_t>(data->problem.outputs));
            data->run(packed_linear_kernels().back(), 1, want.data());
            // Rows that are rounded to 8 bits are off by a hundredth, not by a tenth.
            double largest = 0, off = 0;
            for (std::size_t i = 0; i < want.size(); ++i) {
              largest = std::max(largest, std::abs(static_cast<double>(want[i])));
              off = std::max(off, std::abs(static_cast<double>(data->y[i]) - want[i]));
            }
            return off <= 2e-2 * largest;
          }};
}

void add(const char* use, const Shape& shape, std::int64_t rows) {
  struct Held {
    const char* name;
    Format weights;
    bool in_rows = false;
  };
  for (const Held& held :
       {Held{"f32", Format::f32}, Held{"f32_in_rows", Format::f32, true}, Held{"f16", Format::f16},
        Held{"bf16", Format::bf16}, Held{"w8", Format::w8}, Held{"w4", Format::w4}}) {
    const PackedLinearProblem problem{.rows = rows,
                                      .inputs = shape.inputs,
                                      .outputs = shape.outputs,
                                      .weights = held.weights,
                                      .in_rows = held.in_rows};
    const auto kernels = packed_linear_kernels();
    register_each(
        rows > 8 ? kernels.first(kernels.size() - 1) : kernels, problem,
        std::string(use) + "/" + shape.name + "/" + std::to_string(rows) + "/" + held.name, make);
  }
}

}  // namespace

void register_packed_linear() {
  for (const Shape& shape : kDecode) {
    for (const std::int64_t rows : {1, 5}) add("decode", shape, rows);
    add("prompt", shape, 72);
  }
  for (const Shape& shape : kVision) add("vision", shape, 257);
}

}  // namespace instructblip::kernels::benchmarks
