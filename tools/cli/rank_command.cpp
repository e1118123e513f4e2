// instructblip rank: how likely given answers are.
#include <algorithm>
#include <string>
#include <vector>

#include "cli/json_output.h"
#include "cli/pictures.h"
#include "cli/session.h"
#include "cli/table.h"

namespace instructblip::cli {
namespace {

std::vector<Image> images_of(const Pictures& pictures, std::size_t first, std::size_t count) {
  std::vector<Image> images;
  for (std::size_t i = first; i < first + count; ++i) images.push_back(pictures.get(i).image);
  return images;
}

std::string table_of(const Ranking& ranking) {
  std::vector<std::vector<std::string>> rows = {{"probability", "score", "candidate"}};
  for (const RankedCandidate& candidate : ranking.ranked) {
    rows.push_back({fixed(candidate.probability, 4), fixed(candidate.score, 3),
                    harmless(on_one_line(ranking.candidates[candidate.index]))});
  }
  return table(rows);
}

}  // namespace

ExitCode rank_command(Session& session) {
  const Settings& settings = session.settings;
  const std::string instruction = session.instruction("rank");
  const std::vector<std::string> candidates = texts_or_lines(settings.candidates);
  const Pictures pictures(settings.images, settings.decode);
  const Pipeline pipeline = session.load_pipeline();
  const std::size_t each = pipeline.info().pictures_are_frames ? pictures.size() : 1;

  const Interrupt::Graceful graceful(session.interrupt);
  const Control control{.stop = session.interrupt.token()};
  session.progress.begin("ranking", Progress::Unit::tokens);
  for (std::size_t i = 0; i < pictures.size(); i += each) {
    const Ranking ranking{settings.images[i], candidates, during(Stage::request, [&] {
                            return pipeline.rank(images_of(pictures, i, each), instruction,
                                                 candidates, settings.rank, control);
                          })};
    session.progress.end();
    if (settings.json) {
      session.output.write(to_json(ranking, pipeline.info()) + "\n");
    } else {
      if (pictures.size() > each) session.output.write(harmless(ranking.image) + "\n");
      session.output.write(table_of(ranking));
    }
    if (session.output.closed()) break;
  }
  return ExitCode::success;
}

}  // namespace instructblip::cli
