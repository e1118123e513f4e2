// Attention of whole sequences. A block takes 64 queries of one head, 16 for each of its warps, and
// goes through the keys in tiles of 64: scores by mma.sync, a running maximum and sum for each
// query, so that no scores go to memory (Dao, FlashAttention-2, 2023). The next tile of keys is on
// its way while the weights of this one are computed, that of values while its scores are.
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

constexpr int kQueries = 64, kKeys = 64;  // in a tile
constexpr unsigned kThreads = 128;
constexpr float kLog2E = 1.4426950408889634f;

struct Arguments {
  AttentionProblem problem;
  AttentionBuffers buffers;
};

// Rows [first, first + 64) of one head into shared memory; those from `end` on are zeros.
template <class T, int kPadded>
__device__ void load_tile(dev::Shared<T> to, const void* rows, std::int64_t pitch, int first,
                          int end, int width) {
  constexpr int kPieces = kPadded / 8;  // of 16 bytes
  const T* from = static_cast<const T*>(rows);
  for (int i = static_cast<int>(dev::thread()); i < 64 * kPieces; i += kThreads) {
    const int row = i / kPieces, column = i % kPieces * 8;
    const bool valid = first + row < end && column < width;
    const T* piece = valid ? from + (first + row) * pitch + column : from;
    dev::copy_async(to + static_cast<unsigned>(row * kPitch<kPadded> + column), piece, valid);
  }
}

// A warp's 16 queries: what it knows of them after some of the keys. A lane has two rows, lane / 4
// and lane / 4 + 8, in the layout of mma's sums.
template <int kPadded>
struct Running {
  float out[kPadded / 8][4];
  float max[2], sum[2];
};

// scores [16, 64] of a warp's queries and a tile of keys.
template <class T, int kPadded>
__device__ void score(const std::uint32_t (&queries)[kPadded / 16][4], dev::Shared<T> keys,
                      float (&scores)[kKeys / 8][4]) {
  const unsigned lane = dev::lane();
  const unsigned place = (lane % 8 + lane / 16 * 8) * kPitch<kPadded> + lane / 8 % 2 * 8;
#pragma unroll
  for (int n = 0; n < kKeys / 8; n += 2) {
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[n][i] = scores[n + 1][i] = 0.0f;
#pragma unroll
    for (int k = 0; k < kPadded / 16; ++k) {
      std::uint32_t b[4];
      dev::load_matrices(b,
                         keys + (place + static_cast<unsigned>(n * 8 * kPitch<kPadded> + k * 16)));
      dev::multiply<T>(scores[n], queries[k], b[0], b[1]);
      dev::multiply<T>(scores[n + 1], queries[k], b[2], b[3]);
    }
  }
}

// What turns products into exponents of two, and hides keys.
struct Rule {
  float scale;      // log2(e) / divisor
  int first_query;  // position of the warp's first query among the keys
  int first_key, keys;
  bool causal;
  int max_distance;         // with a bias
  dev::Shared<float> bias;  // of this head
  bool has_bias;
};

__device__ __forceinline__ float exponent(const Rule& rule, float product, int row, int column) {
  const int key = rule.first_key + column, query = rule.first_query + row;
  if (key >= rule.keys || (rule.causal && key > query)) return -INFINITY;
  float value = product * rule.scale;
  if (rule.has_bias) {
    int distance = key - query;
    distance = distance < -rule.max_distance ? -rule.max_distance : distance;
    distance = distance > rule.max_distance ? rule.max_distance : distance;
    value += rule.bias.load(static_cast<unsigned>(distance + rule.max_distance)) * kLog2E;
  }
  return value;
}

// Scores become weights under the maximum so far; what was summed under an earlier one is rescaled.
template <int kPadded>
__device__ void weigh(const Rule& rule, float (&scores)[kKeys / 8][4], Running<kPadded>& running) {
  const int lane = static_cast<int>(dev::lane());
  float max[2] = {running.max[0], running.max[1]};
#pragma unroll
  for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      scores[n][i] =
          exponent(rule, scores[n][i], lane / 4 + i / 2 * 8, n * 8 + lane % 4 * 2 + i % 2);
      max[i / 2] = fmaxf(max[i / 2], scores[n][i]);
    }
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    max[h] = fmaxf(max[h], dev::shuffle_xor(max[h], 1));
    max[h] = fmaxf(max[h], dev::shuffle_xor(max[h], 2));
    const float base = max[h] == -INFINITY ? 0.0f : max[h];  // nothing seen yet
    const float rescale = dev::power_of_two(running.max[h] - base);
    running.max[h] = max[h];
    running.sum[h] *= rescale;
#pragma unroll
    for (int n = 0; n < kPadded / 8; ++n) {
      running.out[n][2 * h] *= rescale;
      running.out[n][2 * h + 1] *= rescale;
    }
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = 2 * h; i < 2 * h + 2; ++i) {
        scores[n][i] = dev::power_of_two(scores[n][i] - base);
        running.sum[h] += scores[n][i];
      }
    }
  }
}

// Weights [16, 64] times values.
template <class T, int kPadded>
__device__ void sum_values(const float (&weights)[kKeys / 8][4], dev::Shared<T> values,
                           Running<kPadded>& running) {
  const unsigned lane = dev::lane();
  const unsigned place = lane % 16 * kPitch<kPadded> + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < kKeys / 16; ++k) {
    const float(&low)[4] = weights[2 * k];
    const float(&high)[4] = weights[2 * k + 1];
    const std::uint32_t a[4] = {
        dev::narrow_two<T>(low[0], low[1]), dev::narrow_two<T>(low[2], low[3]),
        dev::narrow_two<T>(high[0], high[1]), dev::narrow_two<T>(high[2], high[3])};
#pragma unroll
    for (int n = 0; n < kPadded / 8; n += 2) {
      std::uint32_t b[4];
      dev::load_matrices_transposed(
          b, values + (place + static_cast<unsigned>(k * 16 * kPitch<kPadded> + n * 8)));
      dev::multiply<T>(running.out[n], a, b[0], b[1]);
      dev::multiply<T>(running.out[n + 1], a, b[2], b[3]);
    }
  }
}

// Through the warp's own rows of the tile of queries, so that rows go out in 16 bytes.
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

template <class T, int kPadded>
__global__ void __launch_bounds__(kThreads) attention_kernel(Arguments a) {
  dev::grid_signal();
  dev::grid_wait();
  const AttentionProblem& p = a.problem;
  const AttentionBuffers& b = a.buffers;
  const int first = static_cast<int>(dev::block_x()) * kQueries;
  const int head = static_cast<int>(dev::block_y()),
            key_head = head / (p.query_heads / p.key_heads);
  const std::int64_t query_row = b.query_offsets[dev::block_z()];
  const std::int64_t key_row = b.key_offsets[dev::block_z()];
  const int queries = static_cast<int>(b.query_offsets[dev::block_z() + 1] - query_row);
  const int keys = static_cast<int>(b.key_offsets[dev::block_z() + 1] - key_row);
  if (first >= queries) return;

  const T* q = static_cast<const T*>(b.queries) + query_row * b.query_pitch + head * p.width;
  const T* k = static_cast<const T*>(b.keys) + key_row * b.key_pitch + key_head * p.width;
  const T* v = static_cast<const T*>(b.values) + key_row * b.value_pitch + key_head * p.width;
  constexpr unsigned kTile = 64 * kPitch<kPadded>;
  const auto query_tile = dev::shared_memory<T>();
  const auto key_tile = query_tile + kTile, value_tile = key_tile + kTile;

  const int warp = static_cast<int>(dev::warp());
  Rule rule{.scale = kLog2E / p.divisor,
            .first_query = first + warp * 16 + keys - queries,
            .first_key = 0,
            .keys = keys,
            .causal = p.causal,
            .max_distance = p.max_distance,
            .bias = (value_tile + kTile).template as<float>(),
            .has_bias = b.bias != nullptr};
  if (rule.has_bias) {
    const int count = 2 * p.max_distance + 1;
    for (int i = static_cast<int>(dev::thread()); i < count; i += kThreads) {
      rule.bias.store(static_cast<unsigned>(i), b.bias[head * count + i]);
    }
  }
  // Keys behind the last query of the block are seen by none.
  int end = keys;
  if (p.causal)
    end = first + kQueries + keys - queries < keys ? first + kQueries + keys - queries : keys;

  load_tile<T, kPadded>(query_tile, q, b.query_pitch, first, queries, p.width);
  load_tile<T, kPadded>(key_tile, k, b.key_pitch, 0, keys, p.width);
  dev::commit_copies();
  load_tile<T, kPadded>(value_tile, v, b.value_pitch, 0, keys, p.width);
  dev::commit_copies();
  dev::wait_for_copies<1>();
  dev::sync_threads();

  const unsigned lane = dev::lane();
  const auto own_rows = query_tile + static_cast<unsigned>(warp * 16 * kPitch<kPadded>);
  std::uint32_t fragments[kPadded / 16][4];
#pragma unroll
  for (int i = 0; i < kPadded / 16; ++i) {
    dev::load_matrices(fragments[i], own_rows + (lane % 16 * kPitch<kPadded> + lane / 16 * 8 +
                                                 static_cast<unsigned>(i) * 16));
  }
  Running<kPadded> running = {};
  running.max[0] = running.max[1] = -INFINITY;
  for (int tile = 0; tile < end; tile += kKeys) {
    const bool more = tile + kKeys < end;
    float scores[kKeys / 8][4];
    score<T, kPadded>(fragments, key_tile, scores);
    dev::sync_threads();  // the keys have been read
    if (more) load_tile<T, kPadded>(key_tile, k, b.key_pitch, tile + kKeys, keys, p.width);
    dev::commit_copies();
    rule.first_key = tile;
    weigh<kPadded>(rule, scores, running);
    dev::wait_for_copies<1>();  // the values are there, the next keys may not be
    dev::sync_threads();
    sum_values<T, kPadded>(scores, value_tile, running);
    dev::sync_threads();
    if (more) load_tile<T, kPadded>(value_tile, v, b.value_pitch, tile + kKeys, keys, p.width);
    dev::commit_copies();
    dev::wait_for_copies<1>();
    dev::sync_threads();
  }
  dev::wait_for_copies<0>();
  T* out = static_cast<T*>(b.out) + (query_row + first + warp * 16) * b.out_pitch + head * p.width;
  store<T, kPadded>(running, own_rows, out, b.out_pitch, queries - first - warp * 16, p.width);
}

template <class T, int kPadded>
int launch_padded(const Arguments& arguments, void* stream, bool overlaps) {
  const AttentionProblem& p = arguments.problem;
  dev::LaunchConfig config;
  config.blocks = {static_cast<unsigned>((p.max_queries + kQueries - 1) / kQueries),
                   static_cast<unsigned>(p.query_heads), static_cast<unsigned>(p.sequences)};
  config.threads = kThreads;
  config.shared_bytes = 3 * 64 * kPitch<kPadded> * sizeof(T);
  if (arguments.buffers.bias != nullptr) {
    config.shared_bytes += static_cast<std::size_t>(2 * p.max_distance + 1) * sizeof(float);
  }
  config.stream = stream;
  config.overlaps_previous = overlaps;
  return dev::launch(config, attention_kernel<T, kPadded>, arguments);
}

template <class T>
int launch_element(const Arguments& arguments, void* stream, bool overlaps) {
  return with_padded_width(arguments.problem.width, [&](auto padded) {
    return launch_padded<T, padded.value>(arguments, stream, overlaps);
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
  return problem.element == Element::f16
             ? launch_element<dev::Half>(arguments, stream, overlaps_previous)
             : launch_element<dev::Bfloat>(arguments, stream, overlaps_previous);
}

}  // namespace instructblip::kernels::cuda
