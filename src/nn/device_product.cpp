#include "nn/device_product.h"

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

// What a product is without what stands before and behind it; none: no kernel has such rows.
std::optional<Problem> problem_of(const Runtime& runtime, const at::Tensor& x,
                                  const at::Tensor& weight) {
  const auto element = element_of(x.scalar_type());
  if (!element || weight.scalar_type() != x.scalar_type() || !weight.is_contiguous()) return {};
  Problem problem;
  problem.element = *element;
  problem.weights = *element == cuda::Element::f16 ? kernels::Format::f16 : kernels::Format::bf16;
  problem.layout = Problem::Layout::rows;
  problem.rows = row_count(x);
  problem.inputs = static_cast<std::int32_t>(weight.size(1));
  problem.outputs = static_cast<std::int32_t>(weight.size(0));
  problem.processors = runtime.machine().cuda_processors;
  return problem;
}

// A kernel, what it is given, and how many it computes.
struct Chosen {
  const cuda::Kernel<cuda::Product>* kernel;
  Problem problem;
  const NormWeights* norm;  // that it does itself; null: none is left to be done
  at::Tensor rows;

  void run(const Runtime& runtime, Buffers buffers) const {
    buffers.x = address_of(rows);
    if (norm != nullptr) {
      buffers.norm_weight = address_of(norm->weight);
      buffers.norm_bias = address_of(norm->bias);
    }
    kernel->run(problem, buffers, runtime.stream());
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
  auto problem = problem_of(runtime, x.like(), with.weight);
  if (!problem) return {};
  if (with.activation) {
    const auto name = kernel_name_of(*with.activation);
    if (!name || (with.gated && with.bias.defined())) return {};
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
  const at::Tensor y = runtime.empty(shape, with.wide ? at::kFloat : x.like().scalar_type());
  at::Tensor plus = with.plus.value();
  if (plus.defined()) plus = plus.contiguous();
  chosen->run(runtime, {.x = nullptr,
                        .tiles = address_of(with.weight),
                        .y = y.mutable_data_ptr(),
                        .bias = address_of(with.bias),
                        .residual = address_of(plus)});
  return y;
}

Heads heads_on_device(const Normed& x, const ProductWith& with, const AttentionPlace& place) {
  const StepSlots* const slots = place.rows->slots;
  if (slots == nullptr || !slots->newest.defined()) return {};
  const KvPool& pool = *slots->pool;
  const Runtime& runtime = pool.runtime();
  const at::Tensor addresses = pool.addresses();
  auto problem = problem_of(runtime, x.like(), with.weight);
  if (!problem || !addresses.defined()) return {};
  problem->finish = Problem::Finish::heads;
  problem->width = static_cast<std::int32_t>(pool.head_width());
  problem->key_heads = static_cast<std::int32_t>(pool.key_heads());
  problem->query_heads = problem->outputs / problem->width - 2 * problem->key_heads;
  problem->page_positions = KvPool::kPagePositions;
  const auto chosen = choose(runtime, x, *problem);
  if (!chosen) return {};
  const at::Tensor queries =
      runtime.empty({problem->rows, problem->query_heads, problem->width}, x.like().scalar_type());
  const Rotation* const turn = place.turn;
  chosen->run(runtime,
              {.x = nullptr,
               .tiles = address_of(with.weight),
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
