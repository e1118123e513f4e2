#include "instructblip/tasks.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

using namespace test;  // NOLINT: toys

TEST(Templates, AreThoseOfThePaper) {
  EXPECT_EQ(caption_templates().size(), 13u);
  EXPECT_EQ(vqa_templates().size(), 10u);
  EXPECT_EQ(question_templates().size(), 6u);
  EXPECT_EQ(caption_prompt(), "A short image caption:");
  EXPECT_EQ(caption_prompt(5), "Write a short description for the image");
  EXPECT_EQ(vqa_prompt("Why?"), "Question: Why? Short answer:");
  EXPECT_EQ(vqa_prompt("Why?", 1), "Why?");
  EXPECT_EQ(vqa_prompt("Why?", 10),
            "The question “Why?” can be answered using the image. A short answer is");
  EXPECT_EQ(question_prompt("{answer} 2", 3),
            "Given the visual representation, create a question for which the answer is "
            "“{answer} 2”");
  for (const std::string_view one : vqa_templates()) {
    EXPECT_NE(one.find("{question}"), std::string_view::npos) << one;
  }
  for (const std::string_view one : question_templates()) {
    EXPECT_NE(one.find("{answer}"), std::string_view::npos) << one;
  }
}

TEST(Templates, NumbersThatThereAreNotAreNamed) {
  expect_error(ErrorCode::invalid_argument, "caption: template: expected a number from 1 to 13",
               [] { caption_prompt(14); });
  expect_error(ErrorCode::invalid_argument, "vqa: template: expected a number from 1 to 10, got 0",
               [] { vqa_prompt("Why?", 0); });
  expect_error(ErrorCode::invalid_argument, "generate_question: template: expected a number",
               [] { question_prompt("red", 7); });
}

TEST(Templates, TextInThePictureComesFirst) {
  const std::vector<std::string> tokens = {"STOP", "2nd Ave"};
  EXPECT_EQ(with_ocr_tokens(tokens, "What does it say?"),
            "OCR tokens: STOP, 2nd Ave. What does it say?");
  EXPECT_EQ(with_ocr_tokens({}, "What?"), "What?");
}

TEST(Templates, AQuestionInAnotherLanguageIsToBeRetold) {
  const std::string prompt = xlt_prompt("Was ist das?", "German");
  EXPECT_TRUE(prompt.starts_with("I want you to act as a question answering expert for German.\n"));
  EXPECT_NE(prompt.find("Question: Was ist das?\n"), std::string::npos);
  EXPECT_NE(prompt.find("retell the question in English"), std::string::npos);
}

TEST(Presets, AreValidAndExplained) {
  std::set<std::string_view> names;
  for (const Preset& one : presets()) {
    names.insert(one.name);
    EXPECT_FALSE(one.about.empty());
    validate(one.caption);
    validate(one.vqa);
    EXPECT_EQ(&preset(one.name), &one);
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"caption", "detailed", "lavis", "paper", "vqa"}));
  EXPECT_EQ(preset("paper").caption.length_penalty, 1);
  EXPECT_EQ(preset("paper").vqa.length_penalty, -1);
  expect_error(ErrorCode::invalid_argument,
               "preset: expected one of caption, vqa, detailed, paper, lavis, got 'long'",
               [] { preset("long"); });
}

TEST(Tasks, OptionsComeBeforeThePreset) {
  const Image image = picture();
  const Request plain = caption_request(image);
  EXPECT_EQ(plain.instruction, "A short image caption:");
  EXPECT_EQ(plain.options.num_beams, 5);
  EXPECT_EQ(plain.options.min_new_tokens, 10);
  TaskOptions how{.number = 3, .ocr_tokens = {"A"}, .preset = "lavis", .qformer_text = "sign"};
  how.options.max_new_tokens = 4;
  how.options.num_beams = 2;
  how.options.logprobs = true;
  const Request request = caption_request(image, how);
  EXPECT_EQ(request.instruction, "OCR tokens: A. A photo of");
  EXPECT_EQ(request.options.max_new_tokens, 4);
  EXPECT_EQ(request.options.min_new_tokens, 4);  // the preset's 10 gives way
  EXPECT_EQ(request.options.num_beams, 2);
  EXPECT_EQ(request.options.repetition_penalty, 1.15);
  EXPECT_TRUE(request.options.logprobs);
  EXPECT_EQ(request.qformer_text, "sign");
  validate(request.options);
}

TEST(Tasks, AnswerAsTheirRequestsDo) {
  const Pipeline& pipeline = without_cache("t5_2024");
  const Image image = picture();
  TaskOptions how;
  how.options = tokens(5);
  EXPECT_EQ(caption(pipeline, image, how).tokens(),
            pipeline.generate(caption_request(image, how)).tokens());
  const Generation answer = vqa(pipeline, image, "What is it?", how);
  EXPECT_EQ(
      answer.tokens(),
      pipeline.generate(image, "Question: What is it? Short answer:", answer.options).tokens());
  EXPECT_EQ(answer.options.length_penalty, -1);
  EXPECT_EQ(generate_question(pipeline, image, "red", how).tokens(),
            pipeline.generate(question_request(image, "red", how)).tokens());
}

}  // namespace
}  // namespace instructblip
