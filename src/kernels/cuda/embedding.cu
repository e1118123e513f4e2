// Rows of tables. A block takes a row, a thread 16 bytes of it at a time.
//
// nvcc gate: ld.global.v4 st.global.v4 griddepcontrol.wait@sm_90a
#include "kernels/cuda/dev.h"
#include "kernels/cuda/embedding.h"
#include "kernels/cuda/pieces.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr unsigned kThreads = 128;

struct Arguments {
  EmbeddingProblem problem;
  EmbeddingBuffers buffers;
};

template <class T>
__device__ const T* row_of_words(const Arguments& a, int row) {
  const EmbeddingBuffers& b = a.buffers;
  const std::int32_t feature = b.feature_of == nullptr ? -1 : b.feature_of[row];
  return feature >= 0 ? static_cast<const T*>(b.features) +
                            static_cast<std::int64_t>(feature) * a.problem.width
                      : static_cast<const T*>(b.words) +
                            static_cast<std::int64_t>(b.ids[row]) * a.problem.width;
}

template <class T>
__global__ void __launch_bounds__(kThreads) embedding_kernel(Arguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const EmbeddingProblem& p = a.problem;
  const EmbeddingBuffers& b = a.buffers;
  const int row = static_cast<int>(dev::block_x()), first = static_cast<int>(dev::thread());
  const std::int32_t position = b.positions == nullptr ? 0 : b.positions[row];
  const T* from = row_of_words<T>(a, row);
  T* to = static_cast<T*>(b.y) + static_cast<std::int64_t>(row) * p.width;
  for (int column = first * 8; column < p.width; column += static_cast<int>(kThreads) * 8) {
    auto piece = dev::load_global<dev::Words4>(from + column);
    if (b.position_words != nullptr) {
      const std::int64_t at = static_cast<std::int64_t>(position + p.position_offset) * p.width;
      float x[8], more[8];
      widen_eight<T>(piece, x);
      widen_eight<T>(
          dev::load_global<dev::Words4>(static_cast<const T*>(b.position_words) + at + column),
          more);
#pragma unroll
      for (int i = 0; i < 8; ++i) x[i] += more[i];
      piece = narrow_eight<T>(x);
    }
    dev::store_global(to + column, piece);
  }
  if (b.cosines == nullptr) return;
  for (int i = first; i < p.half_head; i += static_cast<int>(kThreads)) {
    const std::int64_t angle = static_cast<std::int64_t>(position) * p.half_head + i;
    const std::int64_t own = static_cast<std::int64_t>(row) * p.half_head + i;
    b.cosines_of_rows[own] = b.cosines[angle];
    b.sines_of_rows[own] = b.sines[angle];
  }
}

}  // namespace

const char* embedding_refuses(const EmbeddingProblem& p, const EmbeddingBuffers& b) {
  if (p.width < 8 || p.width % 8 != 0) return "rows are as wide as a multiple of 8";
  if (b.positions == nullptr && (b.position_words != nullptr || b.cosines != nullptr)) {
    return "tables of positions are read where there are positions";
  }
  return nullptr;
}

int embed(const EmbeddingProblem& problem, const EmbeddingBuffers& buffers, void* stream,
          bool overlaps_previous) {
  if (problem.rows == 0) return 0;
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>(problem.rows);
  config.threads = kThreads;
  config.stream = stream;
  config.overlaps_previous = overlaps_previous;
  const Arguments arguments{problem, buffers};
  return problem.element == Element::f16
             ? dev::launch(config, embedding_kernel<dev::Half>, arguments)
             : dev::launch(config, embedding_kernel<dev::Bfloat>, arguments);
}

}  // namespace instructblip::kernels::cuda
