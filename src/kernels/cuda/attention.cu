// Attention of whole sequences. A block takes 64 queries of one head, 16 for each of its warps, or
// 128 where there are blocks enough, so that a warp reads keys and values for 32 at once. It goes
// through the keys in tiles of 64: scores by mma.sync, a running maximum and sum for each query, so
// that no scores go to memory (Dao, FlashAttention-2, 2023). The next tile of keys and values is on
// its way while this one is computed.
//
// nvcc gate: mma.sync.aligned.m16n8k16 ldmatrix.sync.aligned.m8n8.x4.shared
// nvcc gate: ldmatrix.sync.aligned.m8n8.x4.trans cp.async.cg.shared.global
// nvcc gate: griddepcontrol.wait@sm_90a
#include <cmath>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/dev.h"
#include "kernels/cuda/padded_width.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kKeys = 64;  // in a tile
constexpr int kWarps = 4;
// Queries of a block; kGroups: of 16 queries, in each of its warps.
template <int kGroups>
constexpr int kQueries = 16 * kWarps* kGroups;
constexpr unsigned kThreads = 32 * kWarps;
constexpr float kLog2E = 1.4426950408889634f;

struct Arguments {
  AttentionProblem problem;
  AttentionBuffers buffers;
};

// Rows [first, first + kRows) of one head into shared memory; those from `end` on are zeros.
template <class T, int kPadded, int kRows>
__device__ void load_tile(dev::Shared<T> to, const T* rows, std::int64_t pitch, int first, int end,
                          int width) {
  constexpr int kLanes = kPadded <= 64 ? 8 : 16, kStep = kThreads / kLanes;  // rows at a time
  const int column = static_cast<int>(dev::thread()) % kLanes * 8;
  if (column >= kPadded) return;
  int row = static_cast<int>(dev::thread()) / kLanes;
  const T* piece = rows + (first + row) * pitch + column;
#pragma unroll 1
  for (; row < kRows; row += kStep, piece += kStep * pitch) {
    const bool valid = first + row < end && column < width;
    dev::copy_async(to + static_cast<unsigned>(row * kPitch<kPadded> + column),
                    valid ? piece : rows, valid);
  }
}

// 16 queries: what a warp knows of them after some of the keys. A lane has two rows, lane / 4 and
// lane / 4 + 8, in the layout of mma's sums.
template <int kPadded>
struct Running {
  float out[kPadded / 8][4];
  float max[2], sum[2];
};

// The queries of a warp, in registers where there is room for them.
template <class T, int kPadded, int kGroups>
struct Queries {
  static constexpr bool kHeld = kGroups == 1;
  dev::Shared<T> place;  // the lane's in the first group
  std::uint32_t held[kHeld ? kPadded / 16 : 1][4];

  __device__ void hold() {
    if constexpr (kHeld) {
#pragma unroll
      for (int k = 0; k < kPadded / 16; ++k) {
        dev::load_matrices(held[k], place + static_cast<unsigned>(k) * 16);
      }
    }
  }
  __device__ __forceinline__ void get(int group, int k, std::uint32_t (&to)[4]) const {
    if constexpr (kHeld) {
#pragma unroll
      for (int i = 0; i < 4; ++i) to[i] = held[k][i];
    } else {
      dev::load_matrices(to, place + static_cast<unsigned>(group * 16 * kPitch<kPadded> + k * 16));
    }
  }
};

// What a warp sees of a tile.
struct View {
  int first_query;  // its position among the keys
  int first_key, keys;
  int blocks;    // of 16 keys, that one of its queries sees
  bool partial;  // not all of its queries see all of the tile
};

// scores [16 of each group, 64] of a warp's queries and a tile of keys.
template <class T, int kPadded, int kGroups, bool kWhole>
__device__ __forceinline__ void score_blocks(const Queries<T, kPadded, kGroups>& queries,
                                             dev::Shared<T> keys, int blocks,
                                             float (&scores)[kGroups][kKeys / 8][4]) {
  const unsigned lane = dev::lane();
  const unsigned place = (lane % 8 + lane / 16 * 8) * kPitch<kPadded> + lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < kPadded / 16; ++k) {
    std::uint32_t a[kGroups][4];
#pragma unroll
    for (int g = 0; g < kGroups; ++g) queries.get(g, k, a[g]);
#pragma unroll
    for (int n = 0; n < kKeys / 8; n += 2) {
      if (!kWhole && n / 2 >= blocks) break;
      std::uint32_t b[4];
      dev::load_matrices(b,
                         keys + (place + static_cast<unsigned>(n * 8 * kPitch<kPadded> + k * 16)));
#pragma unroll
      for (int g = 0; g < kGroups; ++g) {
        dev::multiply<T>(scores[g][n], a[g], b[0], b[1]);
        dev::multiply<T>(scores[g][n + 1], a[g], b[2], b[3]);
      }
    }
  }
}

template <class T, int kPadded, int kGroups>
__device__ __forceinline__ void score(const Queries<T, kPadded, kGroups>& queries,
                                      dev::Shared<T> keys, int blocks,
                                      float (&scores)[kGroups][kKeys / 8][4]) {
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[g][n][i] = 0.0f;
    }
  }
  if (blocks == kKeys / 16) {
    score_blocks<T, kPadded, kGroups, true>(queries, keys, blocks, scores);
  } else {
    score_blocks<T, kPadded, kGroups, false>(queries, keys, blocks, scores);
  }
}

// What turns products into exponents of two, and hides keys.
struct Rule {
  float scale;  // log2(e) / divisor; with a bias 1, when it has been added
  float scale_before_bias;
  bool causal;
  int max_distance;         // with a bias
  dev::Shared<float> bias;  // that of this head
  bool has_bias;
};

__device__ __forceinline__ float with_bias(const Rule& rule, float product, int distance) {
  distance = distance < -rule.max_distance ? -rule.max_distance : distance;
  distance = distance > rule.max_distance ? rule.max_distance : distance;
  return product * rule.scale_before_bias +
         rule.bias.load(static_cast<unsigned>(distance + rule.max_distance)) * kLog2E;
}

// The bias of scores of 16 queries, and minus infinity where a query does not see a key.
__device__ __forceinline__ void hide(const Rule& rule, const View& view, int group,
                                     float (&scores)[kKeys / 8][4]) {
  if (!view.partial && !rule.has_bias) return;
  const int lane = static_cast<int>(dev::lane());
#pragma unroll
  for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = view.first_key + n * 8 + lane % 4 * 2 + i % 2;
      const int query = view.first_query + group * 16 + lane / 4 + i / 2 * 8;
      if (rule.has_bias) scores[n][i] = with_bias(rule, scores[n][i], key - query);
      if (key >= view.keys || (rule.causal && key > query)) scores[n][i] = -INFINITY;
    }
  }
}

// Scores become weights under the maximum so far; what was summed under an earlier one is rescaled.
template <int kPadded>
__device__ __forceinline__ void weigh(const Rule& rule, float (&scores)[kKeys / 8][4],
                                      Running<kPadded>& running) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float max = running.max[h];
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
      max = fmaxf(max, fmaxf(scores[n][2 * h], scores[n][2 * h + 1]));
    }
    max = fmaxf(max, dev::shuffle_xor(max, 1));
    max = fmaxf(max, dev::shuffle_xor(max, 2));
    const float base = max == -INFINITY ? 0.0f : max;  // nothing seen yet
    const float rescale = dev::power_of_two((running.max[h] - base) * rule.scale);
    running.max[h] = max;
    running.sum[h] *= rescale;
#pragma unroll
    for (int n = 0; n < kPadded / 8; ++n) {
      running.out[n][2 * h] *= rescale;
      running.out[n][2 * h + 1] *= rescale;
    }
    const float scaled = base * rule.scale;
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 2 * h; i < 2 * h + 2; ++i) {
        scores[n][i] = dev::power_of_two(scores[n][i] * rule.scale - scaled);
        running.sum[h] += scores[n][i];
      }
    }
  }
}

// Weights [16 of each group, 64] times values.
template <class T, int kPadded, int kGroups>
__device__ __forceinline__ void sum_values(const float (&weights)[kGroups][kKeys / 8][4],
                                           dev::Shared<T> values, int blocks,
                                           Running<kPadded> (&running)[kGroups]) {
  const unsigned lane = dev::lane();
  const unsigned place = lane % 16 * kPitch<kPadded> + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < kKeys / 16; ++k) {
    if (k >= blocks) break;
    std::uint32_t a[kGroups][4];
#pragma unroll
    for (int g = 0; g < kGroups; ++g) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float(&two)[4] = weights[g][2 * k + i / 2];
        a[g][i] = dev::narrow_two<T>(two[i % 2 * 2], two[i % 2 * 2 + 1]);
      }
    }
#pragma unroll
    for (int n = 0; n < kPadded / 8; n += 2) {
      std::uint32_t b[4];
      dev::load_matrices_transposed(
          b, values + (place + static_cast<unsigned>(k * 16 * kPitch<kPadded> + n * 8)));
#pragma unroll
      for (int g = 0; g < kGroups; ++g) {
        dev::multiply<T>(running[g].out[n], a[g], b[0], b[1]);
        dev::multiply<T>(running[g].out[n + 1], a[g], b[2], b[3]);
      }
    }
  }
}

// 16 rows, through the place of their queries, so that rows go out in 16 bytes.
template <class T, int kPadded>
__device__ void store(Running<kPadded>& running, dev::Shared<T> rows, T* out, std::int64_t pitch,
                      int count, int width) {
  const unsigned lane = dev::lane();
  dev::sync_warp();  // all lanes have read the queries
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float sum = running.sum[h];
    sum += dev::shuffle_xor(sum, 1);
    sum += dev::shuffle_xor(sum, 2);
    const float scale = sum > 0.0f ? 1.0f / sum : 0.0f;  // who sees nothing gets zeros
#pragma unroll
    for (int n = 0; n < kPadded / 8; ++n) {
      const std::uint32_t two =
          dev::narrow_two<T>(running.out[n][2 * h] * scale, running.out[n][2 * h + 1] * scale);
      const unsigned at = (lane / 4 + static_cast<unsigned>(h) * 8) * kPitch<kPadded> +
                          static_cast<unsigned>(n) * 8 + lane % 4 * 2;
      (rows + at).template as<std::uint32_t>().store(0, two);
    }
  }
  dev::sync_warp();
  const int pieces = width / 8;
  for (int i = static_cast<int>(lane); i < 16 * pieces; i += 32) {
    const int row = i / pieces, column = i % pieces * 8;
    if (row >= count) break;
    const auto piece = (rows + static_cast<unsigned>(row * kPitch<kPadded> + column))
                           .template as<dev::Words4>()
                           .load();
    dev::store_global(out + row * pitch + column, piece);
  }
}

// What a block computes: some queries of one head of one sequence.
template <class T>
struct Part {
  const T *q, *k, *v;
  T* out;
  int first, queries, keys;  // `first` of all queries of the sequence
  int head;

  __device__ Part(const Arguments& a, int first_query) : first(first_query) {
    const AttentionProblem& p = a.problem;
    const AttentionBuffers& b = a.buffers;
    head = static_cast<int>(dev::block_y());
    const int key_head = head / (p.query_heads / p.key_heads);
    const std::int64_t query_row = b.query_offsets[dev::block_z()];
    const std::int64_t key_row = b.key_offsets[dev::block_z()];
    queries = static_cast<int>(b.query_offsets[dev::block_z() + 1] - query_row);
    keys = static_cast<int>(b.key_offsets[dev::block_z() + 1] - key_row);
    q = static_cast<const T*>(b.queries) + query_row * b.query_pitch + head * p.width;
    k = static_cast<const T*>(b.keys) + key_row * b.key_pitch + key_head * p.width;
    v = static_cast<const T*>(b.values) + key_row * b.value_pitch + key_head * p.width;
    out = static_cast<T*>(b.out) + (query_row + first) * b.out_pitch + head * p.width;
  }
};

// What the `rows` queries from `first` on see of a tile, in blocks of 16 keys.
template <class T>
__device__ __forceinline__ View view_of(const Part<T>& part, const Rule& rule, int first, int rows,
                                        int tile) {
  View view{first + part.keys - part.queries, tile, part.keys, 0, false};
  int last = part.queries - first < rows ? part.queries - first : rows;  // of the queries that are
  if (last <= 0) return view;
  const int seen = view.first_query + last;  // by the last one, where it is causal
  const int end = rule.causal && seen < part.keys ? seen : part.keys;
  if (end <= tile) return view;
  view.blocks = end - tile < kKeys ? (end - tile + 15) / 16 : kKeys / 16;
  view.partial = tile + kKeys > part.keys || (rule.causal && tile + kKeys > view.first_query + 1);
  return view;
}

template <class T, int kPadded, int kGroups>
__global__ void __launch_bounds__(kThreads, 2) attention_kernel(Arguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const AttentionProblem& p = a.problem;
  const AttentionBuffers& b = a.buffers;
  constexpr int kAll = kQueries<kGroups>;
  const Part<T> part(a, static_cast<int>(dev::block_x()) * kAll);
  if (part.first >= part.queries) return;
  constexpr unsigned kTile = kKeys * kPitch<kPadded>;
  const auto query_tile = dev::shared_memory<T>();
  const auto tiles = query_tile + kAll * kPitch<kPadded>;  // keys and values, twice

  const bool has_bias = b.bias != nullptr;
  const Rule rule{.scale = has_bias ? 1.0f : kLog2E / p.divisor,
                  .scale_before_bias = kLog2E / p.divisor,
                  .causal = p.causal,
                  .max_distance = p.max_distance,
                  .bias = (tiles + 4 * kTile).template as<float>(),
                  .has_bias = has_bias};
  if (has_bias) {
    const int count = 2 * p.max_distance + 1;
    for (int i = static_cast<int>(dev::thread()); i < count; i += kThreads) {
      rule.bias.store(static_cast<unsigned>(i), b.bias[part.head * count + i]);
    }
  }
  // Keys behind the last query of the block are seen by none.
  int end = part.keys;
  const int seen = part.first + kAll + part.keys - part.queries;
  if (p.causal && seen < end) end = seen;

  const auto load_keys_and_values = [&](int tile, unsigned buffer) {
    const auto to = tiles + buffer * 2 * kTile;
    load_tile<T, kPadded, kKeys>(to, part.k, b.key_pitch, tile, part.keys, p.width);
    load_tile<T, kPadded, kKeys>(to + kTile, part.v, b.value_pitch, tile, part.keys, p.width);
    dev::commit_copies();
  };
  load_tile<T, kPadded, kAll>(query_tile, part.q, b.query_pitch, part.first, part.queries, p.width);
  load_keys_and_values(0, 0);
  dev::wait_for_copies<0>();
  dev::sync_threads();

  const unsigned lane = dev::lane();
  const int own = static_cast<int>(dev::warp()) * 16 * kGroups;
  const auto own_rows = query_tile + static_cast<unsigned>(own * kPitch<kPadded>);
  Queries<T, kPadded, kGroups> queries;
  queries.place = own_rows + (lane % 16 * kPitch<kPadded> + lane / 16 * 8);
  queries.hold();
  Running<kPadded> running[kGroups] = {};
#pragma unroll
  for (int g = 0; g < kGroups; ++g) running[g].max[0] = running[g].max[1] = -INFINITY;
  unsigned buffer = 0;
  for (int tile = 0; tile < end; tile += kKeys, buffer ^= 1) {
    if (tile + kKeys < end) load_keys_and_values(tile + kKeys, buffer ^ 1);
    const View view = view_of(part, rule, part.first + own, 16 * kGroups, tile);
    if (view.blocks > 0) {
      const auto keys = tiles + buffer * 2 * kTile;
      float scores[kGroups][kKeys / 8][4];
      score<T, kPadded, kGroups>(queries, keys, view.blocks, scores);
#pragma unroll
      for (int g = 0; g < kGroups; ++g) {
        hide(rule, view, g, scores[g]);
        weigh<kPadded>(rule, scores[g], running[g]);
      }
      sum_values<T, kPadded, kGroups>(scores, keys + kTile, view.blocks, running);
    }
    dev::wait_for_copies<0>();
    dev::sync_threads();  // the next tile is there, and this one has been read
  }
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
    const int at = own + g * 16;
    store<T, kPadded>(running[g], own_rows + static_cast<unsigned>(g * 16 * kPitch<kPadded>),
                      part.out + at * b.out_pitch, b.out_pitch, part.queries - part.first - at,
                      p.width);
  }
}

template <class T, int kPadded, int kGroups>
int launch_groups(const Arguments& arguments, dev::LaunchConfig config) {
  const AttentionProblem& p = arguments.problem;
  constexpr int kAll = kQueries<kGroups>;
  config.blocks = {static_cast<unsigned>((p.max_queries + kAll - 1) / kAll),
                   static_cast<unsigned>(p.query_heads), static_cast<unsigned>(p.sequences)};
  config.threads = kThreads;
  config.shared_bytes = (kAll + 4 * kKeys) * kPitch<kPadded> * sizeof(T);
  if (arguments.buffers.bias != nullptr) {
    config.shared_bytes += static_cast<std::size_t>(2 * p.max_distance + 1) * sizeof(float);
  }
  return dev::launch(config, attention_kernel<T, kPadded, kGroups>, arguments);
}

// Two groups a warp where they fill the device twice, and registers hold what is summed.
template <class T, int kPadded>
int launch_padded(const Arguments& arguments, const dev::LaunchConfig& config) {
  if constexpr (kPadded <= 96) {
    const AttentionProblem& p = arguments.problem;
    const int parts = (p.max_queries + kQueries<2> - 1) / kQueries<2>;
    const std::int64_t blocks = std::int64_t{parts} * p.query_heads * p.sequences;
    if (p.max_queries > kQueries<1> && blocks >= std::int64_t{2} * p.processors) {
      return launch_groups<T, kPadded, 2>(arguments, config);
    }
  }
  return launch_groups<T, kPadded, 1>(arguments, config);
}

template <class T>
int launch_element(const Arguments& arguments, const dev::LaunchConfig& config) {
  return with_padded_width(arguments.problem.width, [&](auto padded) {
    return launch_padded<T, padded.value>(arguments, config);
  });
}

}  // namespace

const char* attention_refuses(const AttentionProblem& p, const AttentionBuffers& b) {
  if (p.width < 8 || p.width > 128 || p.width % 8 != 0) {
    return "heads are 8 to 128 wide, in steps of 8";
  }
  if (p.key_heads < 1 || p.query_heads % p.key_heads != 0) {
    return "query heads are a multiple of key heads";
  }
  if ((b.query_pitch | b.key_pitch | b.value_pitch | b.out_pitch) % 8 != 0) {
    return "rows begin at multiples of 16 bytes";
  }
  if (p.query_heads > 65535 || p.sequences > 65535) return "a grid has at most 65535 blocks a side";
  if (b.bias != nullptr && (p.max_distance < 0 || p.max_distance > 4096)) {
    return "the bias has at most 4096 distances to each side";
  }
  return nullptr;
}

int attend(const AttentionProblem& problem, const AttentionBuffers& buffers, void* stream,
           bool overlaps_previous) {
  if (problem.sequences == 0 || problem.max_queries == 0) return 0;
  const Arguments arguments{problem, buffers};
  dev::LaunchConfig config;
  config.stream = stream;
  config.overlaps_previous = overlaps_previous;
  return problem.element == Element::f16 ? launch_element<dev::Half>(arguments, config)
                                         : launch_element<dev::Bfloat>(arguments, config);
}

}  // namespace instructblip::kernels::cuda
