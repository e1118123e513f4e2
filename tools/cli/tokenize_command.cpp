// instructblip tokenize: the ids of a text.
#include "cli/json_output.h"
#include "cli/session.h"
#include "cli/text_input.h"

namespace instructblip::cli {
namespace {

std::string line(const std::string& name, const std::vector<std::int32_t>& ids) {
  std::string out = name;
  for (const std::int32_t id : ids) out += " " + std::to_string(id);
  return out + "\n";
}

ExitCode tokenize(Session& session) {
  const std::vector<std::string>& texts = session.settings.texts;
  if (texts.size() != 1) {
    throw Failure(ExitCode::usage,
                  "tokenize: expected one --text, got " + std::to_string(texts.size()));
  }
  const std::string text = text_or_input(texts.front());
  const Pipeline pipeline = session.load_description();
  const TokenizedText tokens = during(Stage::request, [&] { return pipeline.tokenize(text); });
  session.output.write(session.settings.json
                           ? to_json(tokens) + "\n"
                           : line("lm", tokens.language) + line("qformer", tokens.qformer));
  return ExitCode::success;
}

constexpr Takes kTakes[] = {Group::model, "text", "compat", "json", "quiet"};
constexpr Takes kNeeds[] = {"model", "text"};

}  // namespace

extern const Command kTokenize = {
    .name = "tokenize",
    .usage = "--model DIR --text TEXT",
    .help = "print the token ids of a text as the model is fed them",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = tokenize,
};

}  // namespace instructblip::cli
