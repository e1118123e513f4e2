#include "kernels/cpu/packed_linear.h"

#include <algorithm>
#include <memory>

#include "kernels/cpu/panel_product.h"

namespace instructblip::kernels::cpu {
namespace {

// Multiplications below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 16;

// Panels that threads share out together.
constexpr std::int64_t kPanelsOfTask = 2;

// Rows up to which a weight is multiplied where it is read; behind them it is widened once, for
// several tiles of rows.
constexpr std::int64_t kFewRows = 8;

Held held_of(Format format) {
  switch (format) {
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

// Memory of floats without values.
std::unique_ptr<float[]> room(std::int64_t count) {
  return std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(count));
}

// The rows of x, regrouped into tiles; x itself where each tile is one row.
class Tiles {
 public:
  Tiles(const float* x, std::int64_t inputs, const RowTiles& tiles, Queue& queue) : x_(x) {
    if (tiles.rows == 1) return;
    own_ = room(tiles.rows * inputs);
    x_ = own_.get();
    const std::int64_t grain = std::max<std::int64_t>(1, kWorthAThread / (inputs + 1) / 4);
    queue.run(count_of(tiles), grain, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t tile = first; tile < last; ++tile) {
        const std::int64_t begin = begin_of(tiles, tile);
        const std::int64_t rows = begin_of(tiles, tile + 1) - begin;
        float* const to = own_.get() + begin * inputs;
        for (std::int64_t row = 0; row < rows; ++row) {
          const float* const from = x + (begin + row) * inputs;
          for (std::int64_t k = 0; k < inputs; ++k) to[k * rows + row] = from[k];
        }
      }
    });
  }

  const float* x() const { return x_; }

 private:
  const float* x_;
  std::unique_ptr<float[]> own_;
};

void run(const PackedLinearProblem& p, const PackedLinearBuffers& b, const PanelKernel& kernel,
         Queue& queue) {
  if (p.rows == 0 || p.outputs == 0) return;
  const bool few = p.rows <= kFewRows;
  const RowTiles tiles{p.rows, few ? kernel.most_rows_of_few : kernel.most_rows};
  const bool widened = !few && p.weights != Format::f32 && count_of(tiles) > 1;
  const std::int64_t at_once = few ? kMostPanels : kernel.panels_of_many;
  const Tiles x(b.x, p.inputs, tiles, queue);

  const std::int64_t panels = panels_of(p.outputs);
  const std::int64_t tasks = (panels + kPanelsOfTask - 1) / kPanelsOfTask;
  const std::int64_t work = p.rows * p.inputs * kRowsOfPanel * kPanelsOfTask;
  const auto grain = std::max<std::int64_t>(1, kWorthAThread / std::max<std::int64_t>(1, work));
  const std::size_t bytes = bytes_of_panel(p.weights, p.inputs);
  queue.run(tasks, grain, [&](std::int64_t first, std::int64_t last) {
    const auto totals = room(p.rows * kMostPanels * kRowsOfPanel);
    const auto wide = room(widened ? at_once * kInputsOfBlock * kRowsOfPanel : 0);
    const std::int64_t end = std::min(panels, last * kPanelsOfTask);
    for (std::int64_t panel = first * kPanelsOfTask; panel < end; panel += at_once) {
      const std::int64_t output = panel * kRowsOfPanel;
      const std::int64_t behind = std::min(end, panel + at_once) * kRowsOfPanel;
      kernel.run({.x = x.x(),
                  .tiles = tiles,
                  .inputs = p.inputs,
                  .panels = b.weights + static_cast<std::size_t>(panel) * bytes,
                  .bytes_of_panel = bytes,
                  .held = held_of(p.weights),
                  .outputs = std::min(behind, p.outputs) - output,
                  .totals = totals.get(),
                  .wide = widened ? wide.get() : nullptr,
                  .bias = b.bias == nullptr ? nullptr : b.bias + output,
                  .plus = b.plus == nullptr ? nullptr : b.plus + output,
                  .y = b.y + output,
                  .stride = p.outputs});
    }
  });
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void packed_linear_avx512(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                          Queue& queue) {
  run(problem, buffers, panel_kernel_avx512(), queue);
}
void packed_linear_avx2(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                        Queue& queue) {
  run(problem, buffers, panel_kernel_avx2(), queue);
}
#endif
void packed_linear_portable(const PackedLinearProblem& problem, const PackedLinearBuffers& buffers,
                            Queue& queue) {
  run(problem, buffers, panel_kernel_portable(), queue);
}

}  // namespace instructblip::kernels::cpu
