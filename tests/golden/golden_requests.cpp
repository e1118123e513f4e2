#include "golden/golden_requests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace instructblip::test {
namespace {

const std::filesystem::path kImages =
    std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/data/images";

EarlyStopping early_stopping_of(const Json& json) {
  if (json.is_string()) return EarlyStopping::never;
  return json.boolean() ? EarlyStopping::yes : EarlyStopping::no;
}

}  // namespace

std::vector<std::int32_t> ids_of(const Json& json) {
  const std::vector<std::int64_t> wide = json.integers();
  return {wide.begin(), wide.end()};
}

GenerationConfig options_of(const Json& json) {
  GenerationConfig config;
  const auto integer = [&](const char* key, std::optional<int>& out) {
    if (const auto value = json.find(key)) out = static_cast<int>(value->integer());
  };
  const auto number = [&](const char* key, std::optional<double>& out) {
    if (const auto value = json.find(key)) out = value->number();
  };
  integer("max_new_tokens", config.max_new_tokens);
  integer("min_new_tokens", config.min_new_tokens);
  integer("num_beams", config.num_beams);
  integer("num_return_sequences", config.num_return_sequences);
  integer("no_repeat_ngram_size", config.no_repeat_ngram_size);
  number("length_penalty", config.length_penalty);
  number("repetition_penalty", config.repetition_penalty);
  if (const auto value = json.find("early_stopping"))
    config.early_stopping = early_stopping_of(*value);
  return config;
}

bool interpolates(const Json& request) {
  return request.at("options").boolean_or("interpolate_pos_encoding", false);
}

std::vector<Image> images_of(const Json& request) {
  std::vector<Image> images;
  if (const auto several = request.find("images")) {
    for (const Json& name : several->elements()) {
      images.push_back(Image::open(kImages / name.string()));
    }
  } else {
    images.push_back(Image::open(kImages / request.at("image").string()));
  }
  return images;
}

void expect_equal(const Generation& got, const Json& request) {
  const std::vector<Json> want = request.at("sequences").elements();
  ASSERT_EQ(got.sequences.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const Sequence& sequence = got.sequences[i];
    EXPECT_EQ(sequence.tokens, ids_of(want[i].at("tokens"))) << "sequence " << i;
    EXPECT_EQ(sequence.text, want[i].at("text").string()) << "sequence " << i;
    EXPECT_EQ(to_string(sequence.finish_reason), want[i].at("finish_reason").string());
    if (const auto stored = want[i].find("score")) {  // not LAVIS's of a greedy search
      const double score = stored->number();
      EXPECT_NEAR(sequence.score, score, 1e-3 + 1e-4 * std::abs(score)) << "sequence " << i;
    }
  }
}

void expect_golden_answers(const Pipeline& pipeline, const std::string& name, bool interpolating) {
  const Json golden = Json::read(kCheckpoints / name / "golden.json");
  for (const Json& request : golden.at("requests").elements()) {
    if (interpolates(request) != interpolating) continue;
    SCOPED_TRACE(request.at("name").string());
    expect_equal(pipeline.generate(images_of(request), request.at("instruction").string(),
                                   options_of(request.at("options"))),
                 request);
  }
}

std::vector<std::vector<std::int32_t>> answers_of(const Pipeline& pipeline,
                                                  const std::string& name) {
  std::vector<std::vector<std::int32_t>> answers;
  const Json golden = Json::read(kCheckpoints / name / "golden.json");
  for (const Json& request : golden.at("requests").elements()) {
    if (interpolates(request) || answers.size() == 3) continue;
    answers.push_back(pipeline
                          .generate(images_of(request), request.at("instruction").string(),
                                    options_of(request.at("options")))
                          .tokens());
  }
  return answers;
}

std::vector<float> logits_of(const Pipeline& pipeline, const std::string& name) {
  const Json golden = Json::read(kCheckpoints / name / "golden.json");
  const Json request = golden.at("requests").elements().front();
  auto features = pipeline.features(images_of(request), request.at("instruction").string());
  return std::ranges::find(features, "logits", &NamedTensor::name)->values;
}

}  // namespace instructblip::test
