#include "nn/device_product.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/device_rows.h"
#include "nn/heads.h"
#include "nn/rotary.h"
#include "nn/rows.h"
#include "nn/step_tables.h"

namespace instructblip::nn {
namespace {

namespace cuda = kernels::cuda;
using Problem = cuda::TiledProductProblem;
using Buffers = cuda::TiledProductBuffers;

// Rows that one launch multiplies, and the most that several launches do with tiles: each reads all
// weights again. Of more rows the weights are widened for a library's product, but for logits,
// which it would round. By arithmetic, not measured: widening takes about as long as four launches.
constexpr std::int32_t kRowsOfLaunch = 32, kMostRowsOfTiles = 4 * kRowsOfLaunch;

// What a product is without what stands before and behind it; none: no kernel has such rows.
std::optional<Problem> problem_of(const Runtime& runtime, const at::Tensor& x,
                                  const ProductWith& with) {
  const auto element = element_of(x.scalar_type());
  if (!element) return {};
  Problem problem;
  problem.element = *element;
  problem.rows = row_count(x);
  problem.processors = runtime.machine().cuda_processors;
  if (const TiledMatrix* const tiles = with.tiles.matrix) {
    if (!with.wide && problem.rows > kMostRowsOfTiles) return {};
    problem.rows = std::min(problem.rows, kRowsOfLaunch);
    problem.weights = tiles->format();
    problem.layout = Problem::Layout::tiles;
    problem.inputs = static_cast<std::int32_t>(tiles->columns());
    problem.outputs = static_cast<std::int32_t>(with.tiles.count);
    return problem;
  }
  const at::Tensor& weight = with.weight;
  if (weight.scalar_type() != x.scalar_type() || !weight.is_contiguous()) return {};
  problem.weights = *element == cuda::Element::f16 ? kernels::Format::f16 : kernels::Format::bf16;
  problem.layout = Problem::Layout::rows;
  if (with.wide) problem.rows = std::min(problem.rows, kRowsOfLaunch);
  problem.inputs = static_cast<std::int32_t>(weight.size(1));
  problem.outputs = static_cast<std::int32_t>(weight.size(0));
  return problem;
}

const void* weights_of(const ProductWith& with) {
  const TiledRows& tiles = with.tiles;
  return tiles.matrix == nullptr ? address_of(with.weight) : tiles.matrix->tile_of(tiles.first);
}

// Those of the rows from `row` on.
Buffers from_row(Buffers b, const Problem& p, std::int64_t row) {
  const auto skip = [row](auto*& at, std::int64_t bytes_of_row) {
    using Pointer = std::remove_reference_t<decltype(at)>;
    using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>,
                                    const std::byte, std::byte>;
    if (at == nullptr) return;
    at = reinterpret_cast<Pointer>(reinterpret_cast<Byte*>(at) + row * bytes_of_row);
  };
  constexpr std::int64_t kHalf = 2, kFloat = 4;
  skip(b.x, kHalf * p.inputs);
  skip(b.y, (p.wide ? kFloat : kHalf) * p.outputs);
  skip(b.residual, kHalf * p.outputs);
  skip(b.cosines, kFloat * (p.width / 2));
  skip(b.sines, kFloat * (p.width / 2));
  skip(b.slots, kFloat);
  skip(b.queries, kHalf * p.query_heads * p.width);
  return b;
}

// A kernel, what it is given, and how many it computes.
struct Chosen {
  const cuda::Kernel<cuda::Product>* kernel;
  Problem problem;          // a launch of it
  const NormWeights* norm;  // that it does itself; null: none is left to be done
  at::Tensor rows;

  void run(const Runtime& runtime, Buffers buffers) const {
    buffers.x = address_of(rows);
    if (norm != nullptr) {
      buffers.norm_weight = address_of(norm->weight);
      buffers.norm_bias = address_of(norm->bias);
    }
    const std::int32_t count = row_count(rows);
    for (std::int32_t first = 0; first < count; first += problem.rows) {
      Problem some = problem;
      some.rows = std::min(problem.rows, count - first);
      kernel->run(some, from_row(buffers, problem, first), runtime.stream());
    }
  }
};

// One that does the norm too, or, of rows that have been normalised, one that does the rest.
std::optional<Chosen> choose(const Runtime& runtime, const Normed& x, const Problem& problem) {
  const auto& table = runtime.tables().cuda.product;
  if (x.norm() != nullptr && x.norm()->weights().weight.defined()) {
    const NormWeights& norm = x.norm()->weights();
    Problem whole = problem;
    whole.norm = norm.centred ? Problem::Norm::layer : Problem::Norm::rms;
    whole.eps = static_cast<float>(norm.eps);
    const auto* const kernel = runtime.device_kernel(table, whole);
    if (kernel != nullptr) return Chosen{kernel, whole, &norm, x.rows().contiguous()};
  }
  const auto* const kernel = runtime.device_kernel(table, problem);
  if (kernel == nullptr) return std::nullopt;
  return Chosen{kernel, problem, nullptr, x.value().contiguous()};
}

}  // namespace

at::Tensor product_on_device(const Runtime& runtime, const Normed& x, const ProductWith& with) {
  auto problem = problem_of(runtime, x.like(), with);
  if (!problem) return {};
  const TiledMatrix* const tiles = with.tiles.matrix;
  const Pairing::Kind pairing = tiles == nullptr ? Pairing::Kind::none : tiles->pairing();
  if (tiles != nullptr && with.gated && pairing != Pairing::Kind::gate) return {};
  // Outputs of pairs that nothing is done to, which come in the order of tiles.
  const bool unordered = !with.gated && pairing != Pairing::Kind::none;
  if (with.activation) {
    const auto name = kernel_name_of(*with.activation);
    if (!name || unordered || (with.gated && with.bias.defined())) return {};
    problem->gate = *name;
    problem->activates = !with.gated;
  }
  if (with.gated) {
    problem->finish = Problem::Finish::gated;
    problem->outputs /= 2;
  }
  problem->wide = with.wide;
  const auto chosen = choose(runtime, x, *problem);
  if (!chosen) return {};
  std::vector<std::int64_t> shape = x.like().sizes().vec();
  shape.back() = problem->outputs;
  at::Tensor y = runtime.empty(shape, with.wide ? at::kFloat : x.like().scalar_type());
  at::Tensor plus = with.plus.value();
  if (plus.defined()) plus = plus.contiguous();
  chosen->run(runtime, {.x = nullptr,
                        .tiles = weights_of(with),
                        .y = y.mutable_data_ptr(),
                        .bias = unordered ? nullptr : address_of(with.bias),
                        .residual = unordered ? nullptr : address_of(plus)});
  if (!unordered) return y;
  at::Tensor ordered = tiles->in_order(y);
  if (with.bias.defined()) ordered = ordered + with.bias;
  return plus.defined() ? ordered + plus : ordered;
}

Heads heads_on_device(const Normed& x, const ProductWith& with, const AttentionPlace& place) {
  const StepSlots* const slots = place.rows->slots;
  if (slots == nullptr || !slots->newest.defined()) return {};
  const KvPool& pool = *slots->pool;
  const Runtime& runtime = pool.runtime();
  const at::Tensor addresses = pool.addresses();
  auto problem = problem_of(runtime, x.like(), with);
  if (!problem || !addresses.defined()) return {};
  if (const TiledMatrix* const tiles = with.tiles.matrix) {
    const bool in_heads = tiles->pairing() == Pairing::Kind::heads;
    if (!in_heads || tiles->head_width() != pool.head_width()) return {};
  }
  problem->finish = Problem::Finish::heads;
  problem->width = static_cast<std::int32_t>(pool.head_width());
  problem->key_heads = static_cast<std::int32_t>(pool.key_heads());
  problem->query_heads = problem->outputs / problem->width - 2 * problem->key_heads;
  problem->page_positions = KvPool::kPagePositions;
  const auto chosen = choose(runtime, x, *problem);
  if (!chosen) return {};
  const at::Tensor queries = runtime.empty(
      {row_count(x.like()), problem->query_heads, problem->width}, x.like().scalar_type());
  const Rotation* const turn = place.turn;
  chosen->run(runtime,
              {.x = nullptr,
               .tiles = weights_of(with),
               .bias = address_of(with.bias),
               .cosines = turn == nullptr ? nullptr : turn->cosines().const_data_ptr<float>(),
               .sines = turn == nullptr ? nullptr : turn->sines().const_data_ptr<float>(),
               .slots = slots->newest.const_data_ptr<std::int32_t>(),
               .pages_of_keys = KvPool::pages_of(addresses, place.layer, KvPool::Plane::keys),
               .pages_of_values = KvPool::pages_of(addresses, place.layer, KvPool::Plane::values),
               .queries = queries.mutable_data_ptr()});
  return {queries, {}, {}};
}

}  // namespace instructblip::nn
