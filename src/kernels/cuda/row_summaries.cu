// Rows of logits in short. A block takes 4096 logits of a row: their maximum, the sum of their
// exponentials, and the best of them by keys that hold the logit in an order of integers, then the
// token. The last block of a row merges what all found, always in one order.
//
// nvcc gate: shfl.sync atom.global.add griddepcontrol.wait@sm_90a
#include <cmath>
#include <cstdint>

#include "kernels/cuda/dev.h"
#include "kernels/cuda/last_block.h"
#include "kernels/cuda/pieces.h"
#include "kernels/cuda/ranking.h"
#include "kernels/cuda/row_summaries.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kEach = 16, kMaxTop = 64;
constexpr int kPart = kEach * static_cast<int>(kRankingThreads);  // logits of a block

struct Arguments {
  RowSummaryProblem problem;
  RowSummaryBuffers buffers;
  std::int32_t parts;
};

// What a block finds, in words: its maximum, its sum, its first token that is not finite, its keys.
constexpr int kMaxWord = 0, kSumWord = 1, kNotFiniteWord = 2, kKeysWord = 3;
__host__ __device__ constexpr int words_of_part(int top) { return kKeysWord + 2 * top; }

__device__ __forceinline__ std::uint32_t* part_at(const Arguments& a, int row, int part) {
  return a.buffers.workspace +
         (static_cast<std::int64_t>(row) * a.parts + part) * words_of_part(a.problem.top);
}

struct SharedParts {
  dev::Shared<dev::Words2> exchange;      // [2][kRankingWarps]
  dev::Shared<std::uint32_t> reductions;  // [3][kRankingWarps]
  dev::Shared<std::uint32_t> told;
  dev::Shared<dev::Half> named;  // [kPart], whether a token is: bits 1
};
constexpr std::size_t kSharedBytes = 2 * kRankingWarps * 8 + 3 * kRankingWarps * 4 + 16 + kPart * 2;

__device__ inline SharedParts shared_parts() {
  SharedParts s;
  s.exchange = dev::shared_memory<dev::Words2>();
  s.reductions = (s.exchange + 2 * kRankingWarps).template as<std::uint32_t>();
  s.told = s.reductions + 3 * kRankingWarps;
  s.named = (s.told + 4).template as<dev::Half>();
  return s;
}

// Combines a word of each thread in a fixed order, the result in all threads. `place` [warps] is
// not written by another call.
template <class Combine>
__device__ inline float over_block(float value, dev::Shared<std::uint32_t> place, Combine combine) {
#pragma unroll
  for (unsigned by = 16; by > 0; by /= 2) value = combine(value, dev::shuffle_xor(value, by));
  if (dev::lane() == 0) place.store(dev::warp(), dev::bits_of(value));
  dev::sync_threads();
  value = dev::from_bits(place.load(0));
  for (unsigned w = 1; w < kRankingWarps; ++w)
    value = combine(value, dev::from_bits(place.load(w)));
  return value;
}

// The named tokens of a part are marked, and their logits put down.
__device__ inline void mark_named(const Arguments& a, const SharedParts& s, int row, int first) {
  const RowSummaryBuffers& b = a.buffers;
  for (int i = static_cast<int>(dev::thread()); i < kPart; i += kRankingThreads) {
    s.named.store(static_cast<unsigned>(i), {0});
  }
  dev::sync_threads();
  if (b.named_offsets == nullptr) return;
  const int end = b.named_offsets[row + 1];
  for (int i = b.named_offsets[row] + static_cast<int>(dev::thread()); i < end;
       i += kRankingThreads) {
    const std::int32_t token = b.named_tokens[i];
    if (token < first || token >= first + kPart) continue;
    s.named.store(static_cast<unsigned>(token - first), {1});
    if (b.named_logits != nullptr) {
      b.named_logits[i] = b.logits[static_cast<std::int64_t>(row) * a.problem.vocabulary + token];
    }
  }
  dev::sync_threads();
}

__device__ inline void summarize_part(const Arguments& a, const SharedParts& s, int row, int part) {
  const RowSummaryProblem& p = a.problem;
  const int first = part * kPart;
  const float* logits = a.buffers.logits + static_cast<std::int64_t>(row) * p.vocabulary;
  mark_named(a, s, row, first);
  float x[kEach];
  Key keys[kEach];
  float max = -INFINITY, not_finite = static_cast<float>(kPart);
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int within = static_cast<int>(dev::thread()) + i * static_cast<int>(kRankingThreads);
    const int token = first + within;
    x[i] = -INFINITY;
    keys[i] = {0, 0};
    if (token >= p.vocabulary) continue;
    x[i] = logits[token];
    if ((dev::bits_of(x[i]) & 0x7f800000u) == 0x7f800000u) {
      not_finite = fminf(not_finite, static_cast<float>(within));
      continue;
    }
    max = fmaxf(max, x[i]);
    if (s.named.load(static_cast<unsigned>(within)).bits == 0) keys[i] = Key::of(x[i], token);
  }
  max = over_block(max, s.reductions, [](float m, float n) { return fmaxf(m, n); });
  not_finite = over_block(not_finite, s.reductions + kRankingWarps,
                          [](float m, float n) { return fminf(m, n); });
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < kEach; ++i) sum += dev::exponential(x[i] - max);
  sum = over_block(sum, s.reductions + 2 * kRankingWarps, [](float m, float n) { return m + n; });
  std::uint32_t* to = part_at(a, row, part);
  if (dev::thread() == 0) {
    to[kMaxWord] = dev::bits_of(max);
    to[kSumWord] = dev::bits_of(sum);
    to[kNotFiniteWord] = static_cast<std::uint32_t>(static_cast<int>(not_finite));
  }
  take_first(keys, p.top, s.exchange, [&](int i, const Key& key) {
    if (dev::thread() != 0) return;
    to[kKeysWord + 2 * i] = key.value;
    to[kKeysWord + 2 * i + 1] = key.place;
  });
}

// By the first warp: each lane takes its share of the parts, and the lanes are put together in one
// order.
__device__ inline void merge_sums(const Arguments& a, int row) {
  const int lane = static_cast<int>(dev::lane());
  float max = -INFINITY, sum = 0.0f;
  std::int32_t not_finite = INT32_MAX;
  for (int part = lane; part < a.parts; part += 32) {
    const std::uint32_t* from = part_at(a, row, part);
    max = fmaxf(max, dev::from_bits(dev::load_coherent(from + kMaxWord)));
    const auto found = static_cast<std::int32_t>(dev::load_coherent(from + kNotFiniteWord));
    if (found < kPart && not_finite == INT32_MAX) not_finite = part * kPart + found;
  }
#pragma unroll
  for (unsigned by = 16; by > 0; by /= 2) {
    max = fmaxf(max, dev::shuffle_xor(max, by));
    const std::int32_t other = dev::shuffle_xor(not_finite, by);
    if (other < not_finite) not_finite = other;
  }
  for (int part = lane; part < a.parts; part += 32) {
    const std::uint32_t* from = part_at(a, row, part);
    sum += dev::from_bits(dev::load_coherent(from + kSumWord)) *
           dev::exponential(dev::from_bits(dev::load_coherent(from + kMaxWord)) - max);
  }
#pragma unroll
  for (unsigned by = 16; by > 0; by /= 2) sum += dev::shuffle_xor(sum, by);
  if (lane != 0) return;
  a.buffers.max[row] = max;
  a.buffers.log_sum[row] = dev::logarithm(sum);
  a.buffers.not_finite[row] = not_finite == INT32_MAX ? -1 : not_finite;
}

// The best of the best of all parts, `kEach` for each thread at a time.
__device__ inline void merge_best(const Arguments& a, const SharedParts& s, int row) {
  const int top = a.problem.top, count = a.parts * top;
  Key keys[kEach];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int n = static_cast<int>(dev::thread()) + i * static_cast<int>(kRankingThreads);
    keys[i] = {0, 0};
    if (n >= count) continue;
    const std::uint32_t* from = part_at(a, row, n / top) + kKeysWord + n % top * 2;
    keys[i] = {dev::load_coherent(from), dev::load_coherent(from + 1)};
  }
  take_first(keys, top, s.exchange, [&](int i, const Key& key) {
    if (dev::thread() != 0) return;
    a.buffers.best_logits[row * top + i] = key.nothing() ? -INFINITY : key.number();
    a.buffers.best_tokens[row * top + i] = key.nothing() ? -1 : key.at();
  });
}

__global__ void __launch_bounds__(kRankingThreads) row_summary_kernel(Arguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const int part = static_cast<int>(dev::block_x()), row = static_cast<int>(dev::block_y());
  const SharedParts s = shared_parts();
  summarize_part(a, s, row, part);
  if (!is_last(a.buffers.counters + row, static_cast<unsigned>(a.parts), s.told)) return;
  if (dev::warp() == 0) merge_sums(a, row);
  merge_best(a, s, row);
}

std::int32_t parts_of(const RowSummaryProblem& p) { return (p.vocabulary + kPart - 1) / kPart; }

}  // namespace

std::size_t row_summary_workspace(const RowSummaryProblem& p) {
  return static_cast<std::size_t>(p.rows) * static_cast<std::size_t>(parts_of(p)) *
         static_cast<std::size_t>(words_of_part(p.top));
}

const char* row_summaries_refuse(const RowSummaryProblem& p) {
  if (p.vocabulary < 1) return "a row has at least one logit";
  if (p.top < 0 || p.top > kMaxTop) return "at most the 64 best are found";
  if (parts_of(p) * p.top > kPart) return "the rows are too long for so many of the best";
  if (p.rows > 65535) return "a grid has at most 65535 blocks a side";
  return nullptr;
}

int summarize_rows(const RowSummaryProblem& problem, const RowSummaryBuffers& buffers, void* stream,
                   bool overlaps_previous) {
  if (problem.rows == 0) return 0;
  const Arguments arguments{problem, buffers, parts_of(problem)};
  dev::LaunchConfig config;
  config.blocks = {static_cast<unsigned>(arguments.parts), static_cast<unsigned>(problem.rows)};
  config.threads = kRankingThreads;
  config.shared_bytes = kSharedBytes;
  config.stream = stream;
  config.overlaps_previous = overlaps_previous;
  return dev::launch(config, row_summary_kernel, arguments);
}

}  // namespace instructblip::kernels::cuda
