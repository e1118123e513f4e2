// The host half of the kernels: which problems they take. Compiled with them.
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/shared_bytes.h"
#include "kernels/cuda/skinny.h"

namespace instructblip::kernels::cuda {
namespace {

SkinnyProblem skinny_problem(const TiledProductProblem& p) {
  return {.element = p.element,
          .rows = p.rows,
          .inputs = p.inputs,
          .outputs = p.outputs,
          .wide = p.wide};
}

// `shared_bytes`: the most that a block of the launch may ask for.
Support answer(const char* refusal, const Machine& machine, std::int64_t shared_bytes = 0) {
  if (machine.cuda_capability < 80) return Support::no("needs compute capability 8.0");
  if (refusal == nullptr && shared_bytes > machine.cuda_shared_bytes) {
    refusal = "a block of this device has less shared memory than such sizes take";
  }
  return refusal == nullptr ? Support::yes() : Support::not_such_sizes(refusal);
}

Support takes(const AttentionProblem& problem, const Machine& machine) {
  constexpr float kAny = 0.0f;
  AttentionBuffers buffers{};
  if (problem.max_distance > 0) buffers.bias = &kAny;
  return answer(attention_refuses(problem, buffers), machine, attention_shared_bytes(problem));
}
Support takes_pages(const PagedAttentionProblem& problem, const Machine& machine) {
  return answer(paged_attention_refuses(problem), machine);
}
Support takes_new_keys(const KvAppend::Problem& problem, const Machine& machine) {
  return answer(kv_append_refuses(problem, problem.turned), machine);
}
Support takes_next_rows(const NextRowsProblem& problem, const Machine& machine) {
  return answer(next_rows_refuse(problem), machine);
}
Support takes_norm(const NormProblem& problem, const Machine& machine) {
  return answer(norm_refuses(problem), machine);
}
Support takes_activation(const ActivationProblem& problem, const Machine& machine) {
  return answer(activation_refuses(problem), machine);
}
Support takes_pixels(const PixelValuesProblem& problem, const Machine& machine) {
  return answer(pixel_values_refuse(problem), machine);
}
// A library's product of more than eight rows is the faster one, on an H100 by 1.2 to 1.6. It has
// none of weights of 8 and of 4 bits, and rounds logits to the element.
const char* is_faster_by_a_library(const TiledProductProblem& p) {
  constexpr std::int32_t kFewRows = 8;
  const bool has_none = p.wide || p.weights == Format::w8 || p.weights == Format::w4;
  return p.rows > kFewRows && !has_none ? "of more than 8 rows a library's product is faster"
                                        : nullptr;
}

// Nothing but y = x w^T + bias + residual, of weights as they lie.
bool is_plain(const TiledProductProblem& p) {
  const Format own = p.element == Element::f16 ? Format::f16 : Format::bf16;
  return p.finish == TiledProductProblem::Finish::plain && !p.activates &&
         p.norm == TiledProductProblem::Norm::none && p.weights == own &&
         p.layout == TiledProductProblem::Layout::rows;
}
// What a ring of copies saves is the start of a product, behind the launch before it; of many
// weights that is little, and the kernel without one reads faster.
const char* is_read_faster_without_a_ring(const TiledProductProblem& p) {
  constexpr std::int64_t kManyWeights = 16 << 20;
  const bool many = std::int64_t{p.inputs} * p.outputs >= kManyWeights;
  return is_plain(p) && many ? "so many weights are read faster by skinny_sm_80" : nullptr;
}

Support takes_few_rows(const TiledProductProblem& problem, const Machine& machine) {
  const char* refusal = tiled_product_refuses(problem, {});
  if (refusal == nullptr) refusal = is_faster_by_a_library(problem);
  return answer(refusal != nullptr ? refusal : is_read_faster_without_a_ring(problem), machine,
                ring_shared_bytes(problem));
}
// Its slots are as many as fit: those devices have room for some, whatever the sizes.
Support takes_few_rows_in_bulk(const TiledProductProblem& problem, const Machine& machine) {
  if (machine.cuda_capability != 90) return Support::no("needs compute capability 9.0");
  return takes_few_rows(problem, machine);
}
Support takes_plain_rows(const TiledProductProblem& p, const Machine& machine) {
  if (!is_plain(p)) return answer("there is nothing but the product", machine);
  const char* const refusal = skinny_refuses(skinny_problem(p));
  return answer(refusal != nullptr ? refusal : is_faster_by_a_library(p), machine);
}
// A library's products take over where rows are many: each block of ours reads its weights for 32
// of them alone.
Support takes_few_pictures(const QFormerLayerProblem& p, const Machine& machine) {
  constexpr std::int64_t kFewRows = 128;
  const char* refusal = qformer_layer_refuses(p);
  const std::int64_t rows = std::int64_t{p.pictures} * p.queries + p.text;
  if (refusal == nullptr && rows > kFewRows) refusal = "queries and text have at most 128 rows";
  return answer(refusal, machine);
}
Support takes_logits(const RowSummaryProblem& problem, const Machine& machine) {
  return answer(row_summaries_refuse(problem), machine);
}

int append(const KvAppend::Problem& problem, const KvAppendBuffers& buffers, void* stream,
           bool overlaps_previous) {
  return append_keys_and_values(problem, buffers, stream, overlaps_previous);
}

int multiply_in_bulk(const TiledProductProblem& problem, const TiledProductBuffers& buffers,
                     void* stream, bool overlaps_previous) {
  TiledProductProblem in_bulk = problem;
  in_bulk.bulk_copies = true;
  return multiply_tiles(in_bulk, buffers, stream, overlaps_previous);
}

int multiply_plainly(const TiledProductProblem& problem, const TiledProductBuffers& buffers,
                     void* stream, bool overlaps_previous) {
  return multiply_skinny(skinny_problem(problem),
                         {.x = buffers.x,
                          .weights = buffers.tiles,
                          .bias = buffers.bias,
                          .residual = buffers.residual,
                          .y = buffers.y},
                         stream, overlaps_previous);
}

int run_layer(const QFormerLayerProblem& problem, const QFormerLayer::Buffers& buffers,
              void* stream, bool overlaps_previous) {
  return run_qformer_layer(problem, buffers.weights, buffers, stream, overlaps_previous);
}

constexpr Traits kRowInvariant = {.row_invariant = true};

constexpr Kernel<Attention> kAttention[] = {{"sm_80", kRowInvariant, takes, attend}};
constexpr Kernel<PagedAttention> kPagedAttention[] = {{"sm_80", {}, takes_pages, attend_pages}};
constexpr Kernel<KvAppend> kKvAppend[] = {{"sm_80", kRowInvariant, takes_new_keys, append}};
constexpr Kernel<NextRows> kNextRows[] = {
    {"sm_80", kRowInvariant, takes_next_rows, choose_next_rows}};
constexpr Kernel<Norm> kNorm[] = {{"sm_80", kRowInvariant, takes_norm, normalize}};
constexpr Kernel<Activate> kActivation[] = {{"sm_80", kRowInvariant, takes_activation, activate}};
constexpr Kernel<PixelValues> kPixelValues[] = {
    {"sm_80", kRowInvariant, takes_pixels, look_up_pixel_values}};
constexpr Kernel<Product> kProduct[] = {
    {"bulk_sm_90", kRowInvariant, takes_few_rows_in_bulk, multiply_in_bulk},
    {"ring_sm_80", kRowInvariant, takes_few_rows, multiply_tiles},
    {"skinny_sm_80", kRowInvariant, takes_plain_rows, multiply_plainly}};
constexpr Kernel<QFormerLayer> kQFormerLayer[] = {
    {"sm_80", kRowInvariant, takes_few_pictures, run_layer}};
constexpr Kernel<RowSummary> kRowSummary[] = {
    {"sm_80", kRowInvariant, takes_logits, summarize_rows}};

constexpr Tables kTables = {.attention = kAttention,
                            .paged_attention = kPagedAttention,
                            .kv_append = kKvAppend,
                            .next_rows = kNextRows,
                            .norm = kNorm,
                            .activation = kActivation,
                            .pixel_values = kPixelValues,
                            .product = kProduct,
                            .qformer_layer = kQFormerLayer,
                            .row_summary = kRowSummary,
                            .paged_attention_workspace = paged_attention_workspace,
                            .qformer_layer_workspace = qformer_layer_workspace,
                            .row_summary_workspace = row_summary_workspace};

}  // namespace

const Tables& tables() { return kTables; }

}  // namespace instructblip::kernels::cuda
