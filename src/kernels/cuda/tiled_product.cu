// Products of few rows with weights in tiles. The weights are the left operand of mma.sync, the
// rows its right one, eight in a tile, so that one to eight cost the same. A block goes through
// tiles of 16 outputs, as far apart as there are blocks; its eight warps share out the units of
// each. Here each lane copies what it multiplies itself into a ring of its warp (cp.async), ahead
// of its use and across tiles, so that no barrier stands between; tiled_product_bulk.cu has the way
// of devices with bulk copies. The first units are on their way before the launch before has ended.
//
// nvcc gate: mma.sync.aligned.m16n8k16 cp.async.cg.shared.global fma.rn.f16x2 fma.rn.bf16x2
// nvcc gate: lop3.b32 griddepcontrol.wait@sm_90a
#include "kernels/cuda/dev.h"
#include "kernels/cuda/tiled_product.h"
#include "kernels/cuda/tiled_product_ends.h"
#include "kernels/cuda/tiled_product_launch.h"
#include "kernels/cuda/tiled_product_norm.h"
#include "kernels/cuda/tiled_product_weights.h"

namespace instructblip::kernels::cuda {
namespace {

constexpr int kDepth = 6;  // units of a warp on their way

// The units of a warp, one after the other, through the tiles of its block, and where a lane finds
// its 16 bytes of two rows of them.
template <class W>
struct Ahead {
  int tile, unit;
  const unsigned char *upper, *lower;  // those of the tile's first unit

  __device__ __forceinline__ void begin_tile(const TiledArguments& a) {
    if (tile >= a.tiles) return;
    const int lane = static_cast<int>(dev::lane());
    if constexpr (W::kInRows) {
      upper = begin_of_row(a, tile, lane / 4) + lane % 4 * 16;
      lower = begin_of_row(a, tile, lane / 4 + 8) + lane % 4 * 16;
    } else {
      upper = begin_of_tile<W>(a, tile) + 16 * lane;
      lower = upper + 512;
    }
  }

  __device__ __forceinline__ void copy(const TiledArguments& a,
                                       dev::Shared<dev::Words4> slot) const {
    const unsigned lane = dev::lane();
    if (tile < a.tiles && unit < a.units) {
      const int at = unit * (W::kInRows ? 64 : W::kUnitBytes);
      const bool there =
          !W::kInRows || unit * 32 + static_cast<int>(lane) % 4 * 8 < a.problem.inputs;
      dev::copy_async(slot + lane, upper + at, there);
      dev::copy_async(slot + (32 + lane), lower + at, there);
      if (W::kBits == 4 && lane < 8) dev::copy_async(slot + (64 + lane), upper + (1024 + at), true);
    }
    dev::commit_copies();
  }

  __device__ __forceinline__ void advance(const TiledArguments& a) {
    unit += kProductWarps;
    if (unit < a.units) return;
    unit = static_cast<int>(dev::warp());
    tile += static_cast<int>(dev::blocks_x());
    begin_tile(a);
  }
};

// A lane's place in a slot of its warp's ring.
template <class W>
struct Slots {
  dev::Shared<dev::Words4> first;  // of the warp

  __device__ __forceinline__ dev::Shared<dev::Words4> operator[](int slot) const {
    return first + static_cast<unsigned>(slot * (W::kUnitBytes / 16));
  }
};

template <int kBits>
__device__ __forceinline__ UnitWords load_unit(dev::Shared<dev::Words4> slot) {
  const unsigned lane = dev::lane();
  UnitWords words;
  words.upper = slot.load(lane);
  words.lower = slot.load(32 + lane);
  words.scales = {0, 0, 0, 0};
  if constexpr (kBits == 4) words.scales = slot.load(64 + lane / 4);
  return words;
}

template <class T, class W, int kTiles, bool kStaged>
__global__ void __launch_bounds__(kProductThreads, kTiles <= 2 ? 2 : 1)
    tiled_product_kernel(TiledArguments a) {
  const TiledProductProblem& p = a.problem;
  const int warp = static_cast<int>(dev::warp());
  dev::grid_signal();
  constexpr int kBits = W::kBits, kRing = kProductWarps * kDepth * W::kUnitBytes;
  const auto ring = dev::shared_memory<dev::Words4>();
  const Slots<W> slots{ring + static_cast<unsigned>(warp * (kRing / kProductWarps / 16))};
  const auto partials = ring.as<float>(kRing);
  const auto staged = (partials + 2 * kPartials<kTiles>).template as<T>();
  Ahead<W> ahead{static_cast<int>(dev::block_x()), warp, nullptr, nullptr};
  ahead.begin_tile(a);
#pragma unroll
  for (int i = 0; i < kDepth; ++i) {
    ahead.copy(a, slots[i]);
    ahead.advance(a);
  }
  Activations<T, kStaged> x{static_cast<const T*>(a.buffers.x), staged, p.inputs, p.rows, p.inputs};
  if constexpr (kStaged) {
    x.pitch = staged_pitch(p.inputs);
    const Staging<T> staging(a, staged, partials);
    staging.copy_weights();
    dev::grid_wait();
    stage_activations<T>(staging, [] { dev::sync_threads(); });
  } else {
    dev::grid_wait();
  }
  int slot = 0, buffer = 0;
  for (int tile = static_cast<int>(dev::block_x()); tile < a.tiles;
       tile += static_cast<int>(dev::blocks_x()), buffer ^= 1) {
    float sums[kTiles][4] = {};
    for (int unit = warp; unit < a.units; unit += kProductWarps) {
      dev::wait_for_copies<kDepth - 1>();
      if constexpr (kBits == 4) dev::sync_warp();  // others copied the scales
      multiply_unit<T, kBits, kTiles>(load_unit<kBits>(slots[slot]), unit, x, sums);
      if constexpr (kBits == 4) dev::sync_warp();  // others have read them
      ahead.copy(a, slots[slot]);
      ahead.advance(a);
      slot = slot + 1 == kDepth ? 0 : slot + 1;
    }
    const auto own = partials + static_cast<unsigned>(buffer * kPartials<kTiles>);
    store_partials<kTiles>(sums, p.rows, own);
    // Who is here has finished the tile before the last, whose place the next one takes.
    dev::sync_threads();
    for (int i = static_cast<int>(dev::thread()); i < p.rows * 8; i += kProductThreads) {
      const int row = i / 8, r = i % 8;
      const dev::Float2 scales = scales_of_rows<kBits>(a, tile, r);
      Ending<T> ending;
      ending.read(a, tile, row, r);
      ending.finish(a, row, scales.x * sum_of_partials<kTiles>(own, row, r),
                    scales.y * sum_of_partials<kTiles>(own, row, r + 8));
    }
  }
  dev::wait_for_copies<0>();
}

struct Way {
  template <class T, class W, int kTiles, bool kStaged>
  static int launch(TiledArguments& arguments, dev::LaunchConfig config) {
    config.threads = kProductThreads;
    config.shared_bytes = kProductWarps * kDepth * W::kUnitBytes +
                          2 * kPartials<kTiles> * sizeof(float) +
                          staged_bytes(arguments.problem, arguments.buffers);
    return dev::launch(config, tiled_product_kernel<T, W, kTiles, kStaged>, arguments);
  }
};

}  // namespace

const char* tiled_product_refuses(const TiledProductProblem& p, const TiledProductBuffers& b) {
  using Finish = TiledProductProblem::Finish;
  if (p.rows > 32) return "there are at most 32 rows";
  if (p.inputs < 8 || p.inputs % 8 != 0) return "rows are as wide as a multiple of 8";
  if (staged_bytes(p, b) > kMaxStagedBytes) {
    return "rows that are normalised take at most 96 KiB";
  }
  const Format own = p.element == Element::f16 ? Format::f16 : Format::bf16;
  if (p.weights != own && p.weights != Format::w8 && p.weights != Format::w4) {
    return "weights are of the element type, of 8 or of 4 bits";
  }
  const bool in_rows = p.layout == TiledProductProblem::Layout::rows;
  if (in_rows && p.weights != own) return "weights in rows are of the element type";
  if (p.finish == Finish::gated && b.bias != nullptr) return "a gate has no bias";
  if (p.finish != Finish::plain && (p.wide || p.activates || b.residual != nullptr)) {
    return "only a plain product is activated, added to a residual, or float32";
  }
  const std::int32_t step = in_rows ? 8 : 16;
  if (p.finish == Finish::heads && (p.width < step || p.width % step != 0 ||
                                    p.outputs != (p.query_heads + 2 * p.key_heads) * p.width)) {
    return "heads are as wide as a multiple of 16, in rows of 8, and there are no other outputs";
  }
  if (p.processors < 1) return "a device has a multiprocessor";
  return nullptr;
}

int multiply_tiles(const TiledProductProblem& problem, const TiledProductBuffers& buffers,
                   void* stream, bool overlaps_previous) {
  if (problem.rows == 0 || problem.outputs == 0) return 0;
  TiledArguments arguments = arguments_of(problem, buffers);
  const dev::LaunchConfig config = config_of(arguments, stream, overlaps_previous);
  if (problem.bulk_copies) return multiply_tiles_in_bulk(arguments, config);
  return launch_way<Way>(arguments, config);
}

}  // namespace instructblip::kernels::cuda
