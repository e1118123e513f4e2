#include "questions.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace world {
namespace {

int index_of(const auto& names, std::string_view value) {
  return static_cast<int>(std::ranges::find(names, value) - names.begin());
}

Object object(std::string_view size, std::string_view colour, std::string_view shape,
              std::string_view place) {
  Object made;
  made.size = index_of(kSizes, size);
  made.colour = index_of(kColours, colour);
  made.shape = index_of(kShapes, shape);
  made.cell = index_of(kPlaces, place);
  return made;
}

/// A red circle, a green one, an orange ring below them, and a sign.
Scene example() {
  Scene scene;
  scene.objects = {object("large", "red", "circle", "top left"),
                   object("small", "green", "circle", "right"),
                   object("small", "orange", "ring", "bottom")};
  scene.sign = Sign{.text = "37", .cell = index_of(kPlaces, "center")};
  return scene;
}

/// All answers that the world has to a question: one, or none where it does not ask it.
std::vector<std::string> answers(const Scene& scene, std::string_view text) {
  std::vector<std::string> found;
  for (const Question& question : all_questions(scene)) {
    if (question.text == text) found.push_back(question.answer);
  }
  return found;
}

using Answers = std::vector<std::string>;

TEST(Questions, AreAnsweredByTheScene) {
  const struct {
    std::string_view text;
    Answers answers;
  } rows[] = {
      {"What color is the ring?", {"orange"}},
      {"What color is the large object?", {"red"}},
      {"What colour is the small circle?", {"green"}},
      {"Which color does the object at the bottom have?", {"orange"}},
      {"What shape is the green object?", {"circle"}},
      {"Which shape does the object at the top left have?", {"circle"}},
      {"What size is the red circle?", {"large"}},
      {"Is the ring small or large?", {"small"}},
      {"What size is the object at the right?", {"small"}},
      {"How many objects are there?", {"3"}},
      {"How many circles can you see?", {"2"}},
      {"How many crosses are there?", {"0"}},
      {"How many small objects are there?", {"2"}},
      {"How many pink objects are there?", {"0"}},
      {"Where is the green circle?", {"right"}},
      {"In which part of the image is the sign?", {"center"}},
      {"Is the ring below the red circle?", {"yes"}},
      {"Is the ring left of the red circle?", {"no"}},
      {"Is the red circle left of the green object?", {"yes"}},
      {"Is the red object above the ring?", {"yes"}},
      {"Is the ring right of the green circle?", {"no"}},
      {"Where is the ring relative to the green circle?", {"below left"}},
      {"Where is the red circle relative to the ring?", {"above left"}},
      {"Is there an orange ring?", {"yes"}},
      {"Is there an orange circle in the image?", {"no"}},
      {"Is there a square?", {"no"}},
      {"Is there a sign?", {"yes"}},
      {"Is the ring large?", {"no"}},
      {"Is the object at the right green?", {"yes"}},
      {"What number is on the sign?", {"37"}},
      {"What does the sign say?", {"37"}},
      // What is not one object, not there or easy to guess is not asked.
      {"What color is the circle?", {}},
      {"What shape is the small object?", {}},
      {"What word is on the sign?", {}},
      {"Is there a pink square?", {}},
      {"Where is the circle?", {}},
  };
  const Scene scene = example();
  for (const auto& row : rows) EXPECT_EQ(answers(scene, row.text), row.answers) << row.text;
}

TEST(Questions, HaveOneAnswerEach) {
  for (std::uint64_t i = 0; i < 25; ++i) {
    const Scene scene = make_scene(21, i);
    for (const Question& question : all_questions(scene)) {
      for (const std::string& answer : answers(scene, question.text)) {
        ASSERT_EQ(answer, question.answer) << question.text;
      }
    }
  }
}

TEST(Questions, AskAboutASignOnlyWhereThereIsOne) {
  Scene scene = example();
  scene.sign.reset();
  EXPECT_EQ(answers(scene, "Is there a sign?"), Answers{"no"});
  EXPECT_EQ(answers(scene, "Where is the sign?"), Answers{});
  scene.sign = Sign{.text = "fox", .cell = 8};
  EXPECT_EQ(answers(scene, "Which word is written?"), Answers{"fox"});
}

TEST(Caption, NamesEverythingInReadingOrder) {
  Scene scene = example();
  EXPECT_EQ(caption(scene),
            "a large red circle, a small green circle, a small orange ring and a sign");
  scene.sign.reset();
  scene.objects.resize(1);
  EXPECT_EQ(caption(scene), "a large red circle");
}

}  // namespace
}  // namespace world
