#include "kernels/cpu/packed_linear.h"

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/packed_parts.h"

namespace instructblip::kernels::cpu {
namespace {

// Panels that threads share out together.
constexpr std::int64_t kPanelsOfTask = 4;

// Words of a row that its inputs are.
std::int64_t words_of(const PanelKernel& kernel, std::int64_t inputs) {
  return (inputs + kernel.inputs_of_step - 1) / kernel.inputs_of_step * kernel.words_of_step;
}

void run_few(const PackedLinearProblem& p, const PackedLinearBuffers& b, const PanelKernel& kernel,
             const NormRow& norm, Queue& queue) {
  const RowTiles tiles{p.rows, kernel.most_rows_of_few};
  const ProductRows rows(p, b, norm, queue);
  const bool as_it_is = p.rows == 1 && kernel.inputs_of_step == 1 && b.norm == nullptr;
  const std::int64_t words = words_of(kernel, p.inputs);
  const Room own(Room::rows, as_it_is ? 0 : p.rows * words);
  if (!as_it_is) {
    for (std::int64_t tile = 0; tile < count_of(tiles); ++tile) {
      const std::int64_t begin = begin_of(tiles, tile);
      kernel.regroup({.from = rows.inputs(begin, begin_of(tiles, tile + 1)),
                      .count = p.inputs,
                      .tile = own.get() + begin * words});
    }
  }
  const std::int64_t panels = panels_of(p.results());
  const std::int64_t tasks = (panels + kPanelsOfTask - 1) / kPanelsOfTask;
  const std::int64_t at_once = p.gated ? kMostPanels / 2 : kMostPanels;
  const std::int64_t work = p.rows * p.inputs * kRowsOfPanel * kPanelsOfTask;
  const std::size_t bytes = bytes_of_panel(p.weights, p.inputs);
  queue.run(tasks, grain_of(work, kWorthAThread), [&](std::int64_t first, std::int64_t last) {
    float totals[kMostFewRows * kMostPanels * kRowsOfPanel];
    const std::int64_t end = std::min(panels, last * kPanelsOfTask);
    for (std::int64_t panel = first * kPanelsOfTask; panel < end; panel += at_once) {
      const std::byte* const weights = b.weights + static_cast<std::size_t>(panel) * bytes;
      kernel.run({.x = as_it_is ? b.x : own.get(),
                  .tiles = tiles,
                  .inputs = p.inputs,
                  .panels = weights,
                  .times = times_of(p, weights),
                  .bytes_of_panel = bytes,
                  .held = held_of(p),
                  .totals = totals,
                  .results = results_of(p, b, 0, panel, std::min(end, panel + at_once))});
    }
  });
}

// Where many rows are multiplied, a block of rows and of inputs of x stays in the second level
// cache while the weights of a thread go by, each of them widened once for the block.
class TallProduct {
 public:
  TallProduct(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
              const PanelKernel& kernel, const NormRow& norm, Queue& queue)
      : p_(problem),
        b_(buffers),
        kernel_(kernel),
        queue_(queue),
        rows_(problem, buffers, norm, queue),
        bytes_(bytes_of_panel(problem.weights, problem.inputs)),
        row_blocks_{problem.rows, kernel.rows_of_block},
        // A panel, and the one that multiplies its results.
        at_once_(problem.gated ? 2 : kernel.panels_of_many),
        panels_of_group_(problem.gated ? 1 : kernel.panels_of_many),
        groups_((panels_of(problem.results()) + panels_of_group_ - 1) / panels_of_group_),
        x_(Room::rows, problem.rows * words_of(problem.inputs)) {}

  void run() {
    const std::int64_t blocks = count_of(row_blocks_);
    queue_.run(blocks * input_blocks(), 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) pack(i / input_blocks(), i % input_blocks());
    });
    const std::int64_t sums = p_.rows / blocks * at_once_ * kRowsOfPanel;
    const std::int64_t grain = grain_of(sums * p_.inputs, kWorthAThread);
    share_out_groups(queue_, {blocks, groups_, grain, groups_at_once(p_, sums)},
                     [&](std::int64_t block, std::int64_t first, std::int64_t last) {
                       multiply(block, first, last);
                     });
  }

 private:
  std::int64_t most_inputs() const { return kernel_.inputs_of_block; }
  std::int64_t input_blocks() const {
    return std::max<std::int64_t>(1, (p_.inputs + most_inputs() - 1) / most_inputs());
  }
  std::int64_t inputs_in(std::int64_t block) const {
    return std::min(most_inputs(), p_.inputs - block * most_inputs());
  }
  std::int64_t words_of(std::int64_t inputs) const { return cpu::words_of(kernel_, inputs); }
  RowTiles tiles_of(std::int64_t row_block) const {
    return {begin_of(row_blocks_, row_block + 1) - begin_of(row_blocks_, row_block),
            kernel_.most_rows};
  }
  float* packed(std::int64_t row_block, std::int64_t input_block) const {
    return x_.get() + begin_of(row_blocks_, row_block) * words_of(p_.inputs) +
           tiles_of(row_block).rows * input_block * words_of(most_inputs());
  }

  void pack(std::int64_t row_block, std::int64_t input_block) const {
    const RowTiles tiles = tiles_of(row_block);
    const std::int64_t count = inputs_in(input_block);
    const std::int64_t row = begin_of(row_blocks_, row_block);
    for (std::int64_t tile = 0; tile < count_of(tiles); ++tile) {
      const std::int64_t begin = begin_of(tiles, tile);
      kernel_.regroup({.from = rows_.inputs(row + begin, row + begin_of(tiles, tile + 1),
                                            input_block * most_inputs()),
                       .count = count,
                       .tile = packed(row_block, input_block) + begin * words_of(count)});
    }
  }

  // The groups [first, last) of panels with the rows of one block.
  void multiply(std::int64_t row_block, std::int64_t first, std::int64_t last) const {
    const RowTiles tiles = tiles_of(row_block);
    const std::int64_t panels = panels_of(p_.results());
    const std::int64_t size = tiles.rows * at_once_ * kRowsOfPanel;
    const Room totals(Room::sums, size * (last - first));
    const Room wide(Room::weights, at_once_ * words_of(most_inputs()) * kRowsOfPanel);
    for (std::int64_t block = 0; block < input_blocks(); ++block) {
      for (std::int64_t group = first; group < last; ++group) {
        const std::int64_t panel = group * panels_of_group_;
        const std::byte* const weights = b_.weights + static_cast<std::size_t>(panel) * bytes_;
        kernel_.run_block({.x = packed(row_block, block),
                           .tiles = tiles,
                           .first = block * most_inputs(),
                           .count = inputs_in(block),
                           .panels = weights,
                           .times = times_of(p_, weights),
                           .bytes_of_panel = bytes_,
                           .next = next_of({first, last}, group, block),
                           .held = held_of(p_),
                           .wide = wide.get(),
                           .totals = totals.get() + (group - first) * size,
                           .last = block + 1 == input_blocks(),
                           .results = results_of(p_, b_, begin_of(row_blocks_, row_block), panel,
                                                 std::min(panels, panel + panels_of_group_))});
      }
    }
  }

  struct Groups {
    std::int64_t first, last;
  };

  // Behind the last group comes the first one again, with the next inputs.
  NextInputs next_of(const Groups& groups, std::int64_t group, std::int64_t block) const {
    const bool behind = group + 1 < groups.last;
    const std::int64_t next = behind ? group + 1 : groups.first;
    if (!behind && ++block == input_blocks()) return {};
    return {.panels = (next - group) * panels_of_group_ * static_cast<std::ptrdiff_t>(bytes_),
            .first = block * most_inputs(),
            .count = inputs_in(block)};
  }

  const PackedLinearProblem& p_;
  const PackedLinearBuffers& b_;
  const PanelKernel& kernel_;
  Queue& queue_;
  ProductRows rows_;
  std::size_t bytes_;
  RowTiles row_blocks_;
  std::int64_t at_once_, panels_of_group_;
  std::int64_t groups_;
  Room x_;
};

void run(const PackedLinearProblem& p, const PackedLinearBuffers& b, const PanelKernel& kernel,
         const NormRow& norm, Queue& queue) {
  if (p.rows == 0 || p.outputs == 0) return;
  // What is in rows is brought into the order of panels first, for however few rows.
  const bool few = p.rows <= kernel.few_rows && !p.in_rows && kernel.run != nullptr;
  if (few) return run_few(p, b, kernel, norm, queue);
  TallProduct(p, b, kernel, norm, queue).run();
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void packed_linear_avx512(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                          Queue& queue) {
  run(problem, buffers, panel_kernel_avx512(), norm_row_avx512(), queue);
}
void packed_linear_avx2(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                        Queue& queue) {
  run(problem, buffers, panel_kernel_avx2(), norm_row_avx2(), queue);
}
void packed_linear_bf16_avx512(const PackedLinearProblem& problem,
                               const PackedLinearBuffers& buffers, Queue& queue) {
  run(problem, buffers, pair_kernel_avx512_bf16(), norm_row_avx512(), queue);
}
void packed_linear_bf16_amx(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                            Queue& queue) {
  run(problem, buffers, tile_kernel_amx(), norm_row_avx512(), queue);
}
#endif
void packed_linear_bf16_tiles_portable(const PackedLinearProblem& problem,
                                       const PackedLinearBuffers& buffers, Queue& queue) {
  run(problem, buffers, tile_kernel_portable(), norm_row_portable(), queue);
}
void packed_linear_bf16_portable(const PackedLinearProblem& problem,
                                 const PackedLinearBuffers& buffers, Queue& queue) {
  run(problem, buffers, pair_kernel_portable(), norm_row_portable(), queue);
}
void packed_linear_portable(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                            Queue& queue) {
  run(problem, buffers, panel_kernel_portable(), norm_row_portable(), queue);
}

}  // namespace instructblip::kernels::cpu
