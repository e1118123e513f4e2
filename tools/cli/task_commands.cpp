// instructblip caption, vqa, question and ask: the paper's tasks in the words that the models were
// trained with.
#include <string>
#include <vector>

#include "cli/answering.h"
#include "cli/text_input.h"
#include "instructblip/tasks.h"

namespace instructblip::cli {
namespace {

TaskOptions task_options(const Settings& settings, std::string_view preset) {
  return {.number = settings.task.number,
          .ocr_tokens = settings.task.ocr_tokens,
          .preset = settings.task.preset.value_or(std::string(preset)),
          .options = settings.generation,
          .qformer_text = settings.task.qformer_text};
}

ExitCode caption(Session& session) {
  const Request request = during(Stage::request, [&] {
    return caption_request({}, task_options(session.settings, "caption"));
  });
  return answer_all(session, {{request.instruction}, request.options, request.qformer_text});
}

ExitCode vqa(Session& session) {
  Questions questions;
  for (const std::string& question : texts_or_lines(session.settings.task.questions)) {
    const Request request = during(Stage::request, [&] {
      return vqa_request({}, question, task_options(session.settings, "vqa"));
    });
    questions.instructions.push_back(request.instruction);
    questions.options = request.options;
    questions.qformer_text = request.qformer_text;
  }
  return answer_all(session, questions);
}

// Asks for a question, whose answer is given.
ExitCode question(Session& session) {
  Questions questions;
  for (const std::string& answer : texts_or_lines(session.settings.task.answers)) {
    const Request request = during(Stage::request, [&] {
      return question_request({}, answer, task_options(session.settings, "caption"));
    });
    questions.instructions.push_back(request.instruction);
    questions.options = request.options;
    questions.qformer_text = request.qformer_text;
  }
  return answer_all(session, questions);
}

// As it is typed, or in the words for other languages.
ExitCode ask(Session& session) {
  const TaskOptions how = task_options(session.settings, "detailed");
  const auto& language = session.settings.task.language;
  Questions questions;
  for (const std::string& question : texts_or_lines(session.settings.task.questions)) {
    const std::string text = language ? xlt_prompt(question, *language) : question;
    questions.instructions.push_back(with_ocr_tokens(how.ocr_tokens, text));
  }
  questions.options = during(Stage::request, [&] { return caption_request({}, how).options; });
  questions.qformer_text = how.qformer_text;
  return answer_all(session, questions);
}

constexpr Takes kCaptionTakes[] = {
    Group::model, "image",      "images-from",  "features",    Group::video,    "template",
    "ocr",        "preset",     "qformer-text", Group::answer, Group::pictures, Group::running,
    "logprobs",   "keep-going", "names",        "json",        "quiet",         "verbose"};
constexpr Takes kVqaTakes[] = {Group::model,   "image",        "images-from", "features",
                               Group::video,   "question",     "template",    "ocr",
                               "preset",       "qformer-text", Group::answer, Group::pictures,
                               Group::running, "logprobs",     "keep-going",  "names",
                               "json",         "quiet",        "verbose"};
constexpr Takes kQuestionTakes[] = {Group::model,   "image",        "images-from", "features",
                                    Group::video,   "answer",       "template",    "ocr",
                                    "preset",       "qformer-text", Group::answer, Group::pictures,
                                    Group::running, "logprobs",     "keep-going",  "names",
                                    "json",         "quiet",        "verbose"};
constexpr Takes kAskTakes[] = {Group::model,   "image",    "images-from", "features",
                               Group::video,   "question", "ocr",         "preset",
                               "qformer-text", "xlt",      Group::answer, Group::pictures,
                               Group::running, "logprobs", "keep-going",  "names",
                               "json",         "quiet",    "verbose"};
constexpr Takes kModel[] = {"model"};
constexpr Takes kNeedsQuestion[] = {"model", "question"};
constexpr Takes kNeedsAnswer[] = {"model", "answer"};

}  // namespace

extern const Command kCaption = {
    .name = "caption",
    .usage = "--model DIR --image FILE [--template N]",
    .help = "describe pictures in a sentence, by a template of the paper",
    .takes = kCaptionTakes,
    .needs = kModel,
    .execute = caption,
};

extern const Command kVqa = {
    .name = "vqa",
    .usage = "--model DIR --image FILE --question TEXT",
    .help = "answer a question in a few words, by a template of the paper",
    .takes = kVqaTakes,
    .needs = kNeedsQuestion,
    .execute = vqa,
};

extern const Command kQuestion = {
    .name = "question",
    .usage = "--model DIR --image FILE --answer TEXT",
    .help = "ask a question whose answer is given, by a template of the paper",
    .takes = kQuestionTakes,
    .needs = kNeedsAnswer,
    .execute = question,
};

extern const Command kAsk = {
    .name = "ask",
    .usage = "--model DIR --image FILE --question TEXT",
    .help = "answer a question at length, in the words in which it is typed",
    .takes = kAskTakes,
    .needs = kNeedsQuestion,
    .execute = ask,
};

}  // namespace instructblip::cli
