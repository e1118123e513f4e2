/// The tasks of the InstructBLIP paper, put in the words that the models were trained with.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/export.h"
#include "instructblip/pipeline.h"

namespace instructblip {

/// Training templates of the paper (arXiv 2305.06500, appendix), verbatim, irregular punctuation
/// included: 13 of captioning, 10 of question answering with {question}, 6 of question generation
/// with {answer}. Numbers in this file count from 1.
INSTRUCTBLIP_API std::span<const std::string_view> caption_templates() noexcept;
INSTRUCTBLIP_API std::span<const std::string_view> vqa_templates() noexcept;
INSTRUCTBLIP_API std::span<const std::string_view> question_templates() noexcept;

/// The template of this number with its place filled, UTF-8.
/// Errors: invalid_argument (no such number).
INSTRUCTBLIP_API std::string caption_prompt(int number = 1);
INSTRUCTBLIP_API std::string vqa_prompt(std::string_view question, int number = 5);
INSTRUCTBLIP_API std::string question_prompt(std::string_view answer, int number = 1);

/// "OCR tokens: a, b. " in front of an instruction, as data sets with text in the picture have it;
/// the instruction alone where there are no tokens.
INSTRUCTBLIP_API std::string with_ocr_tokens(std::span<const std::string> tokens,
                                             std::string_view instruction);

/// Cross-lingual-thought prompting (XLT; Huang et al., 2023, arXiv 2305.07004) around a question
/// that is not English: the model is told to repeat it in English and to think in steps. For
/// language models that follow such instructions; whether it helps one has to be measured, and it
/// has not been here.
/// @param language  its English name, such as "German"
INSTRUCTBLIP_API std::string xlt_prompt(std::string_view question, std::string_view language);

/// Options of decoding under a name: what a task takes that leaves them open.
struct Preset {
  std::string_view name;
  std::string_view about;    ///< a sentence: where it comes from and what it is for
  GenerationConfig caption;  ///< options for texts about a picture
  GenerationConfig vqa;      ///< options for short answers
};

/// caption, vqa, detailed, paper, lavis.
INSTRUCTBLIP_API std::span<const Preset> presets();
/// Errors: invalid_argument (no such name; the message lists them).
INSTRUCTBLIP_API const Preset& preset(std::string_view name);

/// How a task is put.
struct TaskOptions {
  std::optional<int> number = {};  ///< number of the template; default: see the prompt functions
  std::vector<std::string> ocr_tokens = {};  ///< text in the picture, put in front
  std::string preset = "paper";
  GenerationConfig options = {};  ///< what is set here has precedence over the preset
  std::optional<std::string> qformer_text = {};  ///< see Request::qformer_text
};

/// The requests that the functions below make. Errors: invalid_argument (number, preset).
INSTRUCTBLIP_API Request caption_request(const Pictures& pictures, const TaskOptions& how = {});
INSTRUCTBLIP_API Request vqa_request(const Pictures& pictures, std::string_view question,
                                     const TaskOptions& how = {});
INSTRUCTBLIP_API Request question_request(const Pictures& pictures, std::string_view answer,
                                          const TaskOptions& how = {});

/// Describes a picture; answers a question in a few words; asks a question whose answer is given.
/// Errors: as above, and as Pipeline::generate(). Thread-safe as that.
INSTRUCTBLIP_API Generation caption(const Pipeline& pipeline, const Pictures& pictures,
                                    const TaskOptions& how = {}, const Control& control = {});
INSTRUCTBLIP_API Generation vqa(const Pipeline& pipeline, const Pictures& pictures,
                                std::string_view question, const TaskOptions& how = {},
                                const Control& control = {});
INSTRUCTBLIP_API Generation generate_question(const Pipeline& pipeline, const Pictures& pictures,
                                              std::string_view answer, const TaskOptions& how = {},
                                              const Control& control = {});

}  // namespace instructblip
