// instructblip match: how well texts describe pictures.
#include <algorithm>
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

// Prints each pair as it comes, or all of them as a table at the end.
class PairPrinter {
 public:
  explicit PairPrinter(Session& session) : session_(session) {}

  void add(const Comparison& pair) {
    if (session_.settings.json) {
      session_.output.write(to_json(pair) + "\n");
      return;
    }
    rows_.push_back({harmless(pair.image), harmless(on_one_line(pair.text)),
                     fixed(pair.match.probability, 4), fixed(pair.similarity, 4)});
  }

  void finish() {
    session_.progress.end();
    if (!session_.settings.json) session_.output.write(table(rows_));
  }

 private:
  Session& session_;
  std::vector<std::vector<std::string>> rows_ = {{"picture", "text", "match", "similarity"}};
};

ExitCode match(Session& session) {
  const std::vector<std::string> texts = texts_or_lines(session.settings.texts);
  Pictures pictures(list_pictures(session), session);
  const ImageTextMatcher matcher = session.load_matcher();
  std::vector<TextEncoding> encoded;
  during(Stage::request, [&] {
    for (const std::string& text : texts) encoded.push_back(matcher.encode(text));
  });

  PairPrinter printer(session);
  const Interrupt::Graceful graceful(session.interrupt);
  session.progress.begin("matching", Progress::Unit::none);
  std::int64_t seen = 0;
  const auto compare = [&](const Shown& shown) {
    session.progress.next(++seen, static_cast<std::int64_t>(pictures.size()));
    const ImageEncoding picture =
        during(Stage::request, [&] { return matcher.encode(shown.images.front()); });
    for (std::size_t j = 0; j < texts.size(); ++j) {
      if (session.interrupt.requested() || session.output.closed()) break;
      printer.add(during(Stage::request, [&] {
        return Comparison{shown.names.front(), texts[j], matcher.match(picture, encoded[j]),
                          matcher.similarity(picture, encoded[j])};
      }));
    }
  };
  const ExitCode code = for_each_request(session, pictures, 1, [&](const Shown& shown) {
    session.attempt(shown.subject(), [&] { compare(shown); });
  });
  printer.finish();
  return code;
}

constexpr Takes kTakes[] = {"model",      "overlay",     "lora",          "ignore-unexpected",
                            "image",      "images-from", "text",          Group::pictures,
                            "dtype",      "policy",      "device",        "threads",
                            "pin",        "numerics",    "deterministic", "kernels",
                            "keep-going", "json",        "quiet"};
constexpr Takes kNeeds[] = {"model", "image", "text"};

}  // namespace

extern const Command kMatch = {
    .name = "match",
    .usage = "--model DIR --image FILE --text TEXT",
    .help = "say how well texts describe pictures, with a BLIP-2 model for retrieval",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = match,
};

}  // namespace instructblip::cli
