#include "nn/fixed_order.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstring>

namespace instructblip::nn {
namespace {

// Rows of b that a thread takes at a time: with theirs of a they fit its second level cache.
constexpr std::int64_t kRowsOfB = 16;

// Multiplications below which another thread costs more than it saves.
constexpr std::int64_t kWorthAThread = 1 << 16;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // vectors are passed to inlined functions only

constexpr std::int64_t kLanes = 16;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4)));

[[gnu::always_inline]] inline Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}

// The last K % 16 elements, zeros behind them.
[[gnu::always_inline]] inline Lanes load_rest(const float* from, std::int64_t count) {
  Lanes lanes = {};
  std::memcpy(&lanes, from, static_cast<std::size_t>(count) * sizeof(float));
  return lanes;
}

[[gnu::always_inline]] inline float sum(const Lanes& lanes) {
  float parts[kLanes];
  std::memcpy(parts, &lanes, sizeof(parts));
  for (std::int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::int64_t i = 0; i < width; ++i) parts[i] += parts[i + width];
  }
  return parts[0];
}

// out[m, n] = a[m] . b[n] for M x N of them: each is the same sum, whatever M and N are.
template <int M, int N>
[[gnu::always_inline]] inline void tile(const float* a, const float* b, std::int64_t k, float* out,
                                        std::int64_t stride) {
  Lanes sums[M][N] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    for (int m = 0; m < M; ++m) {
      for (int n = 0; n < N; ++n) sums[m][n] += load(a + m * k + i) * load(b + n * k + i);
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int n = 0; n < N; ++n) {
      sums[m][n] += load_rest(a + m * k + i, k - i) * load_rest(b + n * k + i, k - i);
      out[m * stride + n] = sum(sums[m][n]);
    }
  }
}

template <int M>
[[gnu::always_inline]] inline void row_of_tiles(const float* a, const float* b, std::int64_t n,
                                                std::int64_t k, float* out, std::int64_t stride) {
  std::int64_t j = 0;
  for (; j + 2 <= n; j += 2) tile<M, 2>(a, b + j * k, k, out + j, stride);
  for (; j < n; ++j) tile<M, 1>(a, b + j * k, k, out + j, stride);
}

// a [m, k], b [n, k] -> out [m, n], whose rows are `stride` apart.
struct Block {
  const float* a;
  const float* b;
  std::int64_t m, n, k;
  float* out;
  std::int64_t stride;
};

[[gnu::always_inline]] inline void product(const Block& block) {
  const auto& [a, b, m, n, k, out, stride] = block;
  std::int64_t i = 0;
  for (; i + 3 <= m; i += 3) row_of_tiles<3>(a + i * k, b, n, k, out + i * stride, stride);
  for (; i < m; ++i) row_of_tiles<1>(a + i * k, b, n, k, out + i * stride, stride);
}

// A product and a sum are one operation wherever the processor has it; which it is depends on the
// machine alone.
#if defined(__x86_64__) && defined(__GNUC__)
[[gnu::target("avx512f")]] void product_avx512(const Block& block) { product(block); }
[[gnu::target("avx2,fma")]] void product_avx2(const Block& block) { product(block); }
#endif
void product_plain(const Block& block) { product(block); }

#pragma GCC diagnostic pop

using Product = void (*)(const Block&);

Product choose_product() {
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("avx512f")) return product_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return product_avx2;
#endif
  return product_plain;
}

}  // namespace

at::Tensor fixed_order_product(const at::Tensor& a, const at::Tensor& b) {
  static const Product run = choose_product();
  const std::int64_t m = a.size(-2), k = a.size(-1), n = b.size(-2);
  const at::Tensor left = a.contiguous();
  const at::Tensor right = b.contiguous();
  std::vector<std::int64_t> shape = a.sizes().vec();
  shape.back() = n;
  const at::Tensor out = at::empty(shape, a.options());
  const std::int64_t batch = m * k == 0 ? 0 : left.numel() / (m * k);
  const bool shared = right.dim() == 2;  // one b for all of a: a is one tall matrix
  const std::int64_t matrices = shared ? 1 : batch;
  const std::int64_t rows = shared ? batch * m : m;
  const std::int64_t blocks = (n + kRowsOfB - 1) / kRowsOfB;
  const std::int64_t work = std::max<std::int64_t>(1, rows * k * kRowsOfB);  // of a block
  const std::int64_t grain = std::max<std::int64_t>(1, kWorthAThread / work);
  at::parallel_for(0, matrices * blocks, grain, [&](std::int64_t first, std::int64_t last) {
    const c10::InferenceMode inference;  // not inherited from the calling thread
    at::Tensor wide;
    if (right.scalar_type() != at::kFloat) wide = at::empty({kRowsOfB, k}, at::dtype(at::kFloat));
    for (std::int64_t task = first; task < last; ++task) {
      const std::int64_t matrix = task / blocks;
      const std::int64_t begin = task % blocks * kRowsOfB;
      const std::int64_t count = std::min(kRowsOfB, n - begin);
      const float* rows_of_b;
      if (wide.defined()) {
        wide.narrow(0, 0, count).copy_(right.narrow(0, begin, count));  // exact
        rows_of_b = wide.const_data_ptr<float>();
      } else {
        rows_of_b = right.const_data_ptr<float>() + (matrix * n + begin) * k;
      }
      run({left.const_data_ptr<float>() + matrix * rows * k, rows_of_b, rows, count, k,
           out.mutable_data_ptr<float>() + matrix * rows * n + begin, n});
    }
  });
  return out;
}

}  // namespace instructblip::nn
