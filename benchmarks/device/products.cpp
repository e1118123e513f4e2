// Products of few rows with a weight: the layer of a model, by whatever it takes, and LibTorch's.
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/synthetic_weights.h"
#include "core/processors.h"
#include "device_timer.h"
#include "nn/linear.h"
#include "nn/weights.h"

namespace instructblip::benchmarks {
namespace {

// [out, in] of LLaMA-7B and of T5-XL.
constexpr std::pair<std::int64_t, std::int64_t> kSizes[] = {
    {12288, 4096}, {22016, 4096}, {4096, 11008}, {4096, 4096}, {32000, 4096},
    {6144, 2048},  {10240, 2048}, {2048, 5120},  {2048, 2048}, {32128, 2048}};

constexpr std::int64_t kBytes = 900'000'000;  // weights in a graph: no cache holds them

class Weighted {
 public:
  Weighted(nn::DeviceRuntime& runtime, std::int64_t out, std::int64_t in) : in_(in) {
    const std::int64_t count = std::clamp<std::int64_t>(kBytes / (2 * out * in), 4, 64);
    std::vector<nn::RequestedTensor> tensors;
    for (std::int64_t i = 0; i < count; ++i) {
      tensors.push_back({std::to_string(i) + ".weight", {out, in}});
    }
    const bool half = runtime.row_type() == at::kHalf;
    const auto store =
        synthetic_weights(tensors, {half ? DType::f16 : DType::bf16}, usable_cores());
    nn::WeightLoader loader(runtime, store, {.format = half ? nn::Format::f16 : nn::Format::bf16});
    for (std::int64_t i = 0; i < count; ++i) {
      layers_.push_back(nn::Linear(loader.root() / i, in, out, nn::Linear::Bias::none));
      plain_.push_back(runtime.upload_rows(at::from_blob(
          const_cast<std::byte*>(store->entries()[static_cast<std::size_t>(i)].bytes.data()),
          {out, in}, nn::host(runtime.row_type()))));
    }
  }

  void benchmark(DeviceTimer& timer, const std::string& name, std::int64_t rows) const {
    const at::Tensor x = timer.noise({rows, in_});
    std::vector<Work> ours, theirs;
    for (const nn::Linear& layer : layers_) ours.push_back([&] { return layer(x); });
    for (const at::Tensor& weight : plain_) theirs.push_back([&] { return at::mm(x, weight.t()); });
    print("product " + name + ", rows " + std::to_string(rows), timer.time("ours", ours),
          {timer.time("cublas", theirs)});
  }

 private:
  std::int64_t in_;
  std::vector<nn::Linear> layers_;
  std::vector<at::Tensor> plain_;
};

}  // namespace

void benchmark_products(DeviceTimer& timer) {
  for (const auto& [out, in] : kSizes) {
    const Weighted weighted(timer.runtime(), out, in);
    for (const std::int64_t rows : {1, 5, 8, 32}) {
      weighted.benchmark(timer, std::to_string(out) + "x" + std::to_string(in), rows);
    }
  }
}

}  // namespace instructblip::benchmarks
