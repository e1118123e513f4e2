#include "costs/stage_costs.h"

#include <algorithm>
#include <variant>

namespace instructblip::costs {
namespace {

using Part = double Elements::*;

// A matrix of so many elements, by which `rows` are multiplied.
Cost product(Part part, double elements, double rows) {
  Cost cost{.flops = 2 * elements * rows};
  cost.weights.*part = elements;
  cost.products.*part = cost.flops;
  return cost;
}

// Two products of `width` for each pair of a query and a key.
double attention_flops(double pairs, double width) { return 4 * pairs * width; }

// A layer of a pre-norm encoder of pictures: queries, keys, values and output, two linear layers.
Cost encoder_layer(double hidden, double feed_forward, double rows) {
  Cost cost = product(&Elements::vision, 4 * hidden * hidden + 2 * hidden * feed_forward, rows);
  cost.flops += attention_flops(rows * rows, hidden);
  return cost;
}

template <typename Config>
Cost patches(const Config& config) {
  const double side = static_cast<double>(config.patches_per_side());
  const double inputs = 3.0 * static_cast<double>(config.patch_size * config.patch_size);
  Cost cost = product(&Elements::vision, static_cast<double>(config.hidden) * inputs, side * side);
  cost.products = {};  // a convolution, of float32 whatever the matrices are held in
  return cost;
}

template <typename Config>
Cost picture(const Config& config, std::int64_t layers) {
  const auto rows = static_cast<double>(config.positions());
  return patches(config) + times(encoder_layer(static_cast<double>(config.hidden),
                                               static_cast<double>(config.feed_forward), rows),
                                 static_cast<double>(layers));
}

Cost one_view(const VitConfig& config) { return picture(config, config.layers); }

// Layers behind the last one whose output is asked for are not run.
Cost one_view(const ClipVisionConfig& config) {
  return picture(config, std::ranges::max(config.feature_layers));
}

// The queries look at the picture: all layers in which they do.
Cost cross_attention(const QFormerConfig& c, std::int64_t positions) {
  const auto hidden = static_cast<double>(c.hidden);
  const auto queries = static_cast<double>(c.queries);
  const auto seen = static_cast<double>(positions);
  Cost layer =
      product(&Elements::qformer, 2 * hidden * hidden, queries) +
      product(&Elements::qformer, 2 * hidden * static_cast<double>(c.encoder_hidden), seen);
  layer.flops += attention_flops(queries * seen, hidden);
  const std::int64_t layers = (c.layers + c.cross_attention_every - 1) / c.cross_attention_every;
  return times(layer, static_cast<double>(layers));
}

// What the projector is made of; where the checkpoint decides, the published ones have two layers.
Cost project(const MlpProjectionConfig& config, const ProjectedRows& of) {
  const auto from = static_cast<double>(of.from);
  const auto to = static_cast<double>(of.to);
  const bool two = config.two_layers.value_or(true);
  return product(&Elements::projection, from * to + (two ? to * to : 0),
                 static_cast<double>(of.rows));
}
Cost project(const TiledProjectionConfig& config, const ProjectedRows& of) {
  return project(config.mlp, of);
}
Cost project(const LinearProjectionConfig&, const ProjectedRows& of) {
  return product(&Elements::projection, static_cast<double>(of.from) * static_cast<double>(of.to),
                 static_cast<double>(of.rows));
}

// A decoder-only model as sums need it: elements of the matrices of a layer, and of those of them
// that keys and values come from.
struct Decoder {
  double layers, matrices, key_matrices, attention_width, cache_width, head;
};

Decoder decoder_of(const LlamaConfig& c) {
  const auto hidden = static_cast<double>(c.hidden);
  const double queries = static_cast<double>(c.heads * c.head_dim);
  const double keys = static_cast<double>(c.key_value_heads * c.head_dim);
  const double matrices =
      hidden * (2 * queries + 2 * keys) + 3 * hidden * static_cast<double>(c.feed_forward);
  return {.layers = static_cast<double>(c.layers),
          .matrices = matrices,
          .key_matrices = 2 * hidden * keys,
          .attention_width = queries,
          .cache_width = 2 * keys,
          .head = hidden * static_cast<double>(c.answer_rows.value_or(c.vocabulary))};
}

Decoder decoder_of(const OptConfig& c) {
  const auto hidden = static_cast<double>(c.hidden);
  const auto embedding = static_cast<double>(c.embedding_width);
  return {.layers = static_cast<double>(c.layers),
          .matrices = 4 * hidden * hidden + 2 * hidden * static_cast<double>(c.feed_forward),
          .key_matrices = 2 * hidden * hidden,
          .attention_width = hidden,
          .cache_width = 2 * hidden,
          .head = embedding * static_cast<double>(c.vocabulary)};
}

// The next token is told from the last row alone: of the last layer all other rows need keys and
// values, and nothing more.
Cost decoder_prefill(const Decoder& d, double prompt) {
  Cost layer = product(&Elements::language, d.matrices, prompt);
  layer.flops += attention_flops(prompt * (prompt + 1) / 2, d.attention_width);  // causal
  Cost last = product(&Elements::language, d.key_matrices, prompt) +
              product(&Elements::language, d.matrices - d.key_matrices, 1);
  last.flops += attention_flops(prompt, d.attention_width);
  layer.cached = last.cached = prompt * d.cache_width;
  return times(layer, d.layers - 1) + last + product(&Elements::head, d.head, 1);
}

// Keys and values: of the prompt once for all rows, of what is behind it for each, and the new
// ones.
Cost decoder_step(const Decoder& d, const DecodeStep& step) {
  const auto rows = static_cast<double>(step.rows);
  const auto prompt = static_cast<double>(step.prompt);
  const auto tail = static_cast<double>(step.before) + 1;  // itself included
  Cost layer = product(&Elements::language, d.matrices, rows);
  layer.flops += attention_flops(rows * (prompt + tail), d.attention_width);
  layer.cached = (prompt + rows * tail) * d.cache_width;
  return times(layer, d.layers) + product(&Elements::head, d.head, rows);
}

struct T5Sizes {
  double hidden, inner, feed_forward;  // inner: of all heads

  explicit T5Sizes(const T5Config& c)
      : hidden(static_cast<double>(c.hidden)),
        inner(static_cast<double>(c.heads * c.key_value)),
        feed_forward((c.gated ? 3 : 2) * hidden * static_cast<double>(c.feed_forward)) {}
};

// `own` positions of each hypothesis, the new one included.
Cost t5_step(const T5Config& c, const DecodeStep& step, std::int64_t own) {
  const T5Sizes size(c);
  const auto rows = static_cast<double>(step.rows);
  const auto prompt = static_cast<double>(step.prompt);
  const auto tail = static_cast<double>(own);
  // Four matrices of self-attention, two of cross-attention: keys and values of the prompt are
  // there.
  Cost layer = product(&Elements::language, 6 * size.hidden * size.inner + size.feed_forward, rows);
  layer.flops += attention_flops(rows * (prompt + tail), size.inner);
  layer.cached = 2 * size.inner * (prompt + rows * tail);
  return times(layer, static_cast<double>(c.decoder_layers)) +
         product(&Elements::head, size.hidden * static_cast<double>(c.vocabulary), rows);
}

Cost t5_encoder(const T5Config& c, double prompt) {
  const T5Sizes size(c);
  Cost layer =
      product(&Elements::language, 4 * size.hidden * size.inner + size.feed_forward, prompt);
  layer.flops += attention_flops(prompt * prompt, size.inner);
  Cost memory = product(&Elements::language, 2 * size.hidden * size.inner, prompt);
  memory.cached = 2 * size.inner * prompt;
  return times(layer, static_cast<double>(c.encoder_layers)) +
         times(memory, static_cast<double>(c.decoder_layers));
}

std::vector<Cost> prefill(const T5Config& config, std::int64_t prompt) {
  return {t5_encoder(config, static_cast<double>(prompt)), t5_step(config, {1, prompt}, 1)};
}
template <typename Config>
std::vector<Cost> prefill(const Config& config, std::int64_t prompt) {
  return {decoder_prefill(decoder_of(config), static_cast<double>(prompt))};
}

// The start token stands before the first new one.
Cost one_step(const T5Config& config, const DecodeStep& step) {
  return t5_step(config, step, step.before + 2);
}
template <typename Config>
Cost one_step(const Config& config, const DecodeStep& step) {
  return decoder_step(decoder_of(config), step);
}

}  // namespace

Cost times(const Cost& one, double count) {
  return {.weights = one.weights * count,
          .cached = one.cached * count,
          .flops = one.flops * count,
          .products = one.products * count};
}

Cost shared_by(const Cost& one, double count) {
  Cost all = times(one, count);
  all.weights = one.weights;
  return all;
}

Elements& Elements::operator+=(const Elements& other) {
  vision += other.vision;
  qformer += other.qformer;
  projection += other.projection;
  language += other.language;
  head += other.head;
  return *this;
}

Elements Elements::operator*(double factor) const {
  return {vision * factor, qformer * factor, projection * factor, language * factor, head * factor};
}

Cost& Cost::operator+=(const Cost& other) {
  weights += other.weights;
  cached += other.cached;
  flops += other.flops;
  products += other.products;
  return *this;
}

double bytes_of(const Cost& cost, const ElementBytes& held) {
  const Elements& count = cost.weights;
  const Elements& bytes = held.weights;
  return count.vision * bytes.vision + count.qformer * bytes.qformer +
         count.projection * bytes.projection + count.language * bytes.language +
         count.head * bytes.head + cost.cached * held.cached;
}

Cost vision_cost(const VisionConfig& config, std::int64_t views) {
  const Cost one = std::visit([](const auto& c) { return one_view(c); }, config);
  return shared_by(one, static_cast<double>(views));
}

Cost qformer_cost(const QFormerConfig& c, const Readings& of) {
  const auto hidden = static_cast<double>(c.hidden);
  const auto queries = static_cast<double>(c.queries);
  const auto words = static_cast<double>(of.text);
  const double rows = queries + words;
  const double feed_forward = 2 * hidden * static_cast<double>(c.feed_forward);
  Cost layer = product(&Elements::qformer, 4 * hidden * hidden, rows) +
               product(&Elements::qformer, feed_forward, queries);
  layer.flops += attention_flops(rows * rows, hidden);
  const auto layers = static_cast<double>(c.layers);
  Cost one = times(layer, layers) + cross_attention(c, of.positions);
  // Queries alone leave the last layer, in which the text goes through no feed-forward.
  if (of.text > 0) one += times(product(&Elements::qformer, feed_forward, words), layers - 1);
  return shared_by(one, static_cast<double>(of.pictures));
}

Cost projection_cost(const ProjectionConfig& config, const ProjectedRows& rows) {
  return std::visit([&](const auto& c) { return project(c, rows); }, config);
}

std::vector<Cost> prefill_costs(const LanguageConfig& config, std::int64_t prompt) {
  return std::visit([&](const auto& c) { return prefill(c, prompt); }, config);
}

Cost step_cost(const LanguageConfig& config, const DecodeStep& step) {
  return std::visit([&](const auto& c) { return one_step(c, step); }, config);
}

Limit limit_of(std::span<const Pass> passes, const Machine& machine) {
  double by_reading = 0, by_arithmetic = 0;
  for (const Pass& pass : passes) {
    const double reading = pass.bytes / (machine.read_gbps * 1e6);
    const double floats =
        pass.flops - pass.flops_of_8_bits - pass.flops_of_16_bits - pass.flops_of_bf16;
    const auto ms_of = [](double operations, double gops) {
      return operations > 0 ? operations / (gops * 1e6) : 0.0;
    };
    const double computing = ms_of(floats, machine.peak_gflops) +
                             ms_of(pass.flops_of_8_bits, machine.peak_gops_of_8_bits) +
                             ms_of(pass.flops_of_16_bits, machine.peak_gops_of_16_bits) +
                             ms_of(pass.flops_of_bf16, machine.peak_gflops_of_bf16);
    (reading >= computing ? by_reading : by_arithmetic) += std::max(reading, computing);
  }
  return {by_reading + by_arithmetic, by_reading >= by_arithmetic};
}

}  // namespace instructblip::costs
