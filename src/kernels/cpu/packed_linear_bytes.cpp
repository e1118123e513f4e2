// Products with weights of 8 and 4 bits: rows are rounded to 8 bits or 16, whole numbers are
// multiplied, and their sums scaled for each block of inputs. Weights of other formats are
// multiplied as packed_linear.cpp does it.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/byte_product.h"
#include "kernels/cpu/packed_linear.h"
#include "kernels/cpu/packed_parts.h"

namespace instructblip::kernels::cpu {
namespace {

StepsOfBlock steps_of(const PackedLinearProblem& p, const ByteKernel& kernel) {
  return p.weights == Format::w4 ? kernel.of_4_bits : kernel.of_8_bits;
}

std::int64_t bytes_of_row(const PackedLinearProblem& p, const ByteKernel& kernel) {
  const StepsOfBlock steps = steps_of(p, kernel);
  return steps.blocks_in(p.inputs) * steps.bytes_of_row();
}

std::byte* bytes_of(const Room& room) { return reinterpret_cast<std::byte*>(room.get()); }

class ByteProducts {
 public:
  ByteProducts(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
               const ByteKernel& kernel, const NormRow& norm, Queue& queue)
      : p_(problem),
        b_(buffers),
        kernel_(kernel),
        queue_(queue),
        rows_(problem, buffers, norm, queue),
        // A panel, and the one that multiplies its results.
        at_once_(problem.gated ? 2 : kernel.panels),
        panels_of_group_(problem.gated ? 1 : kernel.panels),
        bytes_(bytes_of_panel(problem.weights, problem.inputs)),
        row_blocks_{problem.rows, kRowsOfBlock},
        groups_((panels_of(problem.results()) + panels_of_group_ - 1) / panels_of_group_),
        bytes_of_row_(bytes_of_row(problem, kernel)),
        x_(Room::rows, problem.rows * bytes_of_row_ / 4) {}

  void run() {
    const std::int64_t blocks = count_of(row_blocks_);
    const std::int64_t tiles = count_of(tiles_of(0));
    queue_.run(blocks * tiles, grain_of(4 * p_.rows / blocks / tiles * p_.inputs, kWorthAThread),
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t i = first; i < last; ++i) round(i / tiles, i % tiles);
               });
    const std::int64_t sums = p_.rows / blocks * at_once_ * kRowsOfPanel;
    const std::int64_t grain = grain_of(sums * p_.inputs, kWorthAThread);
    share_out_groups(queue_, {blocks, groups_, grain, groups_at_once(p_, sums)},
                     [&](std::int64_t block, std::int64_t first, std::int64_t last) {
                       multiply(block, first, last);
                     });
  }

 private:
  std::int64_t input_blocks() const {
    return std::max<std::int64_t>(1, (p_.inputs + kInputsOfByteBlock - 1) / kInputsOfByteBlock);
  }
  RowTiles tiles_of(std::int64_t row_block) const {
    return {begin_of(row_blocks_, row_block + 1) - begin_of(row_blocks_, row_block),
            kernel_.most_rows};
  }
  std::byte* rounded(std::int64_t row) const { return bytes_of(x_) + row * bytes_of_row_; }

  // Blocks of rows may differ by a row, and so in their tiles by one.
  void round(std::int64_t row_block, std::int64_t tile) const {
    const RowTiles tiles = tiles_of(row_block);
    const std::int64_t all = count_of(tiles), first = count_of(tiles_of(0));
    for (; tile < all; tile += first) {
      const std::int64_t row = begin_of(row_blocks_, row_block);
      const std::int64_t begin = row + begin_of(tiles, tile);
      kernel_.round({.from = rows_.inputs(begin, row + begin_of(tiles, tile + 1)),
                     .inputs = p_.inputs,
                     .held = held_of(p_),
                     .out = rounded(begin)});
    }
  }

  struct Place {
    std::int64_t row_block, first_group;
    std::byte* prepared;
    float* totals;
  };

  // The groups [first, last) of panels with the rows of one block.
  void multiply(std::int64_t row_block, std::int64_t first, std::int64_t last) const {
    const std::int64_t size = tiles_of(row_block).rows * at_once_ * kRowsOfPanel;
    const Room totals(Room::sums, size * (last - first));
    const StepsOfBlock steps = steps_of(p_, kernel_);
    const std::int64_t bytes = steps.blocks_in(kInputsOfByteBlock) * steps.bytes_of_weights();
    const Room prepared(Room::weights, at_once_ * bytes / 4);
    const Place place{row_block, first, bytes_of(prepared), totals.get()};
    const std::int64_t blocks = input_blocks();
    for (std::int64_t block = 0; block < blocks; ++block) {
      for (std::int64_t group = first; group < last; ++group) multiply(place, group, block);
    }
  }

  void multiply(const Place& place, std::int64_t group, std::int64_t block) const {
    const RowTiles tiles = tiles_of(place.row_block);
    const std::int64_t row = begin_of(row_blocks_, place.row_block);
    const std::int64_t panel = group * panels_of_group_;
    const std::int64_t behind = std::min(panels_of(p_.results()), panel + panels_of_group_);
    const std::byte* const weights = b_.weights + static_cast<std::size_t>(panel) * bytes_;
    const std::int64_t size = tiles.rows * at_once_ * kRowsOfPanel;
    kernel_.run({.x = rounded(row),
                 .tiles = tiles,
                 .inputs = p_.inputs,
                 .first = block * kInputsOfByteBlock,
                 .count = std::min(kInputsOfByteBlock, p_.inputs - block * kInputsOfByteBlock),
                 .panels = weights,
                 .times = times_of(p_, weights),
                 .bytes_of_panel = bytes_,
                 .next = static_cast<std::size_t>(panels_of_group_) * bytes_,
                 .held = held_of(p_),
                 .prepared = place.prepared,
                 .totals = place.totals + (group - place.first_group) * size,
                 .last = block + 1 == input_blocks(),
                 .results = results_of(p_, b_, row, panel, behind)});
  }

  const PackedLinearProblem& p_;
  const PackedLinearBuffers& b_;
  const ByteKernel& kernel_;
  Queue& queue_;
  ProductRows rows_;
  std::int64_t at_once_, panels_of_group_;
  std::size_t bytes_;
  RowTiles row_blocks_;
  std::int64_t groups_, bytes_of_row_;
  Room x_;
};

// Products of few rows.
void run_few(const PackedLinearProblem& p, const PackedLinearBuffers& b, const ByteKernel& kernel,
             const NormRow& norm, Queue& queue) {
  const ProductRows rows(p, b, norm, queue);
  const RowTiles tiles{p.rows, kernel.most_rows_of_few};
  const std::int64_t row_bytes = bytes_of_row(p, kernel);
  const Room x(Room::rows, p.rows * row_bytes / 4);
  std::byte* const rounded = bytes_of(x);
  for (std::int64_t tile = 0; tile < count_of(tiles); ++tile) {
    const std::int64_t begin = begin_of(tiles, tile);
    kernel.round({.from = rows.inputs(begin, begin_of(tiles, tile + 1)),
                  .inputs = p.inputs,
                  .held = held_of(p),
                  .out = rounded + begin * row_bytes});
  }
  const std::int64_t panels = panels_of(p.results());
  const std::int64_t at_once = p.gated ? kMostPanels / 2 : kMostPanels;
  const std::size_t bytes = bytes_of_panel(p.weights, p.inputs);
  const std::int64_t work = p.rows * p.inputs * kRowsOfPanel;
  queue.run(panels, grain_of(work, kWorthAThread), [&](std::int64_t first, std::int64_t last) {
    float totals[kMostFewRows * kMostPanels * kRowsOfPanel];
    for (std::int64_t panel = first; panel < last; panel += at_once) {
      const std::byte* const weights = b.weights + static_cast<std::size_t>(panel) * bytes;
      kernel.run_few({.x = rounded,
                      .tiles = tiles,
                      .inputs = p.inputs,
                      .panels = weights,
                      .times = times_of(p, weights),
                      .bytes_of_panel = bytes,
                      .held = held_of(p),
                      .totals = totals,
                      .results = results_of(p, b, 0, panel, std::min(last, panel + at_once))});
    }
  });
}

using RunPacked = void (*)(const PackedLinearProblem&, const PackedLinearBuffers&, Queue&);

void run(const PackedLinearProblem& p, const PackedLinearBuffers& b, const ByteKernel& kernel,
         const NormRow& norm, RunPacked run_others, Queue& queue) {
  const bool bytes = p.weights == Format::w8 || p.weights == Format::w4;
  if (!bytes || p.inputs == 0) return run_others(p, b, queue);
  if (p.rows == 0 || p.outputs == 0) return;
  if (p.rows <= kernel.few_rows) return run_few(p, b, kernel, norm, queue);
  ByteProducts(p, b, kernel, norm, queue).run();
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void packed_linear_bytes_avx512_vnni(const PackedLinearProblem& problem,
                                     const PackedLinearBuffers& buffers, Queue& queue) {
  run(problem, buffers, byte_kernel_avx512_vnni(), norm_row_avx512(), packed_linear_avx512, queue);
}
void packed_linear_bytes_avx_vnni(const PackedLinearProblem& problem,
                                  const PackedLinearBuffers& buffers, Queue& queue) {
  run(problem, buffers, byte_kernel_avx_vnni(), norm_row_avx2(), packed_linear_avx2, queue);
}
void packed_linear_bytes_avx2(const PackedLinearProblem& problem,
                              const PackedLinearBuffers& buffers, Queue& queue) {
  run(problem, buffers, byte_kernel_avx2(), norm_row_avx2(), packed_linear_avx2, queue);
}
#endif
void packed_linear_bytes_portable(const PackedLinearProblem& problem,
                                  const PackedLinearBuffers& buffers, Queue& queue) {
  run(problem, buffers, byte_kernel_portable(), norm_row_portable(), packed_linear_portable, queue);
}

}  // namespace instructblip::kernels::cpu
