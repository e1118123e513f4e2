#include "decoding/log_softmax.h"

#include <cstdint>

#include "kernels/log_sum_exp.h"

namespace instructblip {

LogNormalizer log_normalizer(std::span<const float> logits) {
  const kernels::LogSumExpProblem problem{.rows = 1,
                                          .size = static_cast<std::int64_t>(logits.size())};
  LogNormalizer normalizer{};
  kernels::SerialQueue queue;
  kernels::choose(kernels::log_sum_exp_kernels(), problem)
      ->run(problem, {logits.data(), &normalizer.max, &normalizer.log_sum}, queue);
  return normalizer;
}

}  // namespace instructblip
