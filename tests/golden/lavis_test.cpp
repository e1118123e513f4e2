// The golden checkpoints as LAVIS itself answers about them: what Compat::lavis stands for. The
// data and the script that made it: README.md in this folder.
#include "config/lavis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "config/retrieval_config.h"
#include "core/file.h"
#include "core/json.h"
#include "golden/golden_requests.h"
#include "image/image_processor.h"
#include "instructblip/pipeline.h"
#include "instructblip/text_processors.h"
#include "pipeline/text_stream.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "text/tokenizer.h"
#include "unit/image/golden_image.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

using namespace test;  // NOLINT: what a golden file asks and expects

const fs::path kSource = INSTRUCTBLIP_SOURCE_DIR;
const fs::path kLavis = kSource / "tests/golden/lavis";

LoadOptions as_lavis() { return {.compat = Compat::lavis}; }

std::vector<std::string> names_with(const std::string& key) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kLavis)) {
    if (entry.path().extension() != ".json") continue;
    if (Json::read(entry.path()).contains(key)) names.push_back(entry.path().stem());
  }
  std::ranges::sort(names);
  return names;
}

// What LAVIS's function of that name takes where nothing is given.
GenerationConfig defaults_of(const Json& golden, const std::string& call) {
  return options_of(golden.at("defaults").at(call));
}

GenerationConfig laid_over(GenerationConfig config, const GenerationConfig& asked) {
  const auto take = [](auto& value, const auto& other) {
    if (other) value = other;
  };
  take(config.max_new_tokens, asked.max_new_tokens);
  take(config.min_new_tokens, asked.min_new_tokens);
  take(config.num_beams, asked.num_beams);
  take(config.num_return_sequences, asked.num_return_sequences);
  take(config.length_penalty, asked.length_penalty);
  take(config.repetition_penalty, asked.repetition_penalty);
  take(config.no_repeat_ngram_size, asked.no_repeat_ngram_size);
  take(config.early_stopping, asked.early_stopping);
  return config;
}

std::string stripped(std::string text) {
  constexpr const char* kSpaces = " \t\n\v\f\r\x1c\x1d\x1e\x1f";
  text.erase(text.find_last_not_of(kSpaces) + 1);
  text.erase(0, text.find_first_not_of(kSpaces));
  return text;
}

class LavisTest : public testing::TestWithParam<std::string> {
 protected:
  const Json golden_ = Json::read(kLavis / (GetParam() + ".json"));
  const Pipeline pipeline_ = Pipeline::load(kCheckpoints / GetParam(), as_lavis());

  Generation answer(const Json& request) const {
    const std::string call = request.at("call").string();
    const GenerationConfig asked = options_of(request.at("options"));
    // generate() is what the pipeline defaults to.
    return pipeline_.generate(
        images_of(request), request.at("instruction").string(),
        call == "generate" ? asked : laid_over(defaults_of(golden_, call), asked));
  }

  // Positions of a prompt, pictures included.
  double positions(const Json& ranking, const std::string& instruction) const {
    const std::size_t text = pipeline_.tokenize(instruction).language.size();
    const auto pictures = static_cast<double>(images_of(ranking).size());
    return static_cast<double>(text) + pictures * pipeline_.info().query_tokens;
  }

  // The longest of the candidates in the segment of the one at `place`.
  static double longest_beside(const std::vector<std::size_t>& lengths, std::size_t place,
                               const Json& ranking) {
    const auto segments = static_cast<std::size_t>(ranking.at("segments").integer());
    const std::size_t size = lengths.size() / segments;
    const std::size_t segment = std::min(place / size, segments - 1);
    const std::size_t end = segment + 1 == segments ? lengths.size() : (segment + 1) * size;
    std::size_t longest = 0;
    for (std::size_t i = segment * size; i < end; ++i) longest = std::max(longest, lengths[i]);
    return static_cast<double>(longest);
  }

  static void expect_near(const std::vector<float>& got, const TensorEntry& entry,
                          const std::string& name) {
    std::vector<float> want(got.size());
    ASSERT_EQ(entry.bytes.size(), want.size() * sizeof(float)) << name;
    std::memcpy(want.data(), entry.bytes.data(), entry.bytes.size());
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      largest = std::max<double>(largest, std::abs(want[i]));
      difference = std::max<double>(difference, std::abs(want[i] - got[i]));
    }
    EXPECT_LE(difference, 1e-4 * largest) << name;
  }
};

TEST_P(LavisTest, AnswersAsLavis) {
  for (const Json& request : golden_.at("requests").elements()) {
    SCOPED_TRACE(request.at("name").string() + ": " + request.at("call").string());
    expect_equal(answer(request), request);
  }
}

// What stands before an answer, and what of the instruction is read.
TEST_P(LavisTest, ReadsTheInstructionAsLavis) {
  int cut = 0;
  for (const Json& request : golden_.at("requests").elements()) {
    SCOPED_TRACE(request.at("name").string());
    const TokenizedText got = pipeline_.tokenize(request.at("instruction").string());
    EXPECT_EQ(got.language, ids_of(request.at("prompt_tokens").at("lm")));
    EXPECT_EQ(got.qformer, ids_of(request.at("prompt_tokens").at("qformer")));
    const Generation generation = answer(request);
    cut += generation.qformer_tokens_cut + generation.prompt_tokens_cut > 0 ? 1 : 0;
  }
  const bool limited =
      pipeline_.info().max_instruction_tokens > 0 || pipeline_.info().language_model == "opt";
  if (limited && golden_.at("requests").size() > 5) {
    EXPECT_GT(cut, 0);
  }
}

TEST_P(LavisTest, StagesComputeAsLavis) {
  const fs::path file = kLavis / (GetParam() + ".safetensors");
  if (!fs::exists(file)) return;
  const TensorStore stages = TensorStore::open_file(file);
  for (const Json& request : golden_.at("requests").elements()) {
    const auto prefix = request.find("stages");
    if (!prefix) continue;
    SCOPED_TRACE(request.at("name").string());
    for (const NamedTensor& got :
         pipeline_.features(images_of(request), request.at("instruction").string())) {
      const TensorEntry* want = stages.find(prefix->string() + "." + got.name);
      if (got.name == "pixel_values" || got.name == "lavis") continue;  // see LavisPixels
      ASSERT_NE(want, nullptr) << got.name;
      ASSERT_EQ(got.shape, want->shape) << got.name;
      expect_near(got.values, *want, got.name);
    }
  }
}

// The losses of LAVIS's predict_class are our scores: minus the sum of T5's, and for Vicuna its
// mean over the queries, the prompt and the longest candidate of a segment.
TEST_P(LavisTest, RanksCandidatesAsLavis) {
  const auto rankings = golden_.find("candidates");
  if (!rankings) return;
  const bool is_mean = pipeline_.info().language_model == "llama";
  for (const Json& ranking : rankings->elements()) {
    SCOPED_TRACE(ranking.at("name").string());
    std::vector<std::string> candidates;
    std::vector<std::size_t> places;  // in the golden lists
    for (std::size_t i = 0; i < ranking.at("candidates").size(); ++i) {
      // Where Vicuna is to say nothing the loss is 0, the best there is; here that is an error.
      const std::string candidate = ranking.at("candidates")[i].string();
      if (candidate.empty() && is_mean) continue;
      candidates.push_back(candidate);
      places.push_back(i);
    }
    const std::string instruction = ranking.at("instruction").string();
    const std::vector<RankedCandidate> got =
        pipeline_.rank(images_of(ranking), instruction, candidates);
    ASSERT_EQ(got.size(), candidates.size());
    std::vector<std::size_t> lengths(ranking.at("candidates").size(), 0);
    for (const RankedCandidate& one : got) lengths[places[one.index]] = one.tokens.size();
    for (const RankedCandidate& one : got) {
      const double loss = ranking.at("losses")[places[one.index]].number();
      const double divisor = is_mean ? positions(ranking, instruction) +
                                           longest_beside(lengths, places[one.index], ranking) - 1
                                     : 1;
      EXPECT_NEAR(-one.score / divisor, loss, 1e-4 * (1 + loss)) << candidates[one.index];
    }
    if (ranking.at("segments").integer() > 1 && is_mean) continue;  // LAVIS takes unlike means
    std::vector<std::int64_t> order;
    for (const RankedCandidate& one : got) {
      order.push_back(static_cast<std::int64_t>(places[one.index]));
    }
    std::vector<std::int64_t> expected = ranking.at("ranks").integers();
    std::erase_if(expected, [&](std::int64_t place) {
      return std::ranges::find(places, static_cast<std::size_t>(place)) == places.end();
    });
    if (!ranking.at("tied").boolean()) {
      EXPECT_EQ(order, expected);
    }
  }
}

// Ids that no model has chosen: bytes that are no character, special tokens in the middle.
TEST_P(LavisTest, DecodesIdsAsLavis) {
  const auto rows = golden_.find("decoded");
  if (!rows) return;
  ModelConfig config = read_model_config(kCheckpoints / GetParam());
  follow_lavis(config);
  const std::map<std::string, TokenizerKind> kinds = {
      {"t5", TokenizerKind::t5}, {"llama", TokenizerKind::llama}, {"opt", TokenizerKind::gpt2}};
  const auto tokenizer =
      load_tokenizer(kCheckpoints / GetParam(), kinds.at(pipeline_.info().language_model),
                     {config.prompt.clean_up_spaces, config.prompt.by_sentencepiece});
  for (const Json& row : rows->elements()) {
    // LAVIS strips LLaMA's and OPT's answers, and Pipeline all.
    TextStream stream(*tokenizer, {});
    std::string got;
    for (const std::int32_t id : ids_of(row.at("ids"))) got += stream.put(id);
    got += stream.finish();
    EXPECT_EQ(got, stripped(row.at("text").string())) << row.dump();
  }
}

// Whatever text_config calls the end token.
TEST(Lavis, NewlineEndsAnswersOfOpt) {
  const TempDirectory directory;
  const fs::path copy = directory / "blip2_opt";
  fs::copy(kCheckpoints / "blip2_opt", copy);
  std::string config = read_file(copy / "config.json", 1 << 20, ErrorCode::bad_model);
  const std::string newline = "\"eos_token_id\": 202";
  ASSERT_NE(config.find(newline), std::string::npos);
  config.replace(config.find(newline), newline.size(), "\"eos_token_id\": 2");
  directory.write("blip2_opt/config.json", config);
  EXPECT_EQ(Pipeline::load(copy).info().stop_tokens, (std::vector<std::int32_t>{2}));
  EXPECT_EQ(Pipeline::load(copy, as_lavis()).info().stop_tokens, (std::vector<std::int32_t>{202}));
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, LavisTest, testing::ValuesIn(names_with("requests")),
                         [](const auto& test) { return test.param; });

TEST(LavisPixels, AreThoseOfBothProcessors) {
  const std::vector<Json> rows = Json::read(kLavis / "pixels.json").at("pixels").elements();
  ASSERT_GE(rows.size(), 9u);
  int cropped = 0;
  for (const Json& row : rows) {
    const std::string name = row.at("image").string();
    SCOPED_TRACE(name + " to " + std::to_string(row.at("size").integer()));
    // LAVIS does not look at how a picture is to be turned.
    const Image image =
        Image::open(kSource / "tests/data/images" / name, {.exif = ExifOrientation::ignore});
    const auto pixels = [&](Geometry geometry) {
      ImageConfig config;
      config.height = config.width = row.at("size").integer();
      follow_lavis(config, geometry);
      return golden::crc(ImageProcessor(config, ResizeMode::pillow13).run(image));
    };
    EXPECT_EQ(pixels(Geometry::squash), row.at("blip_image_eval").string());
    EXPECT_EQ(pixels(Geometry::crop), row.at("clip_image_eval").string());
    cropped += pixels(Geometry::squash) != pixels(Geometry::crop) ? 1 : 0;
  }
  EXPECT_GT(cropped, 2);
}

TEST(LavisTexts, AreThoseOfBothProcessors) {
  const std::vector<Json> rows = Json::read(kLavis / "texts.json").at("texts").elements();
  ASSERT_GE(rows.size(), 30u);
  for (const Json& row : rows) {
    const std::string text = row.at("text").string();
    const int words = static_cast<int>(row.at("max_words").integer());
    EXPECT_EQ(blip_question(text, words), row.at("blip_question").string()) << text;
    EXPECT_EQ(blip_caption(text, words), row.at("blip_caption").string()) << text;
  }
}

TEST(LavisTexts, BadInputIsRefused) {
  expect_error(ErrorCode::invalid_argument, "not valid UTF-8 at byte 2",
               [] { blip_question("ab\xff"); });
  expect_error(ErrorCode::invalid_argument, "max_words: expected at least 1, got 0",
               [] { blip_caption("ab", 0); });
}

TEST(LavisLoad, WhatLavisDoesNotHaveIsRefused) {
  expect_error(ErrorCode::unsupported, "LAVIS has no 'llava'",
               [] { Pipeline::load(kCheckpoints / "llava_hub", as_lavis()); });
  LoadOptions options{.geometry = Geometry::crop};
  expect_error(ErrorCode::invalid_argument, "geometry: expected none with compat hf",
               [&] { Pipeline::load(kCheckpoints / "t5_2024", options); });
  options = as_lavis();
  options.resize = ResizeMode::torchvision;
  expect_error(ErrorCode::invalid_argument, "expected auto, pillow13 or pillow12 with compat lavis",
               [&] { Pipeline::load(kCheckpoints / "t5_2024", options); });
  const TempDirectory directory;
  expect_error(ErrorCode::invalid_argument, "compat: weights are written as they are",
               [&] { convert(kCheckpoints / "t5_2024", directory / "out", as_lavis()); });
}

// configs/models/blip2/blip2_caption_*.yaml, blip2_coco.yaml: vit_precision "fp32".
TEST(LavisLoad, TheVisionOf364PixelsIsNotRounded) {
  constexpr const char* kLayer = "vision_model.encoder.layers.0.mlp.fc1.weight";
  constexpr const char* kWord = "language_model.lm_head.weight";
  for (const auto& [name, type] : {std::pair("blip2_t5", DType::bf16), {"blip2_opt", DType::f16}}) {
    ModelConfig config = read_model_config(kCheckpoints / name);
    follow_lavis(config);
    EXPECT_EQ(config.rounded_to(kLayer), DType::f16);
    EXPECT_EQ(config.rounded_to(kWord), type);
    EXPECT_EQ(config.rounded_to("qformer.layernorm.weight"), std::nullopt);
    EXPECT_EQ(config.rounded_to("vision_model.encoder.layers.0.self_attn.qkv.bias"), std::nullopt);
    std::get<VitConfig>(config.vision).image_size = 364;
    follow_lavis(config);
    EXPECT_EQ(config.rounded_to(kLayer), std::nullopt);
    EXPECT_EQ(config.rounded_to(kWord), type);
  }
  RetrievalConfig retrieval = read_retrieval_config(kCheckpoints / "blip2_itm");
  follow_lavis(retrieval);
  EXPECT_EQ(retrieval.rounded_to(kLayer), DType::f16);
  retrieval.vision.image_size = 364;
  follow_lavis(retrieval);
  EXPECT_EQ(retrieval.rounded_to, nullptr);
}

TEST(LavisLoad, FeaturesOfTheOtherModeAreRefused) {
  const Image image = Image::open(kSource / "tests/data/images/coffee.jpg");
  const Pipeline lavis = Pipeline::load(kCheckpoints / "vicuna_2024", as_lavis());
  const Pipeline hf = Pipeline::load(kCheckpoints / "vicuna_2024");
  const GenerationConfig short_answer{.max_new_tokens = 4};
  const TempDirectory directory;
  lavis.encode(image).save(directory / "lavis.safetensors");
  save_tensors(directory / "stages.safetensors", lavis.features(image));
  hf.encode(image).save(directory / "hf.safetensors");
  for (const char* file : {"lavis.safetensors", "stages.safetensors"}) {
    const ImageFeatures features = ImageFeatures::load(directory / file);
    EXPECT_EQ(lavis.generate(features, "Why?", short_answer).tokens(),
              lavis.generate(image, "Why?", short_answer).tokens());
    expect_error(ErrorCode::invalid_argument, "encoded with compat lavis, expected hf",
                 [&] { hf.generate(features, "Why?", short_answer); });
  }
  const ImageFeatures features = ImageFeatures::load(directory / "hf.safetensors");
  EXPECT_NO_THROW(hf.generate(features, "Why?", short_answer));
  expect_error(ErrorCode::invalid_argument, "encoded with compat hf, expected lavis",
               [&] { lavis.rank(features, "Why?", std::vector<std::string>{"x"}); });
}

// Those of a model that is given no options at all.
TEST(LavisLoad, DefaultsAreThoseOfItsGenerate) {
  const Image image = Image::open(kSource / "tests/data/images/coffee.jpg");
  for (const auto& [name, most, penalty] :
       {std::tuple("t5_2024", 256, 1.5), std::tuple("vicuna_2024", 255, 1.5),
        std::tuple("blip2_opt", 29, 1.0), std::tuple("blip2_t5", 30, 1.0)}) {
    const Pipeline pipeline = Pipeline::load(kCheckpoints / name, as_lavis());
    const GenerationConfig options = pipeline.generate(image, "Why?", {.num_beams = 1}).options;
    EXPECT_EQ(options.max_new_tokens, most) << name;
    EXPECT_EQ(options.min_new_tokens, 0) << name;
    EXPECT_EQ(options.repetition_penalty, penalty) << name;
    EXPECT_EQ(options.length_penalty, 1) << name;
    EXPECT_EQ(options.top_p, 0.9) << name;
    EXPECT_EQ(pipeline.info().compat, Compat::lavis) << name;
  }
}

}  // namespace
}  // namespace instructblip
