#include "kernels/cuda/qformer_layer.h"

#include <cmath>
#include <cstddef>

#include "kernels/cuda/grouped_product.h"

namespace instructblip::kernels::cuda {
namespace {

// What the launches of a layer hand on.
struct Workspace {
  std::byte *x, *heads, *seen, *sums;  // packed: [N, D], [N, 3 D], [N, D] twice
  std::byte *query_x, *cross_heads, *cross_seen, *cross_sums;  // [B queries, D]
  std::byte* text_x;                                           // [text, D]
  std::byte *query_inner, *text_inner;                         // [.., inner]
};

// Takes pieces of one allocation, or counts their bytes where there is none.
class Pieces {
 public:
  explicit Pieces(void* memory) : next_(static_cast<std::byte*>(memory)) {}

  std::byte* take(std::int64_t rows, std::int64_t width) {
    std::byte* piece = next_;
    const auto bytes = static_cast<std::size_t>((rows * width * 2 + 15) / 16 * 16);
    if (next_ != nullptr) next_ += bytes;
    bytes_ += bytes;
    return piece;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* next_;
  std::size_t bytes_ = 0;
};

struct Sizes {
  std::int32_t queries, rows, hidden;  // those and the rows of all pictures

  explicit Sizes(const QFormerLayerProblem& p)
      : queries(p.pictures * p.queries), rows(queries + p.text), hidden(p.heads * p.width) {}
};

Workspace divide(const QFormerLayerProblem& p, Pieces& pieces) {
  const Sizes s(p);
  Workspace w{};
  w.x = pieces.take(s.rows, s.hidden);
  w.heads = pieces.take(s.rows, std::int64_t{3} * s.hidden);
  w.seen = pieces.take(s.rows, s.hidden);
  w.sums = pieces.take(s.rows, s.hidden);
  w.query_x = pieces.take(s.queries, s.hidden);
  w.cross_heads = pieces.take(s.queries, s.hidden);
  w.cross_seen = pieces.take(s.queries, s.hidden);
  w.cross_sums = pieces.take(s.queries, s.hidden);
  w.text_x = pieces.take(p.text, s.hidden);
  w.query_inner = pieces.take(s.queries, p.inner);
  w.text_inner = pieces.take(p.text, p.inner);
  return w;
}

class Layer {
 public:
  Layer(const QFormerLayerProblem& problem, const QFormerLayerWeights& weights,
        const QFormerLayerBuffers& buffers, void* stream)
      : p_(problem), w_(weights), b_(buffers), sizes_(problem), stream_(stream) {
    Pieces pieces(buffers.workspace);
    work_ = divide(problem, pieces);
  }

  int run(bool overlaps_previous) {
    if (sizes_.rows == 0) return 0;
    overlaps_ = overlaps_previous;
    attend_to_itself();
    if (p_.looks) attend_to_pictures();
    feed_forward();
    return status_;
  }

 private:
  // The next launch, if none has failed.
  template <class Launch>
  void then(Launch launch) {
    if (status_ == 0) status_ = launch(overlaps_);
    overlaps_ = true;
  }

  void multiply(const GroupedProductProblem& problem, const ProductGroup& first,
                const ProductGroup& second = {}) {
    then([&](bool overlaps) { return multiply_groups(problem, first, second, stream_, overlaps); });
  }

  GroupedProductProblem product(std::int32_t inputs, std::int32_t outputs, bool normalises) const {
    return {.element = p_.element,
            .inputs = inputs,
            .outputs = outputs,
            .normalises = normalises,
            .eps = p_.eps};
  }

  static ProductGroup group(std::int32_t rows, const void* x, const LinearWeights& weights,
                            void* y) {
    ProductGroup g;
    g.rows = rows;
    g.x = x;
    g.weights = weights.weight;
    g.bias = weights.bias;
    g.y = y;
    return g;
  }
  static void normalise(ProductGroup& g, const NormWeights& norm, void* normalised) {
    g.norm_weight = norm.weight;
    g.norm_bias = norm.bias;
    g.normalised = normalised;
  }

  AttentionProblem attention(std::int32_t max_queries) const {
    return {.element = p_.element,
            .sequences = p_.pictures,
            .max_queries = max_queries,
            .query_heads = p_.heads,
            .key_heads = p_.heads,
            .width = p_.width,
            .divisor = std::sqrt(static_cast<float>(p_.width)),
            .processors = p_.processors};
  }

  // Queries and text attend to each other.
  void attend_to_itself() {
    const std::int32_t d = sizes_.hidden;
    ProductGroup queries = group(sizes_.queries, b_.queries, w_.heads, work_.heads);
    queries.out_rows = b_.query_rows;
    normalise(queries, w_.query_input, work_.x);
    ProductGroup text = group(p_.text, b_.text, w_.heads, work_.heads);
    text.out_rows = b_.text_rows;
    normalise(text, w_.text_input, work_.x);
    multiply(product(d, 3 * d, true), queries, text);

    const std::ptrdiff_t part = std::ptrdiff_t{2} * d;
    const AttentionBuffers buffers{.queries = work_.heads,
                                   .keys = work_.heads + part,
                                   .values = work_.heads + 2 * part,
                                   .query_pitch = 3 * d,
                                   .key_pitch = 3 * d,
                                   .value_pitch = 3 * d,
                                   .out_pitch = d,
                                   .query_offsets = b_.offsets,
                                   .key_offsets = b_.offsets,
                                   .bias = nullptr,
                                   .out = work_.seen};
    then([&](bool overlaps) { return attend(attention(p_.max_rows), buffers, stream_, overlaps); });
    ProductGroup out = group(sizes_.rows, work_.seen, w_.self_output, work_.sums);
    out.residual = work_.x;
    multiply(product(d, d, false), out);
  }

  // The queries alone look at the pictures.
  void attend_to_pictures() {
    const std::int32_t d = sizes_.hidden;
    ProductGroup queries = group(sizes_.queries, work_.sums, w_.cross_query, work_.cross_heads);
    queries.in_rows = b_.query_rows;
    normalise(queries, w_.self_norm, work_.query_x);
    multiply(product(d, d, true), queries);

    const AttentionBuffers buffers{.queries = work_.cross_heads,
                                   .keys = b_.image_keys,
                                   .values = b_.image_values,
                                   .query_pitch = d,
                                   .key_pitch = b_.image_pitch,
                                   .value_pitch = b_.image_pitch,
                                   .out_pitch = d,
                                   .query_offsets = b_.query_offsets,
                                   .key_offsets = b_.image_offsets,
                                   .bias = nullptr,
                                   .out = work_.cross_seen};
    then([&](bool overlaps) { return attend(attention(p_.queries), buffers, stream_, overlaps); });
    ProductGroup out = group(sizes_.queries, work_.cross_seen, w_.cross_output, work_.cross_sums);
    out.residual = work_.query_x;
    multiply(product(d, d, false), out);
  }

  // Queries and text go through weights of their own.
  void feed_forward() {
    const std::int32_t d = sizes_.hidden;
    ProductGroup queries = group(sizes_.queries, p_.looks ? work_.cross_sums : work_.sums,
                                 w_.query_expand, work_.query_inner);
    if (!p_.looks) queries.in_rows = b_.query_rows;
    normalise(queries, p_.looks ? w_.cross_norm : w_.self_norm, work_.query_x);
    ProductGroup text = group(p_.text, work_.sums, w_.text_expand, work_.text_inner);
    text.in_rows = b_.text_rows;
    normalise(text, w_.self_norm, work_.text_x);
    GroupedProductProblem expand = product(d, p_.inner, true);
    expand.activates = true;
    expand.activation = p_.activation;
    multiply(expand, queries, text);

    queries = group(sizes_.queries, work_.query_inner, w_.query_contract, b_.queries);
    queries.residual = work_.query_x;
    text = group(p_.text, work_.text_inner, w_.text_contract, b_.text);
    text.residual = work_.text_x;
    multiply(product(p_.inner, d, false), queries, text);
  }

  const QFormerLayerProblem& p_;
  const QFormerLayerWeights& w_;
  const QFormerLayerBuffers& b_;
  Sizes sizes_;
  void* stream_;
  Workspace work_{};
  bool overlaps_ = false;
  int status_ = 0;
};

}  // namespace

std::size_t qformer_layer_workspace(const QFormerLayerProblem& problem) {
  Pieces pieces(nullptr);
  divide(problem, pieces);
  return pieces.bytes();
}

const char* qformer_layer_refuses(const QFormerLayerProblem& p) {
  if (p.width < 8 || p.width > 128 || p.width % 8 != 0) {
    return "heads are 8 to 128 wide, in steps of 8";
  }
  if (p.heads < 1 || p.heads * p.width > 1024) return "rows are at most 1024 wide";
  if (p.inner < 8 || p.inner % 8 != 0) return "a feed-forward is as wide as a multiple of 8";
  return nullptr;
}

int run_qformer_layer(const QFormerLayerProblem& problem, const QFormerLayerWeights& weights,
                      const QFormerLayerBuffers& buffers, void* stream, bool overlaps_previous) {
  return Layer(problem, weights, buffers, stream).run(overlaps_previous);
}

}  // namespace instructblip::kernels::cuda
