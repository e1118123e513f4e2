// instructblip run: answers an instruction about one or more pictures.
#include "cli/answering.h"

namespace instructblip::cli {
namespace {

ExitCode run(Session& session) {
  const Settings& settings = session.settings;
  if (settings.generation.logprobs && !settings.json) {
    session.warn("--logprobs has no effect without --json");
  }
  if (settings.names && settings.json) session.warn("--names has no effect with --json");
  check_shown(session);
  during(Stage::request, [&] { validate(session.settings.generation); });
  return answer_all(session, {session.instructions(), session.settings.generation,
                              session.settings.task.qformer_text});
}

constexpr Takes kTakes[] = {Group::model,    "image",        "images-from",  "features",
                            Group::video,    "instruction",  "qformer-text", Group::answer,
                            Group::pictures, Group::running, "logprobs",     "keep-going",
                            "names",         "json",         "quiet",        "verbose"};
constexpr Takes kNeeds[] = {"model"};

}  // namespace

extern const Command kRun = {
    .name = "run",
    .usage = "--model DIR (--image FILE | --features FILE) [--instruction TEXT]",
    .help = "answer an instruction about a picture",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = run,
};

}  // namespace instructblip::cli
