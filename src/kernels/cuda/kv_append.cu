// Keys and values of new positions to their pages. Each thread moves 16 bytes of one head, or twice
// that where dimensions j and j + width / 2 are turned as a pair (Su et al., RoFormer, 2021), in
// float32.
//
// nvcc gate: ld.global.v4 st.global.v4 griddepcontrol.wait@sm_90a
#include "kernels/cuda/dev.h"
#include "kernels/cuda/kv_append.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr unsigned kThreads = 128;

struct Arguments {
  KvAppendProblem problem;
  KvAppendBuffers buffers;
};

// Two pieces of eight, the lower and the upper dimensions of the same planes.
template <class T>
__device__ void turn(dev::Words4& low, dev::Words4& high, const float* cosines,
                     const float* sines) {
  std::uint32_t* const x[4] = {&low.x, &low.y, &low.z, &low.w};
  std::uint32_t* const y[4] = {&high.x, &high.y, &high.z, &high.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const dev::Float2 a = dev::widen_two<T>(*x[i]), b = dev::widen_two<T>(*y[i]);
    const float c0 = cosines[2 * i], c1 = cosines[2 * i + 1];
    const float s0 = sines[2 * i], s1 = sines[2 * i + 1];
    *x[i] = dev::narrow_two<T>(a.x * c0 - b.x * s0, a.y * c1 - b.y * s1);
    *y[i] = dev::narrow_two<T>(b.x * c0 + a.x * s0, b.y * c1 + a.y * s1);
  }
}

// Where a head of a position goes; heads are numbered as they lie: queries, keys, values.
template <class T>
__device__ T* target(const Arguments& a, int position, int head) {
  const KvAppendProblem& p = a.problem;
  if (head < p.query_heads) {
    return static_cast<T*>(a.buffers.queries) +
           (static_cast<std::int64_t>(position) * p.query_heads + head) * p.width;
  }
  const int slot = a.buffers.slots[position], page = slot / p.page_positions;
  const bool key = head < p.query_heads + p.key_heads;
  void* const* pages = key ? a.buffers.pages_of_keys : a.buffers.pages_of_values;
  const int key_head = head - p.query_heads - (key ? 0 : p.key_heads);
  return static_cast<T*>(pages[page]) +
         (static_cast<std::int64_t>(key_head) * p.page_positions + slot % p.page_positions) *
             p.width;
}

// Where a key that is turned goes besides; null: nowhere.
template <class T>
__device__ T* key_beside(const Arguments& a, int position, int head) {
  const KvAppendProblem& p = a.problem;
  const int key = head - p.query_heads;
  if (a.buffers.keys == nullptr || key < 0 || key >= p.key_heads) return nullptr;
  return static_cast<T*>(a.buffers.keys) +
         (static_cast<std::int64_t>(position) * p.key_heads + key) * p.width;
}

// A block takes one position.
template <class T, bool kTurned>
__global__ void __launch_bounds__(kThreads) kv_append_kernel(Arguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const KvAppendProblem& p = a.problem;
  const int position = static_cast<int>(dev::block_x());
  const int heads = p.query_heads + 2 * p.key_heads, half = p.width / 2;
  const int pieces = (kTurned ? half : p.width) / 8;
  const int first_head = kTurned ? 0 : p.query_heads;
  const T* row = static_cast<const T*>(a.buffers.heads) +
                 static_cast<std::int64_t>(position) * heads * p.width;
  const int count = (heads - first_head) * pieces;
  for (int i = static_cast<int>(dev::thread()); i < count; i += kThreads) {
    const int head = first_head + i / pieces, column = i % pieces * 8;
    const T* from = row + head * p.width + column;
    T* to = target<T>(a, position, head) + column;
    auto low = dev::load_global<dev::Words4>(from);
    if constexpr (kTurned) {
      auto high = dev::load_global<dev::Words4>(from + half);
      if (head < p.query_heads + p.key_heads) {
        const std::int64_t plane = static_cast<std::int64_t>(position) * half + column;
        turn<T>(low, high, a.buffers.cosines + plane, a.buffers.sines + plane);
      }
      dev::store_global(to + half, high);
      if (T* const beside = key_beside<T>(a, position, head); beside != nullptr) {
        dev::store_global(beside + column, low);
        dev::store_global(beside + column + half, high);
      }
    }
    dev::store_global(to, low);
  }
}

template <class T>
int launch_element(const Arguments& arguments, void* stream, bool overlaps) {
  dev::LaunchConfig config;
  config.blocks.x = static_cast<unsigned>(arguments.problem.positions);
  config.threads = kThreads;
  config.stream = stream;
  config.overlaps_previous = overlaps;
  return arguments.buffers.cosines != nullptr
             ? dev::launch(config, kv_append_kernel<T, true>, arguments)
             : dev::launch(config, kv_append_kernel<T, false>, arguments);
}

}  // namespace

const char* kv_append_refuses(const KvAppendProblem& p, bool turned) {
  if (p.width < 8 || p.width % 8 != 0) return "heads are as wide as a multiple of 8";
  if (turned && p.width % 16 != 0) return "heads that are turned are as wide as a multiple of 16";
  return nullptr;
}

int append_keys_and_values(const KvAppendProblem& problem, const KvAppendBuffers& buffers,
                           void* stream, bool overlaps_previous) {
  if (problem.positions == 0) return 0;
  const Arguments arguments{problem, buffers};
  return problem.element == Element::f16
             ? launch_element<dev::Half>(arguments, stream, overlaps_previous)
             : launch_element<dev::Bfloat>(arguments, stream, overlaps_previous);
}

}  // namespace instructblip::kernels::cuda
