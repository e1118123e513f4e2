// The products of tiled_product.cu where the device has bulk copies. A thread of its own copies
// weights in chunks of 16 units into a ring, ahead of their use and across tiles; eight warps
// multiply them, and give a slot back when its weights have been used; two more warps add up what
// those found and finish a tile, while the next one is multiplied. They meet in mbarriers, and for
// sums in barriers by number.
//
// nvcc gate: mma.sync.aligned.m16n8k16 cp.async.bulk.shared::cluster.global@sm_90a
// nvcc gate: mbarrier.try_wait.parity@sm_90a mbarrier.arrive.expect_tx@sm_90a
// nvcc gate: griddepcontrol.wait@sm_90a
#include <algorithm>

#include "kernels/cuda/dev.h"
#include "kernels/cuda/tiled_product_ends.h"
#include "kernels/cuda/tiled_product_launch.h"
#include "kernels/cuda/tiled_product_norm.h"
#include "kernels/cuda/tiled_product_weights.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kUnitsOfChunk = 16;
constexpr int kFinishWarps = 2;
constexpr int kThreads = kProductThreads + 32 * kFinishWarps + 32;

// Rows of a matrix lie in a slot so far apart that lanes which read two of them meet different
// banks.
constexpr int kPitchOfRow = kUnitsOfChunk * 64 + 64;
template <class W>
constexpr int kChunkBytes = W::kInRows ? kRowsOfTile* kPitchOfRow : kUnitsOfChunk* W::kUnitBytes;
constexpr unsigned kCopyingLanes = kRowsOfTile;

// What the warps of a block share. Barriers of a slot: it is full, it is empty.
struct Ring {
  dev::Shared<dev::Words4> ring;
  dev::Shared<float> partials;
  dev::Mbarrier full, empty;
  std::int32_t slots;

  __device__ void init() const {
    for (int i = 0; i < slots; ++i) {
      dev::init_mbarrier(full + static_cast<unsigned>(i), 1);
      dev::init_mbarrier(empty + static_cast<unsigned>(i), kProductWarps);
    }
  }
};

// The two buffers of sums, by turns. Barriers by number, since tools follow them: the sums of a
// tile are all there; they have been taken.
constexpr int kStaging = 1, kSummed = 2, kTaken = 4;
constexpr unsigned kSumming = kProductThreads + 32 * kFinishWarps;

template <int kFirst>
__device__ __forceinline__ void arrive_for(unsigned buffer) {
  if (buffer == 0) {
    dev::arrive_some<kFirst>(kSumming);
  } else {
    dev::arrive_some<kFirst + 1>(kSumming);
  }
}
template <int kFirst>
__device__ __forceinline__ void wait_for(unsigned buffer) {
  if (buffer == 0) {
    dev::sync_some<kFirst>(kSumming);
  } else {
    dev::sync_some<kFirst + 1>(kSumming);
  }
}

// A place in a ring, and the parity of its use.
struct Turn {
  unsigned slot = 0, parity = 0;

  __device__ __forceinline__ void advance(unsigned slots) {
    if (++slot < slots) return;
    slot = 0;
    parity ^= 1;
  }
};

// A chunk of a tile is one copy.
template <class W>
__device__ void copy_chunks(const TiledArguments& a, const Ring& s) {
  Turn turn;
  for (int tile = static_cast<int>(dev::block_x()); tile < a.tiles;
       tile += static_cast<int>(dev::blocks_x())) {
    const unsigned char* units = begin_of_tile<W>(a, tile);
    for (int unit = 0; unit < a.units; unit += kUnitsOfChunk) {
      const int count = a.units - unit < kUnitsOfChunk ? a.units - unit : kUnitsOfChunk;
      const auto bytes = static_cast<unsigned>(count * W::kUnitBytes);
      dev::wait(s.empty + turn.slot, turn.parity ^ 1);
      dev::arrive_expecting(s.full + turn.slot, bytes);
      dev::copy_bulk(s.ring + turn.slot * (kChunkBytes<W> / 16), units + unit * W::kUnitBytes,
                     bytes, s.full + turn.slot);
      turn.advance(static_cast<unsigned>(s.slots));
    }
  }
}

// A chunk of a tile whose rows lie in a matrix: each of 16 lanes copies one.
__device__ inline void copy_rows(const TiledArguments& a, const Ring& s) {
  constexpr std::uint32_t kMask = (1u << kCopyingLanes) - 1;
  const unsigned lane = dev::lane();
  Turn turn;
  for (int tile = static_cast<int>(dev::block_x()); tile < a.tiles;
       tile += static_cast<int>(dev::blocks_x())) {
    const unsigned char* row = begin_of_row(a, tile, static_cast<int>(lane));
    for (int input = 0; input < a.problem.inputs; input += 32 * kUnitsOfChunk) {
      const int left = a.problem.inputs - input;
      const auto bytes =
          static_cast<unsigned>(left < 32 * kUnitsOfChunk ? left : 32 * kUnitsOfChunk) * 2;
      dev::wait(s.empty + turn.slot, turn.parity ^ 1);
      if (lane == 0) dev::arrive_expecting(s.full + turn.slot, kCopyingLanes * bytes);
      dev::sync_warp(kMask);
      dev::copy_bulk(s.ring + (turn.slot * kChunkBytes<RowWeights> + lane * kPitchOfRow) / 16,
                     row + input * 2, bytes, s.full + turn.slot);
      turn.advance(static_cast<unsigned>(s.slots));
    }
  }
}

// A lane's part of the unit `own` of a chunk, which is the unit `unit` of the tile. Behind the
// inputs of a matrix nothing has been copied.
template <class W>
__device__ __forceinline__ UnitWords load_unit(const TiledArguments& a,
                                               dev::Shared<dev::Words4> chunk, unsigned own,
                                               int unit) {
  const unsigned lane = dev::lane();
  UnitWords words;
  words.scales = {0, 0, 0, 0};
  if constexpr (W::kInRows) {
    words.upper = words.lower = {0, 0, 0, 0};
    if (unit * 32 + static_cast<int>(lane) % 4 * 8 >= a.problem.inputs) return words;
    const auto first = chunk + (lane / 4 * (kPitchOfRow / 16) + own * 4 + lane % 4);
    const auto upper = first.load_late(), lower = first.load_late(8 * kPitchOfRow / 16);
    words.upper = upper.get();
    words.lower = lower.get();
  } else {
    const auto first = chunk + own * (W::kUnitBytes / 16);
    const auto upper = first.load_late(lane), lower = first.load_late(32 + lane);
    if constexpr (W::kBits == 4) words.scales = first.load_late(64 + lane / 4).get();
    words.upper = upper.get();
    words.lower = lower.get();
  }
  return words;
}

// Units `warp` and warp + 8 of a chunk.
template <class T, class W, int kTiles, bool kStaged>
__device__ __forceinline__ void multiply_chunk(const TiledArguments& a, int first,
                                               dev::Shared<dev::Words4> chunk,
                                               const Activations<T, kStaged>& x,
                                               float (&sums)[kTiles][4]) {
#pragma unroll
  for (unsigned i = 0; i < kUnitsOfChunk / kProductWarps; ++i) {
    const unsigned own = i * kProductWarps + dev::warp();
    const int unit = first + static_cast<int>(own);
    if (unit >= a.units) break;
    multiply_unit<T, W::kBits, kTiles>(load_unit<W>(a, chunk, own, unit), unit, x, sums);
  }
}

template <class T, class W, int kTiles, bool kStaged>
__device__ void multiply_chunks(const TiledArguments& a, const Ring& s,
                                const Activations<T, kStaged>& x) {
  Turn turn;
  const int first = static_cast<int>(dev::block_x()), step = static_cast<int>(dev::blocks_x());
  unsigned buffer = 0;
  for (int tile = first; tile < a.tiles; tile += step, buffer ^= 1) {
    float sums[kTiles][4] = {};
    for (int unit = 0; unit < a.units; unit += kUnitsOfChunk) {
      dev::wait(s.full + turn.slot, turn.parity);
      multiply_chunk<T, W, kTiles, kStaged>(a, unit, s.ring + turn.slot * (kChunkBytes<W> / 16), x,
                                            sums);
      float used = 0.0f;
#pragma unroll
      for (int t = 0; t < kTiles; ++t) used += sums[t][0];
      dev::sync_warp();
      if (dev::lane() == 0) dev::arrive_after(s.empty + turn.slot, used);
      turn.advance(static_cast<unsigned>(s.slots));
    }
    dev::sync_warp();
    if (tile >= first + 2 * step) wait_for<kTaken>(buffer);
    store_partials<kTiles>(sums, a.problem.rows, s.partials + buffer * kPartials<kTiles>);
    dev::sync_warp();
    arrive_for<kSummed>(buffer);
  }
}

template <class T, int kBits, int kTiles>
__device__ void finish_tiles(const TiledArguments& a, const Ring& s) {
  constexpr int kStep = 32 * kFinishWarps / 8;  // rows at once
  const int thread = static_cast<int>(dev::thread()) - kProductThreads;
  const int step = static_cast<int>(dev::blocks_x());
  unsigned buffer = 0;
  for (int tile = static_cast<int>(dev::block_x()); tile < a.tiles; tile += step, buffer ^= 1) {
    // 64 threads: each has the same outputs of all rows.
    const int r = thread % 8;
    const dev::Float2 scales = scales_of_rows<kBits>(a, tile, r);
    const auto partials = s.partials + buffer * kPartials<kTiles>;
    Ending<T> ending;
    if (thread / 8 < a.problem.rows) ending.read(a, tile, thread / 8, r);
    wait_for<kSummed>(buffer);
    for (int row = thread / 8; row < a.problem.rows; row += kStep) {
      ending.finish(a, row, scales.x * sum_of_partials<kTiles>(partials, row, r),
                    scales.y * sum_of_partials<kTiles>(partials, row, r + 8));
      if (row + kStep < a.problem.rows) ending.read(a, tile, row + kStep, r);
    }
    dev::sync_warp();
    if (tile + 2 * step < a.tiles) arrive_for<kTaken>(buffer);  // somebody will wait for it
  }
}

template <class T, class W, int kTiles, bool kStaged>
__global__ void __launch_bounds__(kThreads, kTiles == 1 ? 2 : 1)
    tiled_product_bulk_kernel(TiledArguments a) {
  dev::grid_signal();
  const TiledProductProblem& p = a.problem;
  Ring s;
  s.slots = a.slots;
  s.ring = dev::shared_memory<dev::Words4>();
  s.partials = s.ring.as<float>(static_cast<unsigned>(a.slots * kChunkBytes<W>));
  s.full = (s.partials + 2 * kPartials<kTiles>).template as<dev::Words2>();
  s.empty = s.full + static_cast<unsigned>(a.slots);
  const auto staged = (s.empty + static_cast<unsigned>(a.slots)).template as<T>();
  if (dev::thread() == 0) s.init();
  dev::fence_mbarriers();
  dev::sync_threads();
  const int warp = static_cast<int>(dev::warp());
  if (warp < kProductWarps) {
    Activations<T, kStaged> x{static_cast<const T*>(a.buffers.x), staged, p.inputs, p.rows,
                              p.inputs};
    if constexpr (kStaged) {
      x.pitch = staged_pitch(p.inputs);
      const Staging<T> staging(a, staged, s.partials);
      staging.copy_weights();
      dev::grid_wait();
      stage_activations<T>(staging, [] { dev::sync_some<kStaging>(kProductThreads); });
    } else {
      dev::grid_wait();
    }
    multiply_chunks<T, W, kTiles, kStaged>(a, s, x);
  } else if (warp < kProductWarps + kFinishWarps) {
    dev::grid_wait();
    finish_tiles<T, W::kBits, kTiles>(a, s);
  } else if constexpr (W::kInRows) {  // before the launch before has ended: it writes no weights
    if (dev::lane() < kCopyingLanes) copy_rows(a, s);
  } else {
    if (dev::lane() == 0) copy_chunks<W>(a, s);
  }
}

// So much that the launch after has room beside this one, and its first weights are on their way.
constexpr std::size_t kHalfOfShared = 112 * 1024;
constexpr int kMinSlots = 2, kMaxSlots = 6;

struct BulkWay {
  template <class T, class W, int kTiles, bool kStaged>
  static int launch(TiledArguments& arguments, dev::LaunchConfig config) {
    constexpr int kBarriers = 2 * kMaxSlots;
    const std::size_t fixed = 2 * kPartials<kTiles> * sizeof(float) +
                              staged_bytes(arguments.problem, arguments.buffers) +
                              kBarriers * sizeof(dev::Words2);
    const std::size_t room = kHalfOfShared > fixed ? kHalfOfShared - fixed : 0;
    arguments.slots = std::clamp(static_cast<int>(room / kChunkBytes<W>), kMinSlots, kMaxSlots);
    config.threads = kThreads;
    config.shared_bytes = fixed + static_cast<std::size_t>(arguments.slots) * kChunkBytes<W>;
    return dev::launch(config, tiled_product_bulk_kernel<T, W, kTiles, kStaged>, arguments);
  }
};

}  // namespace

int multiply_tiles_in_bulk(TiledArguments& arguments, const dev::LaunchConfig& config) {
  return launch_way<BulkWay>(arguments, config);
}

}  // namespace instructblip::kernels::cuda
