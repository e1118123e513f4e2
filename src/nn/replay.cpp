#include "nn/replay.h"

#include <utility>

namespace instructblip::nn {
namespace {

constexpr std::int64_t kWord = 4, kAlignedWords = 64;  // places begin at 256 bytes

std::int64_t words_of(const at::Tensor& x) {
  const auto words = (static_cast<std::int64_t>(x.nbytes()) + kWord - 1) / kWord;
  return (words + kAlignedWords - 1) / kAlignedWords * kAlignedWords;
}

void add_sizes(StepKey& key, const at::Tensor& x) {
  key.push_back(static_cast<std::int64_t>(x.scalar_type()));
  key.push_back(x.dim());
  for (const std::int64_t size : x.sizes()) key.push_back(size);
}

// The words from `first` on as a tensor like `x`.
at::Tensor place_of(const at::Tensor& x, const at::Tensor& memory, std::int64_t first) {
  const at::Tensor words = memory.narrow(0, first, words_of(x));
  const at::Tensor numbers = x.scalar_type() == at::kInt ? words : words.view(x.scalar_type());
  return numbers.narrow(0, 0, x.numel()).view(x.sizes());
}

}  // namespace

at::Tensor replayed(const Runtime& runtime, StepKey key, const Tensors& inputs,
                    const std::function<at::Tensor(const Tensors& inputs)>& compute) {
  if (!runtime.replays()) return compute(inputs);
  std::int64_t words = 0;
  for (const at::Tensor& input : inputs) {
    add_sizes(key, input);
    words += words_of(input);
  }
  const at::Tensor memory = runtime.step_memory(key, words);
  Tensors places;
  words = 0;
  for (const at::Tensor& input : inputs) {
    places.push_back(place_of(input, memory, words));
    if (input.numel() > 0) places.back().copy_(input, /*non_blocking=*/true);
    words += words_of(input);
  }
  return runtime.replay(key, [&] { return compute(places); }).clone();
}

}  // namespace instructblip::nn
