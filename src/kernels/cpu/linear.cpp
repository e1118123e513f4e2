#include "kernels/cpu/linear.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/cpu/linear_block.h"
#include "kernels/cpu/room.h"

namespace instructblip::kernels::cpu {
namespace {

// Outputs that a thread takes at a time: with theirs of x they fit its second level cache.
constexpr std::int64_t kOutputsOfBlock = 16;

// Multiplications below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 16;

Storage storage_of(DType dtype) {
  if (dtype == DType::f16) return Storage::f16;
  return dtype == DType::bf16 ? Storage::bf16 : Storage::f32;
}

void add_bias(const LinearBlock& block, const float* bias) {
  for (std::int64_t row = 0; row < block.rows; ++row) {
    for (std::int64_t i = 0; i < block.outputs; ++i) block.y[row * block.stride + i] += bias[i];
  }
}

// Threads share out blocks of outputs; a block is computed for all rows.
template <RunLinearBlock run_block, Regroup regroup, Widen widen>
void run(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue) {
  const std::int64_t rows = problem.rows, inputs = problem.inputs, outputs = problem.outputs;
  const std::int64_t blocks = (outputs + kOutputsOfBlock - 1) / kOutputsOfBlock;
  const std::int64_t work = rows * inputs * kOutputsOfBlock;
  const Storage storage = storage_of(problem.weights);
  const auto element = static_cast<std::int64_t>(size_of(problem.weights));
  const bool widened_first = storage != Storage::f32 && rows > kRowsWidenedInPlace;
  const std::int64_t stride = rows > 1 ? inputs_by_sixteens(inputs) : inputs;
  const Room regrouped(Room::rows, rows > 1 ? problem.batch * rows * stride : 0);
  const std::int64_t groups = (rows + kRowsOfGroup - 1) / kRowsOfGroup;
  const std::int64_t copied = std::min(rows, kRowsOfGroup) * inputs;
  queue.run(rows > 1 ? problem.batch * groups : 0, grain_of(copied, kWorthAThread),
            [&](std::int64_t task, std::int64_t last) {
              for (; task < last; ++task) {
                const std::int64_t first = task / groups * rows + task % groups * kRowsOfGroup;
                regroup({.x = buffers.x + first * inputs,
                         .rows = std::min(kRowsOfGroup, rows - task % groups * kRowsOfGroup),
                         .inputs = inputs,
                         .tiles = regrouped.get() + first * stride});
              }
            });
  const float* const x = rows > 1 ? regrouped.get() : buffers.x;
  const auto tasks = [&](std::int64_t first, std::int64_t last) {
    std::vector<float> wide(widened_first ? static_cast<std::size_t>(kOutputsOfBlock * inputs) : 0);
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t matrix = task / blocks;
      const std::int64_t begin = task % blocks * kOutputsOfBlock;
      LinearBlock block{
          .x = x + matrix * rows * stride,
          .weights = static_cast<const std::byte*>(buffers.weights) +
                     (matrix * outputs + begin) * inputs * element,
          .storage = storage,
          .rows = rows,
          .outputs = std::min(kOutputsOfBlock, outputs - begin),
          .inputs = inputs,
          .y = buffers.y + matrix * rows * outputs + begin,
          .stride = outputs,
      };
      if (widened_first) {
        widen(block.weights, storage, block.outputs * inputs, wide.data());
        block.weights = wide.data();
        block.storage = Storage::f32;
      }
      for (std::int64_t row = 0; row < rows; row += kRowsOfGroup) {
        LinearBlock group = block;
        group.x += row * stride;
        group.y += row * outputs;
        group.rows = std::min(kRowsOfGroup, rows - row);
        run_block(group);
      }
      if (buffers.bias != nullptr) add_bias(block, buffers.bias + begin);
    }
  };
  queue.run(problem.batch * blocks, grain_of(work, kWorthAThread), tasks);
}

}  // namespace

#if INSTRUCTBLIP_KERNELS_X86
void linear_avx512(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue) {
  run<linear_block_avx512, regroup_avx512, widen_avx512>(problem, buffers, queue);
}
void linear_avx2(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue) {
  run<linear_block_avx2, regroup_avx2, widen_avx2>(problem, buffers, queue);
}
#endif
void linear_portable(const LinearProblem& problem, const LinearBuffers& buffers, Queue& queue) {
  run<linear_block_portable, regroup_portable, widen_portable>(problem, buffers, queue);
}

}  // namespace instructblip::kernels::cpu
