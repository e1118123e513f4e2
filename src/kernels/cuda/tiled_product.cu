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

namespace instructblip::kernels::cuda {
namespace {

constexpr int kDepth = 6;  // units of a warp on their way

// The units of a warp, one after the other, through the tiles of its block.
struct Place {
  int tile, unit;

  __device__ __forceinline__ void advance(const TiledArguments& a) {
    unit += kProductWarps;
    if (unit < a.units) return;
    unit = static_cast<int>(dev::warp());
    tile += static_cast<int>(dev::blocks_x());
  }
};

// A lane's place in a slot of its warp's ring.
template <int kBits>
struct Slots {
  static constexpr int kBytes = kBits == 4 ? 1152 : 1024;
  dev::Shared<dev::Words4> first;  // of the warp

  __device__ __forceinline__ dev::Shared<dev::Words4> operator[](int slot) const {
    return first + static_cast<unsigned>(slot * (kBytes / 16));
  }
};

template <int kBits>
__device__ __forceinline__ void copy_unit(const TiledArguments& a, const Place& from,
                                          dev::Shared<dev::Words4> slot) {
  if (from.tile < a.tiles && from.unit < a.units) {
    const unsigned char* unit = static_cast<const unsigned char*>(a.buffers.tiles) +
                                static_cast<std::int64_t>(from.tile) * a.tile_bytes +
                                (kBits == 8 ? 128 : 0) + from.unit * Slots<kBits>::kBytes;
    const unsigned lane = dev::lane();
    dev::copy_async(slot + lane, unit + 16 * lane, true);
    dev::copy_async(slot + (32 + lane), unit + 512 + 16 * lane, true);
    if (kBits == 4 && lane < 8) dev::copy_async(slot + (64 + lane), unit + 1024 + 16 * lane, true);
  }
  dev::commit_copies();
}

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

template <class T, int kBits, int kTiles, bool kStaged>
__global__ void __launch_bounds__(kProductThreads, kTiles <= 2 ? 2 : 1)
    tiled_product_kernel(TiledArguments a) {
  const TiledProductProblem& p = a.problem;
  const int warp = static_cast<int>(dev::warp());
  dev::grid_signal();
  constexpr int kRing = kProductWarps * kDepth * Slots<kBits>::kBytes;
  const auto ring = dev::shared_memory<dev::Words4>();
  const Slots<kBits> slots{ring + static_cast<unsigned>(warp * (kRing / kProductWarps / 16))};
  const auto partials = ring.as<float>(kRing);
  const auto staged = (partials + 2 * kPartials<kTiles>).template as<T>();
  Place ahead{static_cast<int>(dev::block_x()), warp};
#pragma unroll
  for (int i = 0; i < kDepth; ++i) {
    copy_unit<kBits>(a, ahead, slots[i]);
    ahead.advance(a);
  }
  dev::grid_wait();
  Activations<T, kStaged> x{static_cast<const T*>(a.buffers.x), staged, p.inputs, p.rows, p.inputs};
  if constexpr (kStaged) {
    x.pitch = staged_pitch(p.inputs);
    stage_activations<T>(a, staged, partials, [] { dev::sync_threads(); });
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
      copy_unit<kBits>(a, ahead, slots[slot]);
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
      finish_pair<T>(a, tile, row, r, scales.x * sum_of_partials<kTiles>(own, row, r),
                     scales.y * sum_of_partials<kTiles>(own, row, r + 8));
    }
  }
  dev::wait_for_copies<0>();
}

struct Way {
  template <class T, int kBits, int kTiles, bool kStaged>
  static int launch(TiledArguments& arguments, dev::LaunchConfig config) {
    config.threads = kProductThreads;
    config.shared_bytes = kProductWarps * kDepth * Slots<kBits>::kBytes +
                          2 * kPartials<kTiles> * sizeof(float) + staged_bytes(arguments.problem);
    return dev::launch(config, tiled_product_kernel<T, kBits, kTiles, kStaged>, arguments);
  }
};

}  // namespace

const char* tiled_product_refuses(const TiledProductProblem& p, const TiledProductBuffers& b) {
  using Finish = TiledProductProblem::Finish;
  const bool normalised = p.norm != TiledProductProblem::Norm::none;
  if (p.rows > (normalised ? 8 : 32))
    return "there are at most 32 rows, 8 where they are normalised";
  if (p.inputs < 8 || p.inputs % 8 != 0) return "rows are as wide as a multiple of 8";
  if (normalised && staged_bytes(p) > kMaxStagedBytes) {
    return "rows that are normalised take at most 96 KiB";
  }
  const Format own = p.element == Element::f16 ? Format::f16 : Format::bf16;
  if (p.weights != own && p.weights != Format::w8 && p.weights != Format::w4) {
    return "weights are of the element type, of 8 or of 4 bits";
  }
  if (p.finish == Finish::gated && b.bias != nullptr) return "a gate has no bias";
  if (p.finish != Finish::plain && (p.wide || b.residual != nullptr)) {
    return "only a plain product is added to a residual, or float32";
  }
  if (p.finish == Finish::heads && (p.width < 16 || p.width % 16 != 0 ||
                                    p.outputs != (p.query_heads + 2 * p.key_heads) * p.width)) {
    return "heads are as wide as a multiple of 16, and there are no other outputs";
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
