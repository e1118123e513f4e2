#include <array>
#include <string>

#include "core/boundary.h"
#include "instructblip/tasks.h"
#include "tasks/fill.h"

namespace instructblip {
namespace {

constexpr std::array<std::string_view, 13> kCaption = {
    "A short image caption:",
    "A short image description:",
    "A photo of",
    "An image that shows",
    "Write a short description for the image",
    "Write a description for the photo.",
    "Provide a description of what is presented in the photo.",
    "Briefly describe the content of the image.",
    "Can you briefly explain what you see in the image?",
    "Could you use a few words to describe what you perceive in the photo?",
    "Please provide a short depiction of the picture.",
    "Using language, provide a short account of the image.",
    "Use a few words to illustrate what is happening in the picture.",
};

constexpr std::array<std::string_view, 10> kVqa = {
    "{question}",
    "Question: {question}",
    "{question} A short answer to the question is",
    "Q: {question} A:",
    "Question: {question} Short answer:",
    "Given the image, answer the following question with no more than three words. {question}",
    "Based on the image, respond to this question with a short answer: {question}. Answer:",
    "Use the provided image to answer the question: {question} Provide your answer as short as "
    "possible:",
    "What is the answer to the following question? “{question}”",
    "The question “{question}” can be answered using the image. A short answer is",
};

constexpr std::array<std::string_view, 6> kQuestion = {
    "Given the image, generate a question whose answer is: {answer}. Question:",
    "Based on the image, provide a question with the answer: {answer}. Question:",
    "Given the visual representation, create a question for which the answer is “{answer}”",
    "From the image provided, craft a question that leads to the reply: {answer}. Question:",
    "Considering the picture, come up with a question where the answer is: {answer}.",
    "Taking the image into account, generate an question that has the answer: {answer}. Question:",
};

std::string_view chosen(std::span<const std::string_view> templates, int number,
                        const std::string& task) {
  if (number >= 1 && number <= std::ssize(templates)) {
    return templates[static_cast<std::size_t>(number) - 1];
  }
  throw Error(ErrorCode::invalid_argument, task + ": template: expected a number from 1 to " +
                                               std::to_string(templates.size()) + ", got " +
                                               std::to_string(number));
}

}  // namespace

std::span<const std::string_view> caption_templates() noexcept { return kCaption; }
std::span<const std::string_view> vqa_templates() noexcept { return kVqa; }
std::span<const std::string_view> question_templates() noexcept { return kQuestion; }

std::string caption_prompt(int number) {
  return at_boundary([&] { return std::string(chosen(kCaption, number, "caption")); });
}

std::string vqa_prompt(std::string_view question, int number) {
  return at_boundary([&] {
    return filled(chosen(kVqa, number, "vqa"), {{"{question}", question}});
  });
}

std::string question_prompt(std::string_view answer, int number) {
  return at_boundary([&] {
    return filled(chosen(kQuestion, number, "generate_question"), {{"{answer}", answer}});
  });
}

std::string with_ocr_tokens(std::span<const std::string> tokens, std::string_view instruction) {
  return at_boundary([&] {
    if (tokens.empty()) return std::string(instruction);
    std::string out = "OCR tokens: ";
    for (std::size_t i = 0; i < tokens.size(); ++i) out += (i > 0 ? ", " : "") + tokens[i];
    return out.append(". ").append(instruction);
  });
}

// The paper's template with the words that it has for questions that are answered in a few words.
std::string xlt_prompt(std::string_view question, std::string_view language) {
  return at_boundary([&] {
    return filled(
        "I want you to act as a question answering expert for {language}.\n"
        "Question: {question}\n"
        "You should retell the question in English.\n"
        "You should answer the question in English in one or a few words.\n"
        "You should step-by-step answer the request.\n"
        "You should tell me the answer in one or a few words in English in this format 'Answer:'.",
        {{"{language}", language}, {"{question}", question}});
  });
}

}  // namespace instructblip
