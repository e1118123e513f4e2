// The loops of a sum of exponentials, for the instruction set that the including file is compiled
// for.
#pragma once

#include "kernels/cpu/exp.h"
#include "kernels/cpu/sum_exp.h"

namespace instructblip::kernels::cpu {
namespace {

INSTRUCTBLIP_KERNEL float max_of(const float* x, std::int64_t size) {
  Lanes maxima = broadcast(x[0]);
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) maxima = larger(load(x + i), maxima);
  float max = largest(maxima);
  for (; i < size; ++i) max = x[i] > max ? x[i] : max;
  return max;
}

INSTRUCTBLIP_KERNEL SumExp sum_exp(const float* x, std::int64_t size) {
  const float max = max_of(x, size);
  Lanes total = broadcast(0.0f);
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    total = add(total, exp_non_positive(subtract(load(x + i), broadcast(max))));
  }
  if (i < size) {  // behind the last number there is nothing to add
    float last[kLanes];
    store(broadcast(-__builtin_inff()), last);
    std::memcpy(last, x + i, static_cast<std::size_t>(size - i) * sizeof(float));
    total = add(total, exp_non_positive(subtract(load(last), broadcast(max))));
  }
  if (size >= kLanes) return {max, sum(total)};
  float parts[kLanes];  // a short row is added up from the left
  store(total, parts);
  for (std::int64_t k = 1; k < size; ++k) parts[0] += parts[k];
  return {max, parts[0]};
}

}  // namespace
}  // namespace instructblip::kernels::cpu
