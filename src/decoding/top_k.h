// The largest values of a row, by either of two rules for equal ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace instructblip {

struct Ranked {
  float value;
  std::int64_t index;
};

// The `count` largest of `values`, largest first; count <= values.size(), no NaN.
//
// Which of several equal values are taken, and in which order, is what torch.topk does on the CPU:
// a heap selection where count * 64 <= size, else std::nth_element and std::sort over pairs in
// index order, both as libstdc++ implements them. Neither prefers the lower index. Beam search
// meets exact ties often: hypotheses that do not exist yet all score -1e9, banned tokens -inf.
std::vector<Ranked> top_k(std::span<const float> values, std::size_t count);

// The `count` largest of `values` (all, where there are fewer) without those at `passed_over`,
// largest first, of equal ones the lowest index first. `passed_over` is ascending, each once, below
// values.size(); no NaN.
std::vector<Ranked> best_of(std::span<const float> values, std::size_t count,
                            std::span<const std::int32_t> passed_over);

// The largest value; `values` is not empty and holds no NaN.
float max_value(std::span<const float> values);

// The index of the largest value, the lowest one of equals (torch.argmax).
std::size_t arg_max(std::span<const float> values);

}  // namespace instructblip
