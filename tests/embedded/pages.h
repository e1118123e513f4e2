/// Scenes of the synthetic world with what the reference answered about them with an embedded
/// model: tests/embedded/MODEL.jsonl, made by tests/golden/embedded_models.py.
#pragma once

#include <gtest/gtest.h>
#include <instructblip/pipeline.h>

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "exam.h"

namespace world {

struct Answer {
  std::string type, instruction, expected, text;
  int num_beams;
  std::vector<std::int32_t> tokens;
};

/// A scene and what the reference answered about it.
struct Page {
  std::vector<std::uint8_t> rgb;
  std::vector<Answer> answers;

  instructblip::Image image() const {
    return instructblip::Image::view(rgb.data(), kPicturePixels, kPicturePixels);
  }
};

inline std::string directory_of(const std::string& model) {
  return std::string(INSTRUCTBLIP_SOURCE_DIR "/models/") + model;
}

/// `draw_scene` is make_scene or make_crowded_scene, by which they were asked.
inline std::vector<Page> read_pages(const std::string& model,
                                    Scene (*draw_scene)(std::uint64_t, std::uint64_t)) {
  std::vector<Page> pages;
  std::ifstream file(INSTRUCTBLIP_SOURCE_DIR "/tests/embedded/" + model + ".jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    Page page{.rgb = draw(draw_scene(json["seed"], json["scene"])).rgb, .answers = {}};
    for (const auto& answer : json["answers"]) {
      page.answers.push_back({answer["type"], answer["instruction"], answer["expected"],
                              answer["text"], answer["num_beams"], answer["tokens"]});
    }
    pages.push_back(std::move(page));
  }
  EXPECT_EQ(pages.size(), 50U);
  return pages;
}

inline instructblip::GenerationConfig answering(int num_beams = 1) {
  instructblip::GenerationConfig config;
  config.max_new_tokens = 60;
  config.num_beams = num_beams;
  return config;
}

inline void expect_reference_ids(const instructblip::Pipeline& model,
                                 const std::vector<Page>& pages) {
  for (const Page& page : pages) {
    const auto features = model.encode(page.image());
    for (const Answer& answer : page.answers) {
      const auto found = model.generate(features, answer.instruction, answering(answer.num_beams));
      EXPECT_EQ(found.tokens(), answer.tokens) << answer.instruction;
      EXPECT_EQ(found.text(), answer.text) << answer.instruction;
    }
  }
}

/// By each numerics by name, and by what the processor makes of `automatic`.
inline void expect_reference_ids_by_every_numerics(const std::string& model,
                                                   const std::vector<Page>& pages) {
  using instructblip::Numerics;
  for (const auto numerics : {Numerics::reference, Numerics::fast, Numerics::automatic}) {
    SCOPED_TRACE(instructblip::to_string(numerics));
    expect_reference_ids(instructblip::Pipeline::load(directory_of(model), {.numerics = numerics}),
                         pages);
  }
}

}  // namespace world
