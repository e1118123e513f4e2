#include "exam.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report.h"

namespace world {
namespace {

Scene two_objects() {
  Scene scene;
  scene.objects = {{.shape = 0, .colour = 0, .size = 1, .cell = 0},   // a large red circle
                   {.shape = 5, .colour = 2, .size = 0, .cell = 8}};  // a small blue ring
  return scene;
}

TEST(Exam, AsksOneOfEachTypeThatASceneHas) {
  const Exam exam = draw_exam(make_scene(41, 0), 41, 0);
  std::set<Type> types;
  for (const Sample& sample : exam.trained) EXPECT_TRUE(types.insert(sample.type).second);
  EXPECT_GE(types.size(), 8U);
  EXPECT_EQ(exam.new_form.size(), 1U);
  const Exam again = draw_exam(make_scene(41, 0), 41, 0);
  ASSERT_EQ(again.held_out.size(), exam.held_out.size());
  EXPECT_EQ(again.held_out.back().instruction, exam.held_out.back().instruction);
}

TEST(CrowdedExam, AsksAboutOneObjectAtATime) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    const Exam exam = draw_crowded_exam(make_crowded_scene(42, i), 42, i);
    for (const auto* samples : {&exam.trained, &exam.held_out}) {
      ASSERT_EQ(samples->size(), kAboutOneObject.size());
      for (std::size_t k = 0; k < samples->size(); ++k) {
        EXPECT_EQ((*samples)[k].type, kAboutOneObject[k]);
        EXPECT_NE((*samples)[k].form, kHeldOutForm);
      }
    }
    ASSERT_EQ(exam.new_form.size(), 1U);
    EXPECT_EQ(exam.new_form.front().form, kHeldOutForm);
  }
}

TEST(Exam, ComparesShortAnswersWithoutCase) {
  const Sample sample{Type::where, "where", {}, {}, "top left"};
  EXPECT_TRUE(is_right(two_objects(), sample, " Top left\n"));
  EXPECT_FALSE(is_right(two_objects(), sample, "top"));
  EXPECT_FALSE(is_right(two_objects(), sample, "top left."));
  EXPECT_FALSE(is_right(two_objects(), sample, ""));
}

TEST(Exam, ComparesCaptionsByTheObjectsTheyName) {
  const Sample sample{Type::caption, "caption", {}, {}, caption(two_objects())};
  const auto right = [&](std::string_view text) { return is_right(two_objects(), sample, text); };
  EXPECT_TRUE(right("a large red circle and a small blue ring"));
  EXPECT_TRUE(right("a blue ring and a red circle"));
  EXPECT_TRUE(right("A large blue ring, a red circle and a sign"));  // sizes and signs do not count
  EXPECT_FALSE(right("a red circle"));
  EXPECT_FALSE(right("a red circle, a blue ring and a blue ring"));
  EXPECT_FALSE(right("a red ring and a blue circle"));
  EXPECT_FALSE(right("a red circle, a blue ring and a pink cross"));
}

TEST(Exam, AcceptsAnyQuestionWithTheGivenAnswer) {
  const Sample sample{Type::question, "colour", {}, {"blue"}, "What color is the ring?"};
  const auto right = [&](std::string_view text) { return is_right(two_objects(), sample, text); };
  EXPECT_TRUE(right("What color is the ring?"));
  EXPECT_TRUE(right("what colour is the small object?"));
  EXPECT_TRUE(right("What color is the object at the bottom right?"));
  EXPECT_FALSE(right("What color is the circle?"));  // its answer is red
  EXPECT_FALSE(right("What color is the object?"));  // there are two
  EXPECT_FALSE(right("What color is it?"));
}

TEST(Report, GivesWilsonIntervals) {
  // Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, and 0 of 20.
  const Interval some = wilson({263, 81, 0});
  EXPECT_NEAR(some.low, 0.2553, 5e-5);
  EXPECT_NEAR(some.high, 0.3662, 5e-5);
  const Interval none = wilson({20, 0, 0});
  EXPECT_NEAR(none.low, 0.0, 5e-5);
  EXPECT_NEAR(none.high, 0.1611, 5e-5);
  EXPECT_EQ(wilson({}).high, 1);
}

TEST(Attention, IsSharedOutAmongCells) {
  std::vector<float> weights(81, 1.0F);
  EXPECT_NEAR(share_on_cell(weights, 9, 4), 1.0 / 9, 1e-9);
  weights.assign(81, 0.0F);
  weights[3 * 9 + 5] = 3;  // the last column of the middle cell
  weights[2 * 9 + 5] = 1;  // the row above it
  EXPECT_NEAR(share_on_cell(weights, 9, 4), 0.75, 1e-9);
  EXPECT_NEAR(share_on_cell(weights, 9, 1), 0.25, 1e-9);
  EXPECT_EQ(share_on_cell(weights, 9, 5), 0);
}

TEST(Attention, HasAnIntervalOfItsMean) {
  AttentionShares shares;
  for (const double share : {0.2, 0.3, 0.4, 0.5}) shares.add(share);
  // Standard deviation 0.1291, standard error 0.06455.
  EXPECT_NEAR(mean(shares), 0.35, 1e-9);
  EXPECT_NEAR(interval(shares).low, 0.35 - 0.12652, 1e-4);
  EXPECT_NEAR(interval(shares).high, 0.35 + 0.12652, 1e-4);
  Report report{.scenes = 4, .trained = {}, .held_out = {}, .new_form = {}};
  EXPECT_EQ(as_json(report).find("attention"), std::string::npos);
  report.attention = shares;
  EXPECT_EQ(nlohmann::json::parse(as_json(report))["attention"]["n"], 4);
  EXPECT_NE(as_table(report).find("35.0 (22.3–47.7), 4 questions"), std::string::npos)
      << as_table(report);
}

TEST(Report, IsATableAndJson) {
  Report report{.scenes = 4, .trained = {}, .held_out = {}, .new_form = {}};
  report.trained[static_cast<std::size_t>(Type::colour)] = {4, 3, 3};
  report.held_out[static_cast<std::size_t>(Type::colour)] = {4, 4, 4};
  EXPECT_NE(as_table(report).find("| colour | 4 | 75.0 (30.1–95.4) | 100.0 (51.0–100.0) | – |"),
            std::string::npos)
      << as_table(report);
  const auto json = nlohmann::json::parse(as_json(report));
  EXPECT_EQ(json["types"]["colour"]["n"], 4);
  EXPECT_EQ(json["types"]["colour"]["exact"], 3);
  EXPECT_EQ(json["held_out_templates"]["colour"]["exact"], 4);
  EXPECT_FALSE(json["types"].contains("size"));
}

}  // namespace
}  // namespace world
