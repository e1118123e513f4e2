// Attention of new positions over pages, split over the keys. A block takes 64 positions of one key
// head: of those that are shared for all rows and query heads at once, 16 in a tile, so that a beam
// reads them once; or of one row's own. Each of its warps takes 16 of the positions. What blocks
// find goes to a workspace; the last block of a key head merges it, always in one order, by the
// maxima and sums (FlashDecoding; cascade attention).
//
// nvcc gate: mma.sync.aligned.m16n8k16 ldmatrix.sync.aligned.m8n8.x4.shared
// nvcc gate: ldmatrix.sync.aligned.m8n8.x4.trans cp.async.cg.shared.global
// nvcc gate: atom.global.add griddepcontrol.wait@sm_90a
#include <cmath>

#include "kernels/cuda/dev.h"
#include "kernels/cuda/last_block.h"
#include "kernels/cuda/padded_width.h"
#include "kernels/cuda/paged_attention.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kPositions = 64, kQueries = 16;  // in a tile
constexpr unsigned kThreads = 128;
constexpr float kLog2E = 1.4426950408889634f;

// How the work on one key head of one request is divided among blocks.
struct Division {
  int group;                      // query heads of a key head
  int queries;                    // rows * group
  int shared_parts, query_tiles;  // blocks of shared positions
  int tail_parts, group_tiles;    // blocks of one row's own positions
  int blocks;
};

__host__ __device__ inline Division divide(const PagedAttentionProblem& p) {
  Division d;
  d.group = p.query_heads / p.key_heads;
  d.queries = p.rows * d.group;
  d.shared_parts = (p.max_shared + kPositions - 1) / kPositions;
  d.query_tiles = (d.queries + kQueries - 1) / kQueries;
  d.tail_parts = (p.max_tail + kPositions - 1) / kPositions;
  d.group_tiles = (d.group + kQueries - 1) / kQueries;
  d.blocks = d.shared_parts * d.query_tiles + p.rows * d.tail_parts * d.group_tiles;
  return d;
}

struct Arguments {
  PagedAttentionProblem problem;
  PagedAttentionBuffers buffers;
};

// What a block computes.
struct Task {
  int request, key_head;
  int first_query, queries;   // among rows * group
  const std::int32_t* slots;  // its positions
  int first, count;           // its positions in their segment
  int listed;                 // slots there is memory for
  int shared_length, tail_length;
  int part;  // place in the workspace
  bool shared;
};

__device__ inline Task task_of(const PagedAttentionProblem& p, const PagedAttentionBuffers& b,
                               const Division& d) {
  Task t;
  t.request = static_cast<int>(dev::block_z());
  t.key_head = static_cast<int>(dev::block_y());
  int block = static_cast<int>(dev::block_x());
  t.shared = block < d.shared_parts * d.query_tiles;
  t.shared_length = b.lengths[2 * t.request];
  t.tail_length = b.lengths[2 * t.request + 1];
  if (t.shared) {
    t.part = block / d.query_tiles;
    t.first = t.part * kPositions;
    t.first_query = block % d.query_tiles * kQueries;
    t.queries = d.queries - t.first_query;
    t.slots = b.shared_slots + static_cast<std::int64_t>(t.request) * p.max_shared + t.first;
    t.listed = p.max_shared - t.first;
  } else {
    block -= d.shared_parts * d.query_tiles;
    const int row = block / (d.tail_parts * d.group_tiles),
              rest = block % (d.tail_parts * d.group_tiles);
    t.part = d.shared_parts + rest / d.group_tiles;
    t.first = rest / d.group_tiles * kPositions;
    const int first_head = rest % d.group_tiles * kQueries;
    t.first_query = row * d.group + first_head;
    t.queries = d.group - first_head;
    t.slots =
        b.tail_slots + (static_cast<std::int64_t>(t.request) * p.rows + row) * p.max_tail + t.first;
    t.listed = p.max_tail - t.first;
  }
  const int length = t.shared ? t.shared_length : t.tail_length;
  t.queries = t.queries < kQueries ? t.queries : kQueries;
  t.count = length - t.first < kPositions ? length - t.first : kPositions;
  return t;
}

// Where query q, of rows * group, of a key head lies: its row among all requests', and its head.
struct Place {
  std::int64_t row;
  int head;
};
__device__ inline Place place_of(const PagedAttentionProblem& p, const Division& d, int request,
                                 int key_head, int query) {
  return {static_cast<std::int64_t>(request) * p.rows + query / d.group,
          key_head * d.group + query % d.group};
}

template <class T, int kPadded>
__device__ void load_queries(dev::Shared<T> to, const Arguments& a, const Division& d,
                             const Task& task) {
  const PagedAttentionProblem& p = a.problem;
  constexpr int kPieces = kPadded / 8;
  const T* from = static_cast<const T*>(a.buffers.queries);
  for (int i = static_cast<int>(dev::thread()); i < kQueries * kPieces; i += kThreads) {
    const int row = i / kPieces, column = i % kPieces * 8;
    const bool valid = row < task.queries && column < p.width;
    const T* piece = from;
    if (valid) {
      const Place at = place_of(p, d, task.request, task.key_head, task.first_query + row);
      piece = from + (at.row * p.query_heads + at.head) * p.width + column;
    }
    dev::copy_async(to + static_cast<unsigned>(row * kPitch<kPadded> + column), piece, valid);
  }
}

// Where a thread finds its 16 bytes of some of a block's positions. All slots are read at once, and
// then all pages are: each is a way to memory and back.
template <class T, int kPadded>
struct Positions {
  static constexpr int kLanes = kPadded <= 64 ? 8 : 16, kStep = kThreads / kLanes;
  static constexpr int kCount = kPositions / kStep;
  int row, column;
  int page[kCount], within[kCount];  // elements

  __device__ Positions(const PagedAttentionProblem& p, const Task& task)
      : row(static_cast<int>(dev::thread()) / kLanes),
        column(static_cast<int>(dev::thread()) % kLanes * 8) {
    int slots[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      slots[i] = row + i * kStep < task.listed ? task.slots[row + i * kStep] : 0;
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      page[i] = slots[i] / p.page_positions;
      within[i] =
          (task.key_head * p.page_positions + slots[i] - page[i] * p.page_positions) * p.width +
          column;
    }
  }

  __device__ void copy(dev::Shared<T> to, const void* const* pages, const void* anything, int count,
                       int width) const {
    const void* pieces[kCount];
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const bool valid = row + i * kStep < count && column < width;
      pieces[i] = valid ? static_cast<const T*>(pages[page[i]]) + within[i] : nullptr;
    }
    if (column >= kPadded) return;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const bool valid = pieces[i] != nullptr;
      dev::copy_async(to + static_cast<unsigned>((row + i * kStep) * kPitch<kPadded> + column),
                      valid ? pieces[i] : anything, valid);
    }
  }
};

// Scores of 16 queries and a warp's 16 positions as exponents of two; hidden ones are -infinity.
template <class T, int kPadded>
__device__ void score(const Arguments& a, const Division& d, const Task& task,
                      dev::Shared<T> queries, dev::Shared<T> keys, float (&scores)[2][4]) {
  const unsigned lane = dev::lane(), first = dev::warp() * 16;
#pragma unroll
  for (int i = 0; i < 4; ++i) scores[0][i] = scores[1][i] = 0.0f;
#pragma unroll
  for (int k = 0; k < kPadded / 16; ++k) {
    std::uint32_t left[4], right[4];
    dev::load_matrices(left, queries + (lane % 16 * kPitch<kPadded> + lane / 16 * 8 +
                                        static_cast<unsigned>(k) * 16));
    dev::load_matrices(right, keys + ((first + lane % 8 + lane / 16 * 8) * kPitch<kPadded> +
                                      lane / 8 % 2 * 8 + static_cast<unsigned>(k) * 16));
    dev::multiply<T>(scores[0], left, right[0], right[1]);
    dev::multiply<T>(scores[1], left, right[2], right[3]);
  }
  const PagedAttentionProblem& p = a.problem;
  const PagedAttentionBuffers& b = a.buffers;
  const int tail = task.tail_length;
  const float scale = kLog2E / p.divisor;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int query = static_cast<int>(lane) / 4 + 8 * h;
    const bool real = query < task.queries;
    const Place at =
        place_of(p, d, task.request, task.key_head, task.first_query + (real ? query : 0));
    const int shared = b.shared_lengths == nullptr ? task.shared_length : b.shared_lengths[at.row];
    const int seen = task.shared
                         ? (shared - task.first < task.count ? shared - task.first : task.count)
                         : task.count;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& value = scores[i / 2][2 * h + i % 2];
      const int position = static_cast<int>(first + lane % 4 * 2) + i / 2 * 8 + i % 2;
      value = real && position < seen ? value * scale : -INFINITY;
      if (b.bias != nullptr && real && position < seen) {
        const int key = (task.shared ? 0 : shared) + task.first + position;
        const int distance = key - (shared + tail - 1);
        const int kept = distance < -p.max_distance  ? -p.max_distance
                         : distance > p.max_distance ? p.max_distance
                                                     : distance;
        value += b.bias[at.head * (2 * p.max_distance + 1) + kept + p.max_distance] * kLog2E;
      }
    }
  }
}

__device__ __forceinline__ float over_four(float value, bool maximum) {
  const float other = dev::shuffle_xor(value, 1);
  value = maximum ? fmaxf(value, other) : value + other;
  const float far = dev::shuffle_xor(value, 2);
  return maximum ? fmaxf(value, far) : value + far;
}

// The warps' maxima and sums, [4][16] each, and their weighted values, [4][16][kPitch], all float.
template <int kPadded>
struct Exchange {
  dev::Shared<float> maxima, sums, values;
};

template <class T, int kPadded>
__device__ void attend_warp(const Arguments& a, const Division& d, const Task& task,
                            dev::Shared<T> queries, dev::Shared<T> keys, dev::Shared<T> values,
                            const Exchange<kPadded>& exchange) {
  const unsigned lane = dev::lane(), warp = dev::warp();
  float scores[2][4], max[2];
  dev::wait_for_copies<1>();
  dev::sync_threads();
  score<T, kPadded>(a, d, task, queries, keys, scores);
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    max[h] = over_four(fmaxf(fmaxf(scores[0][2 * h], scores[0][2 * h + 1]),
                             fmaxf(scores[1][2 * h], scores[1][2 * h + 1])),
                       true);
    const float base = max[h] == -INFINITY ? 0.0f : max[h];
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& value = scores[i / 2][2 * h + i % 2];
      value = dev::power_of_two(value - base);
      sum += value;
    }
    sum = over_four(sum, false);
    if (lane % 4 == 0) {
      const unsigned at = warp * kQueries + lane / 4 + static_cast<unsigned>(h) * 8;
      exchange.maxima.store(at, max[h]);
      exchange.sums.store(at, sum);
    }
  }
  const std::uint32_t weights[4] = {dev::narrow_two<T>(scores[0][0], scores[0][1]),
                                    dev::narrow_two<T>(scores[0][2], scores[0][3]),
                                    dev::narrow_two<T>(scores[1][0], scores[1][1]),
                                    dev::narrow_two<T>(scores[1][2], scores[1][3])};
  dev::wait_for_copies<0>();
  dev::sync_threads();
  float out[kPadded / 8][4] = {};
#pragma unroll
  for (int n = 0; n < kPadded / 8; n += 2) {
    std::uint32_t right[4];
    dev::load_matrices_transposed(right, values + ((warp * 16 + lane % 16) * kPitch<kPadded> +
                                                   lane / 16 * 8 + static_cast<unsigned>(n) * 8));
    dev::multiply<T>(out[n], weights, right[0], right[1]);
    dev::multiply<T>(out[n + 1], weights, right[2], right[3]);
  }
  dev::sync_threads();  // the keys and values have been read: sums take their place
#pragma unroll
  for (int n = 0; n < kPadded / 8; ++n) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const unsigned row = warp * kQueries + lane / 4 + static_cast<unsigned>(h) * 8;
      const unsigned at = row * kPitch<kPadded> + static_cast<unsigned>(n) * 8 + lane % 4 * 2;
      (exchange.values + at)
          .template as<dev::Float2>()
          .store(0, {out[n][2 * h], out[n][2 * h + 1]});
    }
  }
}

// Where a query's part lies in the workspace: its maximum, its sum, then its values.
__device__ __forceinline__ float* part_of(const Arguments& a, const Division& d, int request,
                                          int key_head, int query, int part) {
  const std::int64_t first =
      (static_cast<std::int64_t>(request) * a.problem.key_heads + key_head) * d.queries + query;
  return a.buffers.workspace +
         (first * (d.shared_parts + d.tail_parts) + part) * (a.problem.width + 2);
}

// What the warps found for a query: the maximum, the sum and a column of weighted values.
struct Found {
  float max, sum, value;
};
template <int kPadded>
__device__ __forceinline__ Found found_by_warps(const Exchange<kPadded>& exchange, unsigned query,
                                                unsigned column) {
  Found found{-INFINITY, 0.0f, 0.0f};
#pragma unroll
  for (unsigned w = 0; w < 4; ++w) {
    found.max = fmaxf(found.max, exchange.maxima.load(w * kQueries + query));
  }
  const float base = found.max == -INFINITY ? 0.0f : found.max;
#pragma unroll
  for (unsigned w = 0; w < 4; ++w) {
    const unsigned row = w * kQueries + query;
    const float scale = dev::power_of_two(exchange.maxima.load(row) - base);
    found.sum += scale * exchange.sums.load(row);
    found.value += scale * exchange.values.load(row * kPitch<kPadded> + column);
  }
  return found;
}

template <int kPadded>
__device__ void store_part(const Arguments& a, const Division& d, const Task& task,
                           const Exchange<kPadded>& exchange) {
  const int width = a.problem.width;
  for (int i = static_cast<int>(dev::thread()); i < task.queries * width; i += kThreads) {
    const int query = i / width, column = i % width;
    const Found found = found_by_warps<kPadded>(exchange, static_cast<unsigned>(query),
                                                static_cast<unsigned>(column));
    float* part = part_of(a, d, task.request, task.key_head, task.first_query + query, task.part);
    if (column == 0) {
      part[0] = found.max;
      part[1] = found.sum;
    }
    part[2 + column] = found.value;
  }
}

// Where there is one part only: what merge() makes of it.
template <class T, int kPadded>
__device__ void store_whole(const Arguments& a, const Division& d, const Task& task,
                            const Exchange<kPadded>& exchange) {
  const PagedAttentionProblem& p = a.problem;
  for (int i = static_cast<int>(dev::thread()); i < task.queries * p.width; i += kThreads) {
    const int query = i / p.width, column = i % p.width;
    const Found found = found_by_warps<kPadded>(exchange, static_cast<unsigned>(query),
                                                static_cast<unsigned>(column));
    const float scale = found.sum > 0.0f ? 1.0f / found.sum : 0.0f;
    const Place at = place_of(p, d, task.request, task.key_head, task.first_query + query);
    static_cast<T*>(a.buffers.out)[(at.row * p.query_heads + at.head) * p.width + column] =
        dev::narrow<T>(found.value * scale);
  }
}

template <class T>
__device__ void merge(const Arguments& a, const Division& d, int request, int key_head) {
  constexpr int kAtOnce = 4;  // parts that are read together
  const PagedAttentionProblem& p = a.problem;
  const int shared = (a.buffers.lengths[2 * request] + kPositions - 1) / kPositions;
  const int tail = (a.buffers.lengths[2 * request + 1] + kPositions - 1) / kPositions;
  const int pairs = p.width / 2;
  for (int i = static_cast<int>(dev::thread()); i < d.queries * pairs; i += kThreads) {
    const int query = i / pairs, column = i % pairs * 2;
    float max = -INFINITY, sum = 0.0f, x = 0.0f, y = 0.0f;
    for (int first = 0; first < shared + tail; first += kAtOnce) {
      float own[kAtOnce], sums[kAtOnce], xs[kAtOnce], ys[kAtOnce];
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
        const int n = first + j;
        own[j] = -INFINITY;
        if (n >= shared + tail) continue;
        const int part = n < shared ? n : d.shared_parts + n - shared;
        const float* from = part_of(a, d, request, key_head, query, part);
        own[j] = dev::load_coherent(from);
        sums[j] = dev::load_coherent(from + 1);
        xs[j] = dev::load_coherent(from + 2 + column);
        ys[j] = dev::load_coherent(from + 3 + column);
      }
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
        if (own[j] == -INFINITY) continue;
        const float more = fmaxf(max, own[j]);
        const float old = dev::power_of_two(max - more), scale = dev::power_of_two(own[j] - more);
        sum = sum * old + scale * sums[j];
        x = x * old + scale * xs[j];
        y = y * old + scale * ys[j];
        max = more;
      }
    }
    const float scale = sum > 0.0f ? 1.0f / sum : 0.0f;
    const Place at = place_of(p, d, request, key_head, query);
    T* out = static_cast<T*>(a.buffers.out) + (at.row * p.query_heads + at.head) * p.width + column;
    dev::store_global(out, dev::narrow_two<T>(x * scale, y * scale));
  }
}

template <class T, int kPadded>
__global__ void __launch_bounds__(kThreads) paged_attention_kernel(Arguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const Division d = divide(a.problem);
  const Task task = task_of(a.problem, a.buffers, d);
  const auto queries = dev::shared_memory<T>();
  const auto keys = queries + kQueries * kPitch<kPadded>;
  const auto values = keys + kPositions * kPitch<kPadded>;
  Exchange<kPadded> exchange;
  exchange.values = keys.template as<float>();  // as large as both
  exchange.maxima = (values + kPositions * kPitch<kPadded>).template as<float>();
  exchange.sums = exchange.maxima + 4 * kQueries;
  const Positions<T, kPadded> positions(a.problem, task);
  if (task.count > 0) {
    const PagedAttentionBuffers& b = a.buffers;
    load_queries<T, kPadded>(queries, a, d, task);
    positions.copy(keys, b.pages_of_keys, b.queries, task.count, a.problem.width);
    dev::commit_copies();
    positions.copy(values, b.pages_of_values, b.queries, task.count, a.problem.width);
    dev::commit_copies();
    attend_warp<T, kPadded>(a, d, task, queries, keys, values, exchange);
    dev::sync_threads();
    if (d.shared_parts + d.tail_parts == 1) {
      store_whole<T, kPadded>(a, d, task, exchange);
      return;
    }
    store_part<kPadded>(a, d, task, exchange);
  }
  unsigned* counter = a.buffers.counters + task.request * a.problem.key_heads + task.key_head;
  const auto told = (exchange.sums + 4 * kQueries).template as<unsigned>();
  if (is_last(counter, static_cast<unsigned>(d.blocks), told)) {
    merge<T>(a, d, task.request, task.key_head);
  }
}

template <class T, int kPadded>
int launch_padded(const Arguments& arguments, void* stream, bool overlaps) {
  const PagedAttentionProblem& p = arguments.problem;
  dev::LaunchConfig config;
  config.blocks = {static_cast<unsigned>(divide(p).blocks), static_cast<unsigned>(p.key_heads),
                   static_cast<unsigned>(p.requests)};
  config.threads = kThreads;
  config.shared_bytes = (kQueries + 2 * kPositions) * kPitch<kPadded> * sizeof(T) +
                        2 * 4 * kQueries * sizeof(float) + sizeof(unsigned);
  config.stream = stream;
  config.overlaps_previous = overlaps;
  return dev::launch(config, paged_attention_kernel<T, kPadded>, arguments);
}

template <class T>
int launch_element(const Arguments& arguments, void* stream, bool overlaps) {
  return with_padded_width(arguments.problem.width, [&](auto padded) {
    return launch_padded<T, padded.value>(arguments, stream, overlaps);
  });
}

}  // namespace

std::size_t paged_attention_workspace(const PagedAttentionProblem& p) {
  const Division d = divide(p);
  return static_cast<std::size_t>(p.requests) * static_cast<std::size_t>(p.key_heads) *
         static_cast<std::size_t>(d.queries) *
         static_cast<std::size_t>(d.shared_parts + d.tail_parts) *
         static_cast<std::size_t>(p.width + 2);
}

const char* paged_attention_refuses(const PagedAttentionProblem& p) {
  if (p.width < 8 || p.width > 128 || p.width % 8 != 0) {
    return "heads are 8 to 128 wide, in steps of 8";
  }
  if (p.key_heads < 1 || p.query_heads % p.key_heads != 0) {
    return "query heads are a multiple of key heads";
  }
  if (p.key_heads > 65535 || p.requests > 65535) return "a grid has at most 65535 blocks a side";
  if (p.max_shared + p.max_tail < 1) return "a row sees at least one position";
  return nullptr;
}

int attend_pages(const PagedAttentionProblem& problem, const PagedAttentionBuffers& buffers,
                 void* stream, bool overlaps_previous) {
  if (problem.requests == 0 || problem.rows == 0) return 0;
  const Arguments arguments{problem, buffers};
  return problem.element == Element::f16
             ? launch_element<dev::Half>(arguments, stream, overlaps_previous)
             : launch_element<dev::Bfloat>(arguments, stream, overlaps_previous);
}

}  // namespace instructblip::kernels::cuda
