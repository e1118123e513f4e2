// instructblip score: how likely given answers are, and how well texts go with pictures.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "cli/json_output.h"
#include "cli/pictures.h"
#include "cli/requests.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/text_input.h"

namespace instructblip::cli {
namespace {

std::string table_of(const Scores& scores, const std::vector<std::string>& answers) {
  std::vector<std::vector<std::string>> rows = {
      {"log probability", "mean", "perplexity", "answer"}};
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const ScoredAnswer& one = scores.answers[i];
    rows.push_back({fixed(one.sum, 4), fixed(one.mean, 4), fixed(one.perplexity, 3),
                    harmless(on_one_line(answers[i]))});
  }
  return table(rows);
}

// Every answer behind every instruction about the pictures of one request.
void score_request(Session& session, const Pipeline& pipeline, const Shown& shown,
                   const std::vector<std::string>& instructions,
                   const std::vector<std::string>& answers, bool headed) {
  session.attempt(shown.subject(), [&] {
    const ImageFeatures features =
        during(Stage::request, [&] { return pipeline.encode(shown.pictures()); });
    for (const std::string& instruction : instructions) {
      if (session.interrupt.requested() || session.output.closed()) return;
      const Subject subject = shown.subject(instruction);
      session.attempt(subject, [&] {
        const Request request{features, instruction, {}, session.settings.task.qformer_text};
        const ScoreOptions options{.end_token = session.settings.rank.end_token};
        const Scores scores = during(Stage::request, [&] {
          return pipeline.score(request, answers, options, {.stop = session.interrupt.token()});
        });
        session.clear_line();
        if (session.settings.json) {
          session.output.write(to_json(scores, answers, subject, pipeline) + "\n");
          return;
        }
        const std::string heading = instructions.size() > 1 ? "\t" + on_one_line(instruction) : "";
        session.output.write(
            (headed ? harmless(on_one_line(shown.names.front()) + heading) + "\n" : "") +
            table_of(scores, answers));
      });
    }
  });
}

ExitCode score_answers(Session& session) {
  const Settings& settings = session.settings;
  if (settings.task.answers.empty()) {
    throw Failure(ExitCode::usage, "score: --answer is missing\n  hint: instructblip score " +
                                       std::string(session.command.usage));
  }
  const std::vector<std::string> instructions = session.instructions();
  const std::vector<std::string> answers = texts_or_lines(settings.task.answers);
  Pictures pictures(list_pictures(session), session);
  const Pipeline pipeline = session.load_pipeline();
  const std::size_t each = pictures_of_a_request(pipeline, instructions, pictures.list(), "score");
  warn_of_order(session, pictures.list(), each);
  const bool headed = pictures.size() > each || instructions.size() > 1 ||
                      !pictures.list().spelled_out || settings.keep_going;
  session.progress.begin("scoring", Progress::Unit::none);
  const Interrupt::Graceful graceful(session.interrupt);
  std::int64_t done = 0;
  return for_each_request(session, pictures, each, [&](const Shown& shown) {
    session.progress.next(++done, static_cast<std::int64_t>(pictures.size() / each));
    score_request(session, pipeline, shown, instructions, answers, headed);
  });
}

// Every text with every picture: a row for each pair, the best text of a picture first.
ExitCode score_texts(Session& session) {
  const Settings& settings = session.settings;
  MatrixOptions options{.end_token = settings.rank.end_token};
  if (!settings.instructions.empty()) options.instruction = settings.instructions.front();
  if (!settings.task.answers.empty()) options.answer = settings.task.answers.front();
  if (settings.instructions.size() > 1 || settings.task.answers.size() > 1) {
    throw Failure(
        ExitCode::usage,
        "score: with --text, expected one --instruction and one --answer at most\n  hint: "
        "each text is put in the place of {} in the instruction");
  }
  const std::vector<std::string> texts = texts_or_lines(settings.texts);
  Pictures pictures(list_pictures(session), session);
  const Pipeline pipeline = session.load_pipeline();
  const std::size_t each = pictures_that_go_together(pipeline, pictures.list());
  session.progress.begin("scoring", Progress::Unit::none);
  const Interrupt::Graceful graceful(session.interrupt);
  std::vector<std::vector<std::string>> rows = {{"score", "log", "picture", "text"}};
  const ExitCode code = for_each_request(session, pictures, each, [&](const Shown& shown) {
    session.attempt(shown.subject(), [&] {
      const instructblip::Pictures one[] = {shown.pictures()};
      const ScoreMatrix matrix = during(Stage::request, [&] {
        return pipeline.score_matrix(one, texts, options, {.stop = session.interrupt.token()});
      });
      for (std::size_t j = 0; j < texts.size(); ++j) {
        const double probability = std::exp(matrix.score(0, j));
        if (settings.json) {
          session.output.write(
              to_json(MatrixCell{shown.subject(options.instruction), texts[j], options.answer,
                                 matrix.score(0, j), probability}) +
              "\n");
        } else {
          rows.push_back({fixed(probability, 4), fixed(matrix.score(0, j), 3),
                          harmless(on_one_line(shown.names.front())),
                          harmless(on_one_line(texts[j]))});
        }
      }
    });
  });
  session.clear_line();
  if (!settings.json && rows.size() > 1) session.output.write(table(rows));
  return code;
}

ExitCode score(Session& session) {
  return session.settings.texts.empty() ? score_answers(session) : score_texts(session);
}

constexpr Takes kTakes[] = {
    Group::model, "image",      "images-from",  Group::video,    "instruction", "answer",
    "text",       "end-token",  "qformer-text", Group::pictures, "dtype",       "policy",
    "device",     "threads",    "pin",          "cache",         "numerics",    "deterministic",
    "kernels",    "keep-going", "json",         "quiet"};
constexpr Takes kNeeds[] = {"model", "image"};

}  // namespace

extern const Command kScore = {
    .name = "score",
    .usage = "--model DIR --image FILE (--instruction TEXT --answer TEXT | --text TEXT)",
    .help = "say how likely given answers are token by token, or how well texts go with pictures",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = score,
};

}  // namespace instructblip::cli
