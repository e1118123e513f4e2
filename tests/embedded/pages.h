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

}  // namespace world
