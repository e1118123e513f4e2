// Several sequences in one tensor: one after the other, nothing between them. Linear layers and
// norms run over all rows at once; attention runs over each sequence by itself, so that no row is
// padded and none sees another sequence's.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nn/sum.h"

namespace instructblip::nn {

class KvCache;
class RowBiases;
struct StepSlots;

// The rows of one sequence.
struct Part {
  std::int64_t first, count;

  at::Tensor of(const at::Tensor& x) const { return x.narrow(0, first, count); }
};

// Where packed sequences are, on the device at addresses that stay, so that one list of launches
// serves all that are as long.
struct SequenceTables {
  at::Tensor offsets;  // [sequences + 1] int32, where each begins, and the last one ends
  at::Tensor slots;    // [all rows] int32, of caches that hold nothing else
};

// Rows of several sequences, and what each of them attends to besides itself.
struct Rows {
  enum class Kind {
    sequence,    // the rows of a part follow one another
    hypotheses,  // each row of a part stands at the same, newest position of a text of its own
  };

  std::span<const Part> parts;
  Kind kind = Kind::sequence;
  // One for each part: keys and values of earlier rows, to which those of these rows are added.
  // Empty: nothing is remembered.
  std::span<KvCache* const> caches = {};
  // One for each part, [H, its rows, keys] or, of hypotheses, [H, 1, keys], added to the scores.
  // Not for sequences that extend a cache. Null: none.
  const RowBiases* biases = nullptr;
  // What these rows see by tables of slots on the device, in place of `caches`; null: not so.
  const StepSlots* slots = nullptr;
  // The same of sequences that extend nothing; null: not so.
  const SequenceTables* sequences = nullptr;
};

// Which rows of each sequence a layer goes on with when they have attended.
enum class Needed { all, last };

// f(part, its index) of every part, one at least, put together along `dim`.
template <typename Function>
at::Tensor by_part(std::span<const Part> parts, std::int64_t dim, Function&& f) {
  if (parts.size() == 1) return f(parts[0], std::size_t{0});
  std::vector<at::Tensor> results;
  results.reserve(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) results.push_back(f(parts[i], i));
  return at::cat(results, dim);
}

// The last row of each part: x [N, D] -> [parts, D].
inline at::Tensor last_rows(std::span<const Part> parts, const at::Tensor& x) {
  return by_part(parts, 0, [&](const Part& part, std::size_t) {
    return x.narrow(0, part.first + part.count - 1, 1);
  });
}

// Those of x that are needed.
inline at::Tensor needed_of(const Rows& rows, Needed needed, const at::Tensor& x) {
  return needed == Needed::all ? x : last_rows(rows.parts, x);
}
inline Sum needed_of(const Rows& rows, Needed needed, const Sum& x) {
  return needed == Needed::all ? x : Sum(last_rows(rows.parts, x));
}

}  // namespace instructblip::nn
