#include "samples.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace world {
namespace {

/// The template of an instruction: its text with the parts taken out.
std::string wrapper(const Sample& sample) {
  std::string text = sample.instruction;
  std::size_t end = std::string::npos;
  // From the back: "Considering" has a ring in it.
  for (auto part = sample.parts.rbegin(); part != sample.parts.rend(); ++part) {
    const std::size_t at = text.rfind(*part, end);
    EXPECT_NE(at, std::string::npos) << sample.instruction;
    text.replace(at, part->size(), "{}");
    end = at;
  }
  return text;
}

TEST(Sampler, KeepsHeldOutTemplatesApart) {
  std::map<Type, std::set<std::string>> trained, held_out;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const Scene scene = make_scene(31, i);
    const Sampler sampler(scene);
    Random random(5, i);
    for (std::size_t k = 0; k < kTypes.size(); ++k) {
      const auto type = static_cast<Type>(k);
      if (const auto sample = sampler.draw(type, Split::trained, random)) {
        EXPECT_NE(sample->form, kHeldOutForm);
        trained[type].insert(wrapper(*sample));
      }
      if (const auto sample = sampler.draw(type, Split::held_out, random)) {
        held_out[type].insert(wrapper(*sample));
      }
    }
  }
  ASSERT_EQ(trained.size(), kTypes.size());
  ASSERT_EQ(held_out.size(), kTypes.size());
  for (const auto& [type, templates] : trained) {
    const std::size_t expected = type == Type::caption                              ? 11
                                 : type == Type::question || type == Type::dialogue ? 4
                                                                                    : 8;
    EXPECT_EQ(templates.size(), expected) << name(type);
    EXPECT_EQ(held_out[type].size(), 2U) << name(type);
    for (const std::string& text : held_out[type]) EXPECT_FALSE(templates.contains(text)) << text;
  }
}

TEST(Sampler, AsksForYesAsOftenAsForNo) {
  int yes = 0, all = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Scene scene = make_scene(32, i);
    Random random(6, i);
    const auto sample = Sampler(scene).draw(Type::yes_no, Split::trained, random);
    ASSERT_TRUE(sample);
    if (sample->form == "sign") continue;  // 70 % of the scenes have one
    ++all;
    yes += sample->answer == "yes";
  }
  EXPECT_NEAR(double(yes) / all, 0.5, 0.05);
}

TEST(Sampler, AsksInADialogueForWhatWasNotTold) {
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Scene scene = make_scene(33, i);
    Random random(7, i);
    const auto sample = Sampler(scene).draw(Type::dialogue, Split::trained, random);
    if (!sample) continue;
    ASSERT_EQ(sample->parts.size(), 3U);
    for (const std::string& told : {sample->parts[0], sample->parts[1]}) {
      EXPECT_EQ((' ' + told).find(' ' + sample->answer + ' '), std::string::npos)
          << sample->instruction << " -> " << sample->answer;
    }
  }
}

TEST(Sampler, HasAQuestionOfTheHeldOutFormForEveryScene) {
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Scene scene = make_scene(34, i);
    Random random(8, i);
    const auto sample = Sampler(scene).draw_held_out_form(random);
    ASSERT_TRUE(sample);
    EXPECT_EQ(sample->form, kHeldOutForm);
    EXPECT_EQ(sample->type, Type::size);
    EXPECT_NE(sample->instruction.find("object at the"), std::string::npos);
  }
}

TEST(Sampler, KnowsWhichObjectIsAskedAbout) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    const Scene scene = make_crowded_scene(35, i);
    Random random(11, i);
    for (const Type type : kAboutOneObject) {
      const auto sample = Sampler(scene).draw(type, Split::trained, random);
      ASSERT_TRUE(sample);
      ASSERT_GE(sample->object, 0) << sample->instruction;
      EXPECT_EQ(answer_about(scene.objects[static_cast<std::size_t>(sample->object)], type),
                sample->answer)
          << sample->instruction;
    }
  }
}

TEST(Sampler, HasNoReadingWithoutASign) {
  Scene scene = make_scene(1, 0);
  scene.sign.reset();
  Random random(9, 0);
  EXPECT_FALSE(Sampler(scene).draw(Type::reading, Split::trained, random));
}

TEST(Sampler, DrawsEveryTypeInTraining) {
  std::map<Type, int> counts;
  Random random(10, 0);
  for (int i = 0; i < 5000; ++i) ++counts[Sampler::training_type(random)];
  EXPECT_EQ(counts.size(), kTypes.size());
  for (const auto& [type, count] : counts) EXPECT_GT(count, 150) << name(type);
}

}  // namespace
}  // namespace world
