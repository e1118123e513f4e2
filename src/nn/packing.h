// Several sequences in one tensor: one after the other, nothing between them. Linear layers and
// norms run over all rows at once; attention runs over each part by itself, so that no row is
// padded and none sees another sequence's.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace instructblip::nn {

// The rows of one sequence.
struct Part {
  std::int64_t first, count;

  at::Tensor of(const at::Tensor& x, std::int64_t dim) const { return x.narrow(dim, first, count); }
};

// attend(part, index of the part) of every part, put together along `dim`. `Of` is a Part, or one
// that knows more.
template <typename Of, typename Attend>
at::Tensor by_part(std::span<const Of> parts, std::int64_t dim, Attend&& attend) {
  if (parts.size() == 1) return attend(parts[0], std::size_t{0});
  std::vector<at::Tensor> results;
  results.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) results.push_back(attend(parts[i], i));
  return at::cat(results, dim);
}

}  // namespace instructblip::nn
