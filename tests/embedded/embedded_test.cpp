#include <gtest/gtest.h>
#include <instructblip/pipeline.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>

#include "pages.h"

namespace {

using namespace world;
using instructblip::Pipeline;

/// Shares of answers that are the reference's token by token, below which rounding has gone wrong.
constexpr double kEqualInBf16 = 0.98, kEqualIn8Bits = 0.97, kEqualIn4Bits = 0.9;

class EmbeddedModel : public testing::TestWithParam<const char*> {
 protected:
  /// One per model and process: every test only reads it.
  static const Pipeline& model() {
    static std::map<std::string, Pipeline> loaded;
    const std::string name = GetParam();
    auto found = loaded.find(name);
    if (found == loaded.end()) {
      found = loaded.emplace(name, Pipeline::load(directory_of(name))).first;
    }
    return found->second;
  }

  static const std::vector<Page>& pages() {
    static std::map<std::string, std::vector<Page>> read;
    std::vector<Page>& pages = read[GetParam()];
    if (pages.empty()) pages = read_pages(GetParam(), make_scene);
    return pages;
  }
};

TEST_P(EmbeddedModel, GivesTheReferencesIdsByEveryNumerics) {
  expect_reference_ids_by_every_numerics(GetParam(), pages());
}

// Rounded weights may answer otherwise, but never nothing where there is an answer.
TEST_P(EmbeddedModel, AnswersInFewerBitsToo) {
  const std::pair<instructblip::Precision, double> precisions[] = {
      {instructblip::Precision::bf16, kEqualInBf16},
      {instructblip::Precision::q8, kEqualIn8Bits},
      {instructblip::Precision::q4, kEqualIn4Bits}};
  EXPECT_FALSE(model().info().rounds_rows);
  for (const auto& [precision, equal_share] : precisions) {
    const Pipeline rounded =
        Pipeline::load(directory_of(GetParam()),
                       {.precision = precision, .numerics = instructblip::Numerics::fast});
    EXPECT_EQ(rounded.info().numerics, instructblip::Numerics::fast);
    EXPECT_TRUE(rounded.info().rounds_rows);
    if (precision != instructblip::Precision::bf16) {
      EXPECT_LT(rounded.info().weight_bytes, model().info().weight_bytes);
    }
    int equal = 0, all = 0;
    for (const Page& page : pages()) {
      const auto features = rounded.encode(page.image());
      for (const Answer& answer : page.answers) {
        const auto found =
            rounded.generate(features, answer.instruction, answering(answer.num_beams));
        EXPECT_EQ(found.text().empty(), answer.text.empty()) << answer.instruction;
        equal += found.tokens() == answer.tokens;
        ++all;
      }
    }
    RecordProperty("equal in " + rounded.info().precision, equal);
    EXPECT_GE(equal, equal_share * all) << rounded.info().precision << ", answers: " << all;
  }
}

TEST_P(EmbeddedModel, AnswersRight) {
  std::map<std::string, std::pair<int, int>> right;  // right answers, and all
  for (const Page& page : pages()) {
    const auto features = model().encode(page.image());
    for (const Answer& answer : page.answers) {
      if (answer.type == "question") continue;  // many are right, one is expected
      const auto found =
          model().generate(features, answer.instruction, answering(answer.num_beams));
      auto& [hits, all] = right[answer.type];
      hits += is_same_wording(found.text(), answer.expected);
      ++all;
    }
  }
  // The bars of models/TASK.md; on 50 scenes a model at its bar may fall a few answers short of it.
  for (const auto& [type, bar] : std::map<std::string, double>{{"colour", 0.95},
                                                               {"shape", 0.95},
                                                               {"yes_no", 0.95},
                                                               {"where", 0.95},
                                                               {"count", 0.9},
                                                               {"reading", 0.8}}) {
    const auto& [hits, all] = right[type];
    EXPECT_GE(hits, bar * all - 3) << type << ": " << hits << " of " << all;
  }
}

// Rows are rounded by themselves, whatever they share a batch with: on any processor here.
TEST_P(EmbeddedModel, AnswersABatchInBf16AsOneByOne) {
  const Pipeline rounded =
      Pipeline::load(directory_of(GetParam()), {.precision = instructblip::Precision::bf16,
                                                .numerics = instructblip::Numerics::fast,
                                                .kernels = "packed_linear=bf16_portable"});
  std::vector<instructblip::Request> requests;
  for (const Answer& answer : pages().front().answers) {
    requests.push_back({pages().front().image(), answer.instruction, answering(answer.num_beams)});
  }
  const auto responses = rounded.generate(requests);
  ASSERT_EQ(responses.size(), requests.size());
  for (std::size_t i = 0; i < responses.size(); ++i) {
    ASSERT_TRUE(responses[i].generation) << requests[i].instruction;
    const auto alone =
        rounded.generate(pages().front().image(), requests[i].instruction, requests[i].options);
    EXPECT_EQ(responses[i].generation->tokens(), alone.tokens()) << requests[i].instruction;
  }
}

TEST_P(EmbeddedModel, AnswersABatchAsOneByOne) {
  std::vector<instructblip::Request> requests;
  std::vector<const Answer*> expected;
  for (std::size_t i = 0; i < 5; ++i) {
    for (const Answer& answer : pages()[i].answers) {
      requests.push_back({pages()[i].image(), answer.instruction, answering(answer.num_beams)});
      expected.push_back(&answer);
    }
  }
  const auto responses = model().generate(requests);
  ASSERT_EQ(responses.size(), expected.size());
  for (std::size_t i = 0; i < responses.size(); ++i) {
    ASSERT_TRUE(responses[i].generation) << expected[i]->instruction;
    EXPECT_EQ(responses[i].generation->tokens(), expected[i]->tokens) << expected[i]->instruction;
  }
}

TEST_P(EmbeddedModel, StreamsWhatItAnswers) {
  const Page& page = pages().front();
  for (const Answer& answer : page.answers) {
    std::string streamed;
    instructblip::Control control;
    control.on_token = [&](const instructblip::TokenEvent& event) {
      streamed += event.text;
      return instructblip::Flow::go;
    };
    model().generate(page.image(), answer.instruction, answering(answer.num_beams), control);
    EXPECT_EQ(streamed, answer.text);
  }
}

TEST_P(EmbeddedModel, ReadsTheInstructionInTheQFormerToo) {
  // The same picture, other words: what the Q-Former hands on depends on the instruction, if only
  // by a little: eight queries hold all of a scene of five things.
  const Page& page = pages().front();
  const auto projection = [&](const char* instruction) {
    for (auto& tensor : model().features(page.image(), instruction)) {
      if (tensor.name == "projection") return tensor.values;
    }
    return std::vector<float>();
  };
  const auto one = projection("What color is the object at the top left?");
  const auto other = projection("What does the sign say?");
  ASSERT_EQ(one.size(), other.size());
  ASSERT_FALSE(one.empty());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    difference += std::abs(one[i] - other[i]);
    size += std::abs(one[i]);
  }
  EXPECT_GT(difference, 0.005 * size);
}

/// What scripts/demo_questions.sh asks and README.md shows, about scene 271 of seed 3.
const std::vector<std::pair<std::string, std::string>> kDemo = {
    {"A short image description:",
     "a large pink diamond, a large green circle, a small blue ring, a small black diamond and a "
     "sign"},
    {"What color is the circle?", "green"},
    {"How many diamonds are there?", "2"},
    {"Where is the blue ring?", "left"},
    {"Is the black diamond large?", "no"},
    {"What does the sign say?", "dog"},
    {"Question: What size is the circle? Answer: large. Question: Where is it? Answer:",
     "top right"},
};

std::string read(const std::string& name) {
  std::ifstream file(INSTRUCTBLIP_SOURCE_DIR "/" + name);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(Demo, AnswersRight) {
  const auto model = Pipeline::load(INSTRUCTBLIP_SOURCE_DIR "/models/tiny-t5");
  const std::vector<std::uint8_t> rgb = draw(make_scene(3, 271)).rgb;
  const auto picture = instructblip::Image::view(rgb.data(), kPicturePixels, kPicturePixels);
  for (const auto& [instruction, answer] : kDemo) {
    EXPECT_EQ(model.generate(picture, instruction).text(), answer) << instruction;
  }
}

TEST(Demo, IsWhatTheReadmeShows) {
  const std::string readme = read("README.md"), script = read("scripts/demo_questions.sh");
  for (const auto& [instruction, answer] : kDemo) {
    EXPECT_NE(script.find("ask \"" + instruction + '"'), std::string::npos) << instruction;
    EXPECT_NE(readme.find("| " + instruction + " | " + answer + " |"), std::string::npos)
        << instruction;
  }
}

#ifdef INSTRUCTBLIP_WITH_OPENCV
TEST(Demo, ShowsASceneOfTheWorld) {
  const auto picture = instructblip::Image::open(INSTRUCTBLIP_SOURCE_DIR "/models/scene.png");
  const std::vector<std::uint8_t> rgb = draw(make_scene(3, 271)).rgb;
  ASSERT_EQ(picture.width(), kPicturePixels);
  ASSERT_EQ(picture.height(), kPicturePixels);
  for (int y = 0; y < kPicturePixels; ++y) {
    EXPECT_TRUE(std::equal(picture.row(y), picture.row(y) + 3 * kPicturePixels,
                           rgb.data() + 3 * kPicturePixels * y))
        << y;
  }
}
#endif

INSTANTIATE_TEST_SUITE_P(Models, EmbeddedModel, testing::Values("tiny-t5", "tiny-vicuna"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
