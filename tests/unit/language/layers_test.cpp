// One layer of each language model against the formulas of its paper, in double precision.

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/var.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "language/llama/llama_layer.h"
#include "language/opt/opt_layer.h"
#include "language/t5/t5_layer.h"
#include "nn/kv_cache.h"
#include "nn/relative_bias.h"
#include "support/operations.h"
#include "support/weight_files.h"
#include "unit/nn/tensors.h"

namespace instructblip {
namespace {

using test::NamedShapes;

constexpr std::int64_t kRows = 5, kHeads = 4, kHeadWidth = 6, kInner = 11;
constexpr double kTolerance = 1e-5;  // numbers are of the size of 1 to 10

// A layer's weights as its stage reads them, and as double tensors.
class Weights {
 public:
  Weights(const nn::Runtime& runtime, const NamedShapes& shapes)
      : loader_(runtime, test::varied_store(directory_, shapes, test::random_values)) {
    for (const auto& [name, shape] : shapes) {
      const nn::Weights root = loader_.root();
      double_[name] = shape.size() == 1 ? root.vector(name, shape).to(at::kDouble)
                                        : root.matrix(name, shape).values().to(at::kDouble);
    }
  }

  nn::Weights root() { return loader_.root(); }
  const at::Tensor& operator[](const std::string& name) const { return double_.at(name); }
  // x W^T + b, b where there is one.
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    const at::Tensor y = at::matmul(x, double_.at(name + ".weight").t());
    const auto bias = double_.find(name + ".bias");
    return bias == double_.end() ? y : y + bias->second;
  }

 private:
  test::TempDirectory directory_;
  nn::WeightLoader loader_;
  std::map<std::string, at::Tensor> double_;
};

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x * at::rsqrt(x.pow(2).mean(-1, true) + eps) * weight;
}

at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return (x - x.mean(-1, true)) * at::rsqrt(x.var(-1, /*unbiased=*/false, true) + 1e-5) * weight +
         bias;
}

// q [N, H * d], k and v [M, G * d], bias [H, N, M] or undefined.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double divisor,
                     bool causal, const at::Tensor& bias = {}) {
  const auto in_heads = [](const at::Tensor& x) {
    const at::Tensor heads = x.view({x.size(0), -1, kHeadWidth}).transpose(0, 1);
    return at::repeat_interleave(heads, kHeads / heads.size(0), 0);
  };
  at::Tensor scores = at::matmul(in_heads(q), in_heads(k).transpose(1, 2)) / divisor;
  if (bias.defined()) scores = scores + bias;
  if (causal) {
    const at::Tensor later =
        at::ones({scores.size(1), scores.size(2)}, at::dtype(at::kBool)).triu(1);
    scores = scores.masked_fill(later, -std::numeric_limits<double>::infinity());
  }
  return at::matmul(at::softmax(scores, -1), in_heads(v))
      .transpose(0, 1)
      .reshape({q.size(0), kHeads * kHeadWidth});
}

// Heads of x [N, n * d] turned to the positions 0 .. N - 1.
at::Tensor rotated(const at::Tensor& x, double theta) {
  const at::Tensor flat = x.to(at::kFloat).contiguous();
  at::Tensor turned = at::empty(x.sizes(), at::dtype(at::kDouble));
  for (std::int64_t i = 0; i < x.numel(); i += kHeadWidth) {
    const auto y =
        test::rotary({flat.const_data_ptr<float>() + i, static_cast<std::size_t>(kHeadWidth)},
                     i / x.size(1), theta);
    std::copy(y.begin(), y.end(), turned.mutable_data_ptr<double>() + i);
  }
  return turned;
}

// What a layer sees that reads one sequence.
class Layer : public testing::TestWithParam<nn::Numerics> {
 protected:
  Layer() : one_(pool_), caches_{&one_} { one_.begin_sequence(kRows); }
  nn::Rows rows() const { return {parts_, nn::Rows::Kind::sequence, caches_}; }

  const nn::Runtime runtime_{1, GetParam()};
  const std::vector<nn::Part> parts_ = {{0, kRows}};
  nn::KvPool pool_{runtime_, 1, kHeads, kHeadWidth};
  nn::KvCache one_;
  std::vector<nn::KvCache*> caches_;
};

TEST_P(Layer, OfLlama) {
  constexpr std::int64_t kHidden = 10, kKeyHeads = 2;
  Weights weights(runtime_, {{"input_layernorm.weight", {kHidden}},
                             {"post_attention_layernorm.weight", {kHidden}},
                             {"self_attn.q_proj.weight", {kHeads * kHeadWidth, kHidden}},
                             {"self_attn.k_proj.weight", {kKeyHeads * kHeadWidth, kHidden}},
                             {"self_attn.v_proj.weight", {kKeyHeads * kHeadWidth, kHidden}},
                             {"self_attn.o_proj.weight", {kHidden, kHeads * kHeadWidth}},
                             {"mlp.gate_proj.weight", {kInner, kHidden}},
                             {"mlp.up_proj.weight", {kInner, kHidden}},
                             {"mlp.down_proj.weight", {kHidden, kInner}}});
  LlamaConfig config;
  config.hidden = kHidden;
  config.feed_forward = kInner;
  config.heads = kHeads;
  config.key_value_heads = kKeyHeads;
  config.head_dim = kHeadWidth;
  config.rope_theta = 100.0;
  const LlamaLayer layer(weights.root(), config, 0);
  std::vector<std::int64_t> positions(kRows);
  std::iota(positions.begin(), positions.end(), 0);
  const nn::Rotation rotation =
      nn::RotaryEmbedding(runtime_, kHeadWidth, config.rope_theta, {}).of({positions, positions});
  const nn::KvPool pool(runtime_, 1, kKeyHeads, kHeadWidth);
  nn::KvCache cache(pool);
  cache.begin_sequence(kRows);
  const std::vector<nn::KvCache*> caches = {&cache};
  const at::Tensor x = wave({kRows, kHidden}, 0.4);
  const nn::Rows rows{parts_, nn::Rows::Kind::sequence, caches};
  const at::Tensor got = layer.forward(x, rotation, rows, nn::Needed::all);

  const at::Tensor given = x.to(at::kDouble);
  const at::Tensor n = rms_norm(given, weights["input_layernorm.weight"], config.rms_norm_eps);
  const auto turned = [&](const char* name) {
    return rotated(weights.linear(name, n), config.rope_theta);
  };
  const at::Tensor attended =
      attention(turned("self_attn.q_proj"), turned("self_attn.k_proj"),
                weights.linear("self_attn.v_proj", n), std::sqrt(kHeadWidth), /*causal=*/true);
  const at::Tensor h = given + weights.linear("self_attn.o_proj", attended);
  const at::Tensor m = rms_norm(h, weights["post_attention_layernorm.weight"], config.rms_norm_eps);
  const at::Tensor gate = weights.linear("mlp.gate_proj", m);
  const at::Tensor inner = gate * at::sigmoid(gate) * weights.linear("mlp.up_proj", m);
  const at::Tensor want = h + weights.linear("mlp.down_proj", inner);
  EXPECT_LT(largest_difference(got, want), kTolerance);

  cache.clear();
  cache.begin_sequence(kRows);
  const at::Tensor last = layer.forward(x, rotation, rows, nn::Needed::last);
  EXPECT_LT(largest_difference(last, want.narrow(0, kRows - 1, 1)), kTolerance);
}

// Norms in front of sub-layers or behind their sums.
TEST_P(Layer, OfOpt) {
  constexpr std::int64_t kHidden = kHeads * kHeadWidth;
  NamedShapes shapes = {{"fc1.weight", {kInner, kHidden}},
                        {"fc1.bias", {kInner}},
                        {"fc2.weight", {kHidden, kInner}},
                        {"fc2.bias", {kHidden}}};
  for (const char* norm : {"self_attn_layer_norm", "final_layer_norm"}) {
    shapes.push_back({std::string(norm) + ".weight", {kHidden}});
    shapes.push_back({std::string(norm) + ".bias", {kHidden}});
  }
  for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
    shapes.push_back({"self_attn." + std::string(name) + ".weight", {kHidden, kHidden}});
    shapes.push_back({"self_attn." + std::string(name) + ".bias", {kHidden}});
  }
  Weights weights(runtime_, shapes);
  const auto norm = [&](const std::string& name, const at::Tensor& x) {
    return layer_norm(x, weights[name + ".weight"], weights[name + ".bias"]);
  };
  for (const bool before : {true, false}) {
    OptConfig config;
    config.hidden = config.embedding_width = kHidden;
    config.feed_forward = kInner;
    config.heads = kHeads;
    config.norm_before = before;
    const OptLayer layer(weights.root(), config, 0);
    one_.clear();
    one_.begin_sequence(kRows);
    const at::Tensor x = wave({kRows, kHidden}, 0.4);
    const at::Tensor got = layer.forward(x, rows(), nn::Needed::all);
    one_.clear();
    one_.begin_sequence(kRows);
    const at::Tensor last = layer.forward(x, rows(), nn::Needed::last);

    const at::Tensor given = x.to(at::kDouble);
    const at::Tensor n = before ? norm("self_attn_layer_norm", given) : given;
    const at::Tensor attended =
        attention(weights.linear("self_attn.q_proj", n), weights.linear("self_attn.k_proj", n),
                  weights.linear("self_attn.v_proj", n), std::sqrt(kHeadWidth), /*causal=*/true);
    at::Tensor h = given + weights.linear("self_attn.out_proj", attended);
    if (!before) h = norm("self_attn_layer_norm", h);
    const at::Tensor m = before ? norm("final_layer_norm", h) : h;
    at::Tensor want = h + weights.linear("fc2", at::relu(weights.linear("fc1", m)));
    if (!before) want = norm("final_layer_norm", want);
    EXPECT_LT(largest_difference(got, want), kTolerance) << before;
    EXPECT_LT(largest_difference(last, want.narrow(0, kRows - 1, 1)), kTolerance) << before;
  }
}

NamedShapes t5_attention(const std::string& name, std::int64_t hidden) {
  NamedShapes shapes = {{name + ".o.weight", {hidden, kHeads * kHeadWidth}}};
  for (const char* part : {".q", ".k", ".v"}) {
    shapes.push_back({name + part + ".weight", {kHeads * kHeadWidth, hidden}});
  }
  return shapes;
}

// Attention undivided, with a bias; the heads together are wider than the rows.
TEST_P(Layer, OfT5) {
  constexpr std::int64_t kHidden = 10, kEncoded = 7;
  NamedShapes shapes;
  for (const auto& [index, name] :
       {std::pair{"layer.0", ".SelfAttention"}, {"layer.1", ".EncDecAttention"}}) {
    for (const auto& shape : t5_attention(std::string(index) + name, kHidden)) {
      shapes.push_back(shape);
    }
  }
  for (const char* index : {"layer.0", "layer.1", "layer.2"}) {
    shapes.push_back({std::string(index) + ".layer_norm.weight", {kHidden}});
  }
  for (const char* index : {"layer.1", "layer.2"}) {  // the encoder's, the decoder's
    const std::string name = std::string(index) + ".DenseReluDense";
    shapes.push_back({name + ".wi.weight", {kInner, kHidden}});
    shapes.push_back({name + ".wo.weight", {kHidden, kInner}});
  }
  Weights weights(runtime_, shapes);
  T5Config config;
  config.hidden = kHidden;
  config.feed_forward = kInner;
  config.heads = kHeads;
  config.key_value = kHeadWidth;
  const auto norm = [&](const std::string& index, const at::Tensor& x) {
    return rms_norm(x, weights[index + ".layer_norm.weight"], config.layer_norm_eps);
  };
  const auto attended = [&](const std::string& name, const at::Tensor& x, const at::Tensor& memory,
                            const at::Tensor& bias) {
    return weights.linear(
        name + ".o", attention(weights.linear(name + ".q", x), weights.linear(name + ".k", memory),
                               weights.linear(name + ".v", memory), 1.0, false, bias));
  };
  const auto fed_forward = [&](const std::string& index, const at::Tensor& x) {
    const std::string name = index + ".DenseReluDense";
    return x + weights.linear(name + ".wo", at::relu(weights.linear(name + ".wi", norm(index, x))));
  };

  const at::Tensor x = wave({kRows, kHidden}, 0.4), given = x.to(at::kDouble);
  const std::vector<at::Tensor> biases = {wave({kHeads, kRows, kRows}, 0.7)};
  nn::Rows alone{parts_};
  const nn::RowBiases of_parts(biases);
  alone.biases = &of_parts;
  const at::Tensor n = norm("layer.0", given);
  const at::Tensor h =
      given + attended("layer.0.SelfAttention", n, n, biases.front().to(at::kDouble));
  EXPECT_LT(largest_difference(T5EncoderBlock(weights.root(), config).forward(x, alone),
                               fed_forward("layer.1", h)),
            kTolerance);

  // The decoder's hypotheses at their first position, over what an encoder made.
  const T5DecoderBlock block(weights.root(), config, 0);
  const at::Tensor encoded = wave({kEncoded, kHidden}, 0.9);
  nn::KvCache memory(pool_), cache(pool_);
  memory.begin_sequence(kEncoded);
  const std::vector<nn::KvCache*> memories = {&memory}, caches = {&cache};
  const std::vector<nn::Part> prompt = {{0, kEncoded}}, one = {{0, 1}};
  block.remember(encoded, {prompt, nn::Rows::Kind::sequence, memories});
  const std::vector<std::int32_t> from_nothing = {0};
  cache.begin_step(from_nothing);
  const at::Tensor first = x.narrow(0, 0, 1);
  const at::Tensor got = block.forward(first, {one, nn::Rows::Kind::hypotheses, caches},
                                       {one, nn::Rows::Kind::hypotheses, memories});
  const at::Tensor own = norm("layer.0", first.to(at::kDouble));
  at::Tensor d = first.to(at::kDouble) + attended("layer.0.SelfAttention", own, own, {});
  d = d + attended("layer.1.EncDecAttention", norm("layer.1", d), encoded.to(at::kDouble), {});
  EXPECT_LT(largest_difference(got, fed_forward("layer.2", d)), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Numerics, Layer,
                         testing::Values(nn::Numerics::reference, nn::Numerics::deterministic));

}  // namespace
}  // namespace instructblip
