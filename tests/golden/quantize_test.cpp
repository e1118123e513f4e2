// What quantize() writes must answer as the checkpoint does that is quantised while it is loaded,
// and be refused where it is damaged.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_store.h"
#include "golden/golden_requests.h"
#include "instructblip/quantization.h"
#include "instructblip/retrieval.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;
using namespace test;  // NOLINT: golden requests, files to write

const QuantizeOptions kWithoutProbes = {.probes = 0};

class QuantizeTest : public testing::TestWithParam<std::tuple<const char*, Precision>> {};

TEST_P(QuantizeTest, AnswersAsWhatIsQuantisedWhileItIsLoaded) {
  const auto [name, precision] = GetParam();
  const TempDirectory directory;
  const LoadOptions options{.precision = precision};
  const QuantizeReport report =
      quantize(kCheckpoints / name, directory / "small", options, kWithoutProbes);
  const Pipeline loaded = Pipeline::load(kCheckpoints / name, options);
  const Pipeline written = Pipeline::load(directory / "small");
  EXPECT_EQ(written.info().precision, report.precision);
  EXPECT_EQ(written.info().policy, report.policy);
  EXPECT_EQ(written.info().weight_bytes, loaded.info().weight_bytes);
  EXPECT_EQ(written.info().parameters, loaded.info().parameters);
  EXPECT_EQ(answers_of(written, name), answers_of(loaded, name));
  EXPECT_EQ(logits_of(written, name), logits_of(loaded, name));
}

INSTANTIATE_TEST_SUITE_P(Families, QuantizeTest,
                         testing::Combine(testing::Values("t5_2024", "t5_2026_tied", "vicuna_gqa",
                                                          "blip2_opt", "blip2_mt5", "video_t5",
                                                          "llava_hub", "llava_next_mistral"),
                                          testing::Values(Precision::q8, Precision::q4)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)) +
                                  (std::get<1>(test.param) == Precision::q8 ? "_q8" : "_q4");
                         });

TEST(Quantize, HoldsEachPartAsThePolicyHasIt) {
  const TempDirectory directory;
  LoadOptions options{.precision = Precision::q4};
  options.policy = "vision=q8,qformer=q4,head=half,projection=f32";
  const QuantizeReport report =
      quantize(kCheckpoints / "t5_2024", directory / "small", options, kWithoutProbes);
  EXPECT_EQ(report.policy, "vision=q8,qformer=q4,projection=f32,language=q4,head=half");
  std::set<std::string> parts;
  for (const MatrixError& matrix : report.matrices) {
    parts.insert(matrix.module + " " + matrix.precision);
    EXPECT_GT(matrix.error, 0) << matrix.name;
    EXPECT_GE(matrix.worst_error, matrix.error) << matrix.name;
    EXPECT_LT(matrix.worst_error, matrix.precision == "q8" ? 0.02 : 0.2) << matrix.name;
  }
  EXPECT_EQ(parts, (std::set<std::string>{"vision q8", "qformer q4", "language q4"}));
  const Pipeline written = Pipeline::load(directory / "small");
  EXPECT_EQ(logits_of(written, "t5_2024"),
            logits_of(Pipeline::load(kCheckpoints / "t5_2024", options), "t5_2024"));
  EXPECT_EQ(written.info().policy, report.policy);
}

// What a model answers that may begin with a stop token or with `word`, nothing else.
std::string answer_to_little(const Pipeline& model, const std::vector<float>& logits,
                             std::int32_t word) {
  const Json golden = Json::read(kCheckpoints / "t5_2024" / "golden.json");
  const Json request = golden.at("requests").elements().front();
  GenerationConfig options{.max_new_tokens = 1, .num_beams = 1};
  options.begin_suppress_tokens.emplace();
  for (std::int32_t id = 0; std::cmp_less(id, logits.size()); ++id) {
    const auto& stops = model.info().stop_tokens;
    if (id != word && std::ranges::find(stops, id) == stops.end()) {
      options.begin_suppress_tokens->push_back(id);
    }
  }
  return std::string(
      model.generate(images_of(request).front(), request.at("instruction").string(), options)
          .text());
}

// Whatever was rounded, and however the weights are read then.
TEST(Quantize, LeavesNoAnswerEmpty) {
  const TempDirectory directory;
  quantize(kCheckpoints / "t5_2024", directory / "small", {.precision = Precision::q8},
           kWithoutProbes);
  const Pipeline whole = Pipeline::load(kCheckpoints / "t5_2024");
  const std::vector<float> logits = logits_of(whole, "t5_2024");
  const std::vector<std::int32_t> words = whole.tokenize("a dog on the table").language;
  const auto stops = [&](std::int32_t word) {
    return answer_to_little(whole, logits, word).empty();
  };
  const auto word = std::ranges::find_if(words, stops);
  ASSERT_NE(word, words.end()) << "the whole model never stops at once";
  EXPECT_FALSE(whole.info().quantised);
  for (const Precision precision : {Precision::automatic, Precision::f32, Precision::f16}) {
    const Pipeline written = Pipeline::load(directory / "small", {.precision = precision});
    EXPECT_TRUE(written.info().quantised);
    EXPECT_FALSE(answer_to_little(written, logits, *word).empty()) << written.info().precision;
  }
  const Pipeline loaded = Pipeline::load(kCheckpoints / "t5_2024", {.precision = Precision::q8});
  EXPECT_FALSE(answer_to_little(loaded, logits, *word).empty());
}

// As `half` of what is stored in F32 is not.
TEST(Quantize, HoldsAPartInBf16) {
  const TempDirectory directory;
  const LoadOptions options{.precision = Precision::q8, .policy = "vision=bf16"};
  const QuantizeReport report =
      quantize(kCheckpoints / "t5_2024", directory / "small", options, kWithoutProbes);
  EXPECT_EQ(report.policy, "vision=bf16,qformer=half,projection=half,language=q8,head=q8");
  const Pipeline written = Pipeline::load(directory / "small");
  EXPECT_TRUE(written.info().rounds_rows);
  EXPECT_EQ(logits_of(written, "t5_2024"),
            logits_of(Pipeline::load(kCheckpoints / "t5_2024", options), "t5_2024"));
  const auto stored = std::ranges::count(written.info().tensors, "BF16", &TensorInfo::dtype);
  EXPECT_GT(stored, 0);
  EXPECT_LT(stored, std::ssize(written.info().tensors));
}

// Rows are rounded for whoever asks for few bits, and lets operations be fast.
TEST(Quantize, RoundsRowsWhereFewBitsAreAskedFor) {
  const auto rounds = [](Precision precision, Numerics numerics) {
    return Pipeline::load(kCheckpoints / "t5_2024", {.precision = precision, .numerics = numerics})
        .info()
        .rounds_rows;
  };
  EXPECT_TRUE(rounds(Precision::bf16, Numerics::fast));
  EXPECT_FALSE(rounds(Precision::bf16, Numerics::reference));
  EXPECT_FALSE(rounds(Precision::bf16, Numerics::deterministic));
  EXPECT_FALSE(rounds(Precision::automatic, Numerics::fast));
  EXPECT_FALSE(rounds(Precision::f16, Numerics::fast));
  EXPECT_TRUE(rounds(Precision::q4, Numerics::automatic));
}

// The smaller numbers of the same matrix, times their scales, are what it was rounded to. How far
// rows are rounded beside that depends on the processor, so here they are not.
TEST(Quantize, IsReadAsFloat32WhereThatIsAskedFor) {
  const TempDirectory directory;
  quantize(kCheckpoints / "vicuna_2024", directory / "small", {.precision = Precision::q8},
           kWithoutProbes);
  const Pipeline wide = Pipeline::load(directory / "small", {.precision = Precision::f32});
  EXPECT_EQ(wide.info().precision, "f32");
  EXPECT_EQ(wide.info().numerics, Pipeline::load(kCheckpoints / "vicuna_2024").info().numerics);
  const Pipeline small = Pipeline::load(directory / "small", {.kernels = "packed_linear=portable"});
  const std::vector<float> expected = logits_of(small, "vicuna_2024");
  const std::vector<float> got = logits_of(wide, "vicuna_2024");
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-4) << i;
}

TEST(Quantize, ComparesWhatItWritesWithTheWholeModel) {
  const TempDirectory directory;
  const QuantizeReport report = quantize(kCheckpoints / "t5_2024", directory / "small",
                                         {.precision = Precision::q4}, {.probes = 3});
  ASSERT_EQ(report.probes.size(), 3u);
  const Pipeline whole = Pipeline::load(kCheckpoints / "t5_2024");
  for (const Probe& probe : report.probes) {
    EXPECT_GT(probe.divergence, 0);
    EXPECT_LT(probe.divergence, 10);
    EXPECT_EQ(probe.first_difference < 0, probe.tokens == probe.quantized_tokens);
    if (probe.first_difference <= 0) continue;
    const auto at = static_cast<std::size_t>(probe.first_difference);
    EXPECT_TRUE(std::equal(probe.tokens.begin(), probe.tokens.begin() + probe.first_difference,
                           probe.quantized_tokens.begin()));
    if (at < std::min(probe.tokens.size(), probe.quantized_tokens.size())) {
      EXPECT_NE(probe.tokens[at], probe.quantized_tokens[at]);
    }
  }
  const Json request =
      Json::read(kCheckpoints / "t5_2024/golden.json").at("requests").elements()[0];
  const QuantizeReport own =
      quantize(kCheckpoints / "t5_2024", directory / "other", {.precision = Precision::q8},
               {.requests = {{.pictures = images_of(request),
                              .instruction = request.at("instruction").string(),
                              .options = options_of(request.at("options"))}}});
  ASSERT_EQ(own.probes.size(), 1u);
  EXPECT_EQ(own.probes[0].tokens, ids_of(request.at("sequences").elements()[0].at("tokens")));
}

TEST(Quantize, WritesModelsForRetrieval) {
  const TempDirectory directory;
  LoadOptions options{.precision = Precision::q8};
  options.policy = "vision=q8,qformer=q8";
  const QuantizeReport report = quantize(kCheckpoints / "blip2_itm", directory / "small", options);
  EXPECT_TRUE(report.probes.empty());
  EXPECT_FALSE(report.matrices.empty());
  EXPECT_TRUE(ImageTextMatcher::reads(directory / "small"));
  const Image picture =
      Image::open(fs::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/data/images/coffee.jpg");
  const Match written = ImageTextMatcher::load(directory / "small").match(picture, "a cup");
  const Match loaded =
      ImageTextMatcher::load(kCheckpoints / "blip2_itm", options).match(picture, "a cup");
  EXPECT_EQ(written.probability, loaded.probability);
}

// A quantised checkpoint whose tensors are written once more, changed.
void rewrite(const fs::path& directory, const std::function<void(TensorToWrite&)>& change) {
  const fs::path file = directory / "model.safetensors";
  const std::string content = content_of(file);
  std::vector<TensorToWrite> tensors;
  std::vector<std::vector<std::byte>> kept;
  {
    const TensorStore store = TensorStore::open_file(file);
    for (const TensorEntry& entry : store.entries()) {
      kept.emplace_back(entry.bytes.begin(), entry.bytes.end());
      tensors.push_back({entry.name, entry.dtype, entry.shape});
    }
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].bytes = kept[i];
    change(tensors[i]);
  }
  std::erase_if(tensors, [](const TensorToWrite& tensor) { return tensor.name.empty(); });
  write_safetensors(file, tensors);
}

class Damaged : public testing::Test {
 protected:
  void SetUp() override {
    quantize(kCheckpoints / "vicuna_2024", written(), {.precision = Precision::q4}, kWithoutProbes);
  }
  fs::path written() const { return directory_ / "small"; }
  void expect(ErrorCode code, const std::string& message, const LoadOptions& options = {}) {
    const std::string said =
        expect_error(code, message, [&] { Pipeline::load(written(), options); });
    EXPECT_NE(said.find("hint: "), std::string::npos) << said;
  }
  void change_config(const std::string& from, const std::string& to) {
    std::string config = content_of(written() / "config.json");
    const std::size_t at = config.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << config;
    directory_.write("small/config.json", config.replace(at, from.size(), to));
  }

  const TempDirectory directory_;
};

constexpr const char* kMatrix = "language_model.model.layers.0.mlp.up_proj.weight";

TEST_F(Damaged, LaterFormatsAreRefused) {
  change_config("\"format\": 1", "\"format\": 2");
  expect(ErrorCode::unsupported, "quantization_config: format 2, expected 1 at most");
  change_config("\"format\": 2", "\"format\": \"1\"");
  expect(ErrorCode::bad_model, "quantization_config: expected a format");
}

TEST_F(Damaged, ADescriptionThatSaysTooLittleIsRefused) {
  change_config("\"weights\": \"q4\"", "\"weights\": \"q5\"");
  expect(ErrorCode::bad_model, "weights 'q5', expected \"q8\" or \"q4\"");
}

TEST_F(Damaged, WeightsWithoutTheirConfigAreRefused) {
  change_config("\"quantization_config\"", "\"another_config\"");
  expect(ErrorCode::unsupported, "quantised by instructblip (q");
}

TEST_F(Damaged, MissingScalesAreNamed) {
  rewrite(written(), [](TensorToWrite& tensor) {
    if (tensor.name == std::string(kMatrix) + "_scale") tensor.name.clear();
  });
  expect(ErrorCode::bad_model, std::string(kMatrix) + "_scale is missing");
}

TEST_F(Damaged, ShapesThatDoNotFitAreNamed) {
  rewrite(written(), [](TensorToWrite& tensor) {
    if (tensor.name == std::string(kMatrix) + "_scale")
      tensor.shape = {tensor.shape[0] * tensor.shape[1]};
  });
  expect(ErrorCode::bad_model, "_scale is F16 [");
}

TEST_F(Damaged, ScalesThatAreNoNumbersAreNamed) {
  static std::vector<std::byte> scales;
  rewrite(written(), [](TensorToWrite& tensor) {
    if (tensor.name != std::string(kMatrix) + "_scale") return;
    scales.assign(tensor.bytes.begin(), tensor.bytes.end());
    scales[4] = scales[5] = std::byte{0xFF};
    tensor.bytes = scales;
  });
  expect(ErrorCode::bad_model, std::string(kMatrix) + ": scale number 2");
}

TEST_F(Damaged, OtherBitsThanThoseWrittenAreRefused) {
  expect(ErrorCode::invalid_argument, "expected what", {.precision = Precision::q8});
  LoadOptions options{.precision = Precision::q4};
  options.policy = "head=q4";
  expect(ErrorCode::invalid_argument, "and no other policy", options);
  options = {};
  options.overlays = {kCheckpoints / "vicuna_2024"};
  expect(ErrorCode::unsupported, "over which nothing can be laid", options);
}

TEST(Quantize, RefusesWhatItCannotDoAndLeavesNothing) {
  const TempDirectory directory;
  const auto refused = [&](ErrorCode code, const std::string& message, const LoadOptions& options,
                           const QuantizeOptions& how) {
    expect_error(code, message,
                 [&] { quantize(kCheckpoints / "t5_2024", directory / "small", options, how); });
  };
  const LoadOptions q8{.precision = Precision::q8};
  refused(ErrorCode::invalid_argument, "precision: expected q8 or q4", {}, {});
  refused(ErrorCode::invalid_argument, "max_shard_bytes", q8, {.max_shard_bytes = 0});
  refused(ErrorCode::invalid_argument, "probes", q8, {.probes = 65});
  for (const auto& [policy, message] : {std::pair{"vision", "policy: expected MODULE=BITS"},
                                        std::pair{"eyes=q8", "policy: expected a module"},
                                        std::pair{"vision=q9", "behind 'vision'"},
                                        std::pair{"vision=q8,", "policy: expected MODULE=BITS"}}) {
    LoadOptions options = q8;
    options.policy = policy;
    refused(ErrorCode::invalid_argument, message, options, {});
  }
  LoadOptions stopped = q8;
  stopped.progress = [](std::int64_t, std::int64_t) { throw std::runtime_error("stop"); };
  EXPECT_THROW(quantize(kCheckpoints / "t5_2024", directory / "small", stopped),
               std::runtime_error);
  // Also after the weights are written, while the two models are compared.
  const QuantizeOptions late{.on_stage = [](const std::string& what) {
    if (what == "asking what was written") throw std::runtime_error("stop");
  }};
  EXPECT_THROW(quantize(kCheckpoints / "t5_2024", directory / "small", q8, late),
               std::runtime_error);
  EXPECT_TRUE(fs::is_empty(directory.path()));
  quantize(kCheckpoints / "t5_2024", directory / "small", q8, kWithoutProbes);
  refused(ErrorCode::invalid_argument, "there is something of this name already", q8, {});
  expect_error(ErrorCode::unsupported, "are q8 already", [&] {
    quantize(directory / "small", directory / "smaller", {.precision = Precision::q4});
  });
  LoadOptions without{.precision = Precision::f16};
  without.policy = "vision=q8";
  expect_error(ErrorCode::invalid_argument, "policy: expected none",
               [&] { Pipeline::load(kCheckpoints / "t5_2024", without); });
}

}  // namespace
}  // namespace instructblip
