// Rotary positions against the reference's, a call at a time and packed; see
// make_rotary_goldens.py.
#include "nn/rotary.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"

namespace instructblip {
namespace {

Json cases() {
  return Json::read(std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) /
                    "tests/unit/nn/rotary_goldens.json")
      .at("cases");
}

RopeScaling scaling_of(const Json& row) {
  const auto given = row.find("scaling");
  if (!given) return {};
  using Type = RopeScaling::Type;
  const std::string type = given->at("rope_type").string();
  return {.type = type == "linear"   ? Type::linear
                  : type == "llama3" ? Type::llama3
                                     : Type::dynamic,
          .factor = given->at("factor").number(),
          .low_factor = given->number_or("low_freq_factor", 1.0),
          .high_factor = given->number_or("high_freq_factor", 4.0),
          .original_positions =
              given->integer_or("original_max_position_embeddings", row.at("longest").integer())};
}

nn::RotaryEmbedding embedding_of(const nn::Runtime& runtime, const Json& row) {
  return {runtime, row.at("head_dim").integer(), row.at("theta").number(), scaling_of(row)};
}

// The cosines and sines of the last of `rows`: what becomes of a row of ones, then zeros.
std::vector<double> last_turn(const nn::Rotation& rotation, std::int64_t rows, std::int64_t half) {
  const std::vector<std::int64_t> shape = {rows, 1, half};
  const at::Tensor turned = rotation.apply(at::cat({at::ones(shape), at::zeros(shape)}, -1));
  const at::Tensor flat = turned.contiguous().view({-1, 2 * half});
  const float* last = flat.const_data_ptr<float>() + (flat.size(0) - 1) * 2 * half;
  return {last, last + 2 * half};
}

void expect_turn(const std::vector<double>& turn, const Json& call) {
  std::vector<double> expected = call.at("cosine").numbers();
  const std::vector<double> sines = call.at("sine").numbers();
  expected.insert(expected.end(), sines.begin(), sines.end());
  ASSERT_EQ(turn.size(), expected.size());
  // An angle is a position times a frequency, rounded to float32.
  for (std::size_t i = 0; i < turn.size(); ++i) EXPECT_NEAR(turn[i], expected[i], 1e-4) << i;
}

TEST(RotaryEmbedding, TurnsAsTheReferenceInItsOwnRun) {
  const nn::Runtime runtime;
  for (const Json& row : cases().elements()) {
    const nn::RotaryEmbedding embedding = embedding_of(runtime, row);
    const std::int64_t half = row.at("head_dim").integer() / 2;
    for (const Json& call : row.at("calls").elements()) {
      SCOPED_TRACE(call.where());
      const std::int64_t first = call.at("first").integer(), count = call.at("count").integer();
      nn::RowPlaces places;
      for (std::int64_t i = 0; i < count; ++i) places.positions.push_back(first + i);
      places.lengths.assign(places.positions.size(), first + count);
      expect_turn(last_turn(embedding.of(places), count, half), call);
    }
  }
}

TEST(RotaryEmbedding, TurnsEachRowByTheLengthOfItsOwnRequest) {
  const nn::Runtime runtime;
  for (const Json& row : cases().elements()) {
    const nn::RotaryEmbedding embedding = embedding_of(runtime, row);
    const std::int64_t half = row.at("head_dim").integer() / 2;
    // Beside rows of much longer and much shorter requests.
    for (const Json& call : row.at("calls").elements()) {
      SCOPED_TRACE(call.where());
      const std::int64_t length = call.at("first").integer() + call.at("count").integer();
      const nn::RowPlaces places{{0, 7999, 3, length - 1}, {1, 8000, 4, length}};
      expect_turn(last_turn(embedding.of(places), 4, half), call);
    }
  }
}

// The text that a dynamic embedding has seen before changes nothing: each request is as the first.
TEST(RotaryEmbedding, RemembersNoEarlierRequest) {
  const nn::Runtime runtime;
  const nn::RotaryEmbedding embedding(
      runtime, 8, 10000.0,
      {.type = RopeScaling::Type::dynamic, .factor = 2.0, .original_positions = 20});
  const nn::RowPlaces places{{24}, {25}};
  const std::vector<double> before = last_turn(embedding.of(places), 1, 4);
  embedding.of({{99}, {100}});
  EXPECT_EQ(last_turn(embedding.of(places), 1, 4), before);
}

}  // namespace
}  // namespace instructblip
