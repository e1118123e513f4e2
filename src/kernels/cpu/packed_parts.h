// What the drivers of products with packed weights have in common.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/norm.h"
#include "kernels/cpu/norm_rows.h"
#include "kernels/cpu/panel_product.h"
#include "kernels/cpu/room.h"
#include "kernels/packed_linear.h"

namespace instructblip::kernels::cpu {

// Multiplications below which another thread costs more than it saves.
inline constexpr std::int64_t kWorthAThread = 1 << 16;

inline Held held_of(const PackedLinearProblem& p) {
  if (p.in_rows) return Held::rows;
  switch (p.weights) {
    case Format::f16:
      return Held::f16;
    case Format::bf16:
      return Held::bf16;
    case Format::w8:
      return Held::w8;
    case Format::w4:
      return Held::w4;
    case Format::f32:
      break;
  }
  return Held::f32;
}

// Rows of a product, and the norm before it, where there is one.
class ProductRows {
 public:
  ProductRows(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
              const NormRow& norm, Queue& queue)
      : p_(problem),
        b_(buffers),
        normalisers_(Room::normalisers, buffers.norm == nullptr ? 0 : 2 * p_.rows) {
    if (b_.norm == nullptr) return;
    const NormProblem of_rows{
        .rows = p_.rows, .width = p_.inputs, .eps = p_.eps, .centred = p_.centred};
    queue.run(p_.rows, grain_of(p_.inputs, kWorthAThread),
              [&](std::int64_t first, std::int64_t last) {
                for (std::int64_t row = first; row < last; ++row) {
                  const Normaliser by = normaliser_of(norm, b_.x + row * p_.inputs, of_rows);
                  means()[row] = by.mean;
                  scales()[row] = by.scale;
                }
              });
  }

  // The inputs from `input` on of the rows [first, last).
  InputRows inputs(std::int64_t first, std::int64_t last, std::int64_t input = 0) const {
    return {.x = b_.x + first * p_.inputs + input,
            .stride = p_.inputs,
            .rows = last - first,
            .weight = b_.norm == nullptr ? nullptr : b_.norm + input,
            .bias = b_.norm_bias == nullptr ? nullptr : b_.norm_bias + input,
            .means = means() + first,
            .scales = scales() + first};
  }

 private:
  float* means() const { return normalisers_.get(); }
  float* scales() const { return normalisers_.get() + p_.rows; }

  const PackedLinearProblem& p_;
  const PackedLinearBuffers& b_;
  Room normalisers_;
};

// Groups of panels whose sums a thread keeps, `sums` of each. Few, so that a second level cache of
// 1 MB has room for them beside a block of rows; with weights in rows 16, which were not slower
// than fewer, so that the next inputs of these rows are read while the processor still knows where
// their pages lie.
inline std::int64_t groups_at_once(const PackedLinearProblem& p, std::int64_t sums) {
  constexpr std::int64_t kSums = 256 * 1024 / 4;
  return p.in_rows ? 16 : std::max<std::int64_t>(1, kSums / sums);
}

struct GroupsOfBlocks {
  std::int64_t blocks, groups;  // blocks of rows, and groups of panels that each is multiplied by
  std::int64_t grain;           // groups that are worth a thread
  std::int64_t at_once;         // groups that a thread takes together
};

// Calls `multiply(block, first, last)` for all groups [first, last) of every block, on the threads
// of the queue: up to `at_once`, and of one block, at a time, in parts of about the same size.
template <class Multiply>
void share_out_groups(Queue& queue, const GroupsOfBlocks& all, const Multiply& multiply) {
  queue.run(all.blocks * all.groups, all.grain, [&](std::int64_t first, std::int64_t last) {
    while (first < last) {
      const std::int64_t block = first / all.groups, start = block * all.groups;
      const std::int64_t left = std::min(last, start + all.groups) - first;
      const std::int64_t parts = (left + all.at_once - 1) / all.at_once;
      const std::int64_t end = first + (left + parts - 1) / parts;
      multiply(block, first - start, end - start);
      first = end;
    }
  });
}

// Results of the panels [panel, last_panel), and of those of the second half that multiply them.
inline Results results_of(const PackedLinearProblem& p, const PackedLinearBuffers& b,
                          std::int64_t row, std::int64_t panel, std::int64_t last_panel) {
  const std::int64_t results = p.results();
  const std::int64_t output = panel * kRowsOfPanel, at = row * results + output;
  return {.outputs = std::min(last_panel * kRowsOfPanel, results) - output,
          .bias = b.bias == nullptr ? nullptr : b.bias + output,
          .times_bias = b.bias == nullptr || !p.gated ? nullptr : b.bias + results + output,
          .activation = p.activation,
          .plus = b.plus == nullptr ? nullptr : b.plus + at,
          .y = b.y + at,
          .stride = results};
}

// Where the panels of the second half that multiply those from `panel` on begin; or null.
inline const std::byte* times_of(const PackedLinearProblem& p, const std::byte* panel) {
  if (!p.gated) return nullptr;
  return panel +
         static_cast<std::size_t>(panels_of(p.results())) * bytes_of_panel(p.weights, p.inputs);
}

}  // namespace instructblip::kernels::cpu
