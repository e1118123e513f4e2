// instructblip rank: how likely given answers are.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/answering.h"
#include "cli/json_output.h"
#include "cli/pictures.h"
#include "cli/requests.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/text_input.h"

namespace instructblip::cli {
namespace {

std::string table_of(const Ranking& ranking) {
  std::vector<std::vector<std::string>> rows = {{"probability", "score", "candidate"}};
  for (const RankedCandidate& candidate : ranking.ranked) {
    rows.push_back({fixed(candidate.probability, 4), fixed(candidate.score, 3),
                    harmless(on_one_line(ranking.candidates[candidate.index]))});
  }
  return table(rows);
}

// With the spellings of each candidate.
RankOptions options_of(const Settings& settings, const std::vector<std::string>& candidates) {
  RankOptions options = settings.rank;
  if (settings.task.spellings.empty()) return options;
  options.spellings.resize(candidates.size());
  for (const auto& [candidate, spelling] : settings.task.spellings) {
    const auto found = std::ranges::find(candidates, candidate);
    if (found == candidates.end()) {
      throw Failure(ExitCode::usage, "rank: --spelling: " + candidate + " is no --candidate");
    }
    options.spellings[static_cast<std::size_t>(found - candidates.begin())].push_back(spelling);
  }
  return options;
}

class Ranker {
 public:
  // @param headed  every table has a line in front that says what it is about
  Ranker(Session& session, const Pipeline& pipeline, std::vector<std::string> candidates,
         bool headed)
      : session_(session),
        pipeline_(pipeline),
        candidates_(std::move(candidates)),
        options_(options_of(session.settings, candidates_)),
        headed_(headed) {
    session.progress.begin("ranking", Progress::Unit::none);
  }

  // The same about pictures that were encoded before, in a file of that name.
  void rank(const ImageFeatures& features, const std::string& name,
            const std::vector<std::string>& instructions) {
    for (const std::string& instruction : instructions) {
      const Subject subject{{name}, instruction, /*are_features=*/true};
      rank_one(features, subject, instructions.size() > 1);
    }
  }

  // Ranks the candidates for every instruction about the pictures of one request, which are encoded
  // once. `count`: requests in all.
  void rank(const Shown& shown, const std::vector<std::string>& instructions, std::size_t count) {
    session_.attempt(shown.subject(), [&] {
      const ImageFeatures features =
          during(Stage::request, [&] { return pipeline_.encode(shown.pictures()); });
      for (const std::string& instruction : instructions) {
        if (session_.interrupt.requested() || session_.output.closed()) return;
        session_.progress.next(static_cast<std::int64_t>(++asked_),
                               static_cast<std::int64_t>(count * instructions.size()));
        const Subject subject = shown.subject(instruction);
        session_.attempt(subject, [&] { rank_one(features, subject, instructions.size() > 1); });
      }
    });
  }

 private:
  void rank_one(const ImageFeatures& features, const Subject& subject, bool several) const {
    const Control control{.stop = session_.interrupt.token()};
    const Request request{features, *subject.instruction, {}, session_.settings.task.qformer_text};
    const Ranking ranking{
        subject, candidates_,
        during(Stage::request,
               [&] { return pipeline_.rank(request, candidates_, options_, control); }),
        !options_.spellings.empty(), options_.without_picture > 0};
    session_.clear_line();
    if (session_.settings.json) {
      session_.output.write(to_json(ranking, pipeline_.info()) + "\n");
      return;
    }
    const std::string instruction = several ? "\t" + on_one_line(*subject.instruction) : "";
    const std::string heading = harmless(on_one_line(subject.pictures.front()) + instruction);
    session_.output.write((headed_ ? heading + "\n" : "") + table_of(ranking));
  }

  Session& session_;
  const Pipeline& pipeline_;
  const std::vector<std::string> candidates_;
  const RankOptions options_;
  const bool headed_;
  std::size_t asked_ = 0;
};

ExitCode rank(Session& session) {
  const Settings& settings = session.settings;
  const std::vector<std::string> instructions = session.instructions();
  const std::vector<std::string> candidates = texts_or_lines(settings.candidates);
  check_shown(session);
  Pictures pictures(list_pictures(session), session);
  const Pipeline pipeline = session.load_pipeline();
  if (!settings.features.empty()) {
    Ranker ranker(session, pipeline, candidates,
                  settings.features.size() > 1 || instructions.size() > 1);
    for (const std::string& file : settings.features) {
      const auto features = during(Stage::picture, [&] { return ImageFeatures::load(file); });
      ranker.rank(features, file, instructions);
    }
    return session.end();
  }
  const std::size_t each = pictures_of_a_request(pipeline, instructions, pictures.list(), "rank");
  warn_of_order(session, pictures.list(), each);
  const bool headed = pictures.size() > each || instructions.size() > 1 || settings.keep_going ||
                      (each == 1 && !pictures.list().spelled_out);
  Ranker ranker(session, pipeline, candidates, headed);

  const Interrupt::Graceful graceful(session.interrupt);
  return for_each_request(session, pictures, each, [&](const Shown& shown) {
    ranker.rank(shown, instructions, pictures.size() / each);
  });
}

constexpr Takes kTakes[] = {Group::model,      "image",        "images-from", "features",
                            Group::video,      "instruction",  "candidate",   "spelling",
                            "without-picture", "qformer-text", "by",          "end-token",
                            Group::pictures,   "dtype",        "policy",      "device",
                            "threads",         "pin",          "numerics",    "deterministic",
                            "kernels",         "keep-going",   "json",        "quiet"};
constexpr Takes kNeeds[] = {"model", "candidate"};

}  // namespace

extern const Command kRank = {
    .name = "rank",
    .usage = "--model DIR (--image FILE | --features FILE) [--instruction TEXT] --candidate TEXT",
    .help = "say how likely given answers are, most likely first",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = rank,
};

}  // namespace instructblip::cli
