// instructblip explain: what an answer rests on.
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "cli/pictures.h"
#include "cli/requests.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/text_input.h"
#include "cli/whole_file.h"
#include "instructblip/explain.h"

namespace instructblip::cli {
namespace {

namespace fs = std::filesystem;

// [tokens, queries of all pictures]: how much each token owes to each.
std::vector<float> shares_of(const Explanation& explanation) {
  if (explanation.gradcam.empty()) return explanation.relevance;
  const auto queries = static_cast<std::size_t>(explanation.queries);
  const auto positions = static_cast<std::size_t>(explanation.positions);
  const std::size_t columns = explanation.pictures.size() * queries;
  std::vector<float> shares(explanation.scored.tokens.size() * columns);
  for (std::size_t i = 0; i < explanation.gradcam.size(); ++i) {
    const std::size_t query = i / positions % queries;
    const std::size_t map = i / positions / queries / explanation.cross_layers.size();
    shares[map * queries + query] += explanation.gradcam[i];
  }
  return shares;
}

// The tokens, how likely each is, and the query that it needs most.
std::string table_of(const Explanation& explanation) {
  std::vector<std::vector<std::string>> rows = {{"probability", "needs query", "by", "token"}};
  const ScoredAnswer& scored = explanation.scored;
  const std::vector<float> shares = shares_of(explanation);
  const std::size_t columns = shares.size() / scored.tokens.size();
  for (std::size_t t = 0; t < scored.tokens.size(); ++t) {
    const float* const row = shares.data() + t * columns;
    const float* const most = std::max_element(row, row + columns);
    rows.push_back({fixed(std::exp(static_cast<double>(scored.logprobs[t])), 4),
                    std::to_string(most - row), fixed(static_cast<double>(*most), 3),
                    harmless(scored.pieces[t])});
  }
  return table(rows);
}

// Drawings that take the place of those of an earlier answer in a folder when all are there: until
// then they lie in a folder of their own, which goes with whatever does not get so far.
class Overlays {
 public:
  explicit Overlays(const fs::path& folder) : folder_(folder) {
    std::error_code fault;
    fs::create_directories(folder, fault);
    std::string scratch = (folder / ".overlays.XXXXXX").string();
    if (fault || ::mkdtemp(scratch.data()) == nullptr) {
      fail(fault ? fault : std::error_code(errno, std::generic_category()));
    }
    scratch_ = scratch;
  }
  ~Overlays() {
    std::error_code ignored;
    fs::remove_all(scratch_, ignored);
  }
  Overlays(const Overlays&) = delete;
  Overlays& operator=(const Overlays&) = delete;

  void add(const Image& drawing, const std::string& name) {
    save_png(drawing, scratch_ / name);
    names_.insert(name);
  }

  // Calls `check` with each file that is replaced or taken away, before one is.
  template <class Check>
  void replace(const Check& check) {
    const std::vector<fs::path> left = older();
    for (const std::string& name : names_) check(folder_ / name);
    for (const fs::path& old : left) check(old);
    std::error_code fault;
    for (const std::string& name : names_) {
      fs::rename(scratch_ / name, folder_ / name, fault);
      if (fault) fail(fault);
    }
    for (const fs::path& old : left) fs::remove(old, fault);
  }

 private:
  // What an answer with more tokens, layers or pictures has left.
  std::vector<fs::path> older() const {
    static const std::regex ours("(rollout|layer-[0-9]+|token-[0-9]+)(-[0-9]+)?[.]png");
    std::vector<fs::path> files;
    std::error_code fault;
    for (fs::directory_iterator entry(folder_, fault), end; !fault && entry != end;
         entry.increment(fault)) {
      const std::string name = entry->path().filename().string();
      if (std::regex_match(name, ours) && !names_.contains(name)) files.push_back(entry->path());
    }
    if (fault) fail(fault);
    return files;
  }

  [[noreturn]] void fail(const std::error_code& fault) const {
    throw Failure(ExitCode::fault, folder_.string() + ": cannot be written: " + fault.message());
  }

  fs::path folder_, scratch_;
  std::set<std::string> names_;
};

// rollout-1.png and token-01.png: one for each picture, and one for each of its tokens.
void write_overlays(const Settings& settings, const std::vector<std::string>& pictures,
                    const Explanation& explanation, const std::vector<Image>& images) {
  Overlays overlays(settings.task.overlays);
  const auto draw = [&](std::size_t picture, const std::vector<float>& map,
                        const std::string& name) {
    const Image overlay = heat_map(images[picture], map, explanation.grid_rows,
                                   explanation.grid_columns, explanation.pictures[picture].region);
    const std::string number = images.size() > 1 ? "-" + std::to_string(picture + 1) : "";
    overlays.add(overlay, name + number + ".png");
  };
  const auto two_digits = [](std::size_t number) {
    return (number < 10 ? "0" : "") + std::to_string(number);
  };
  for (std::size_t i = 0; i < images.size(); ++i) {
    draw(i, explanation.rollout_patches(static_cast<int>(i)), "rollout");
    for (std::size_t l = 0; l < explanation.cross_layers.size(); ++l) {
      draw(i, explanation.patches(static_cast<int>(i), static_cast<int>(l)),
           "layer-" + two_digits(static_cast<std::size_t>(explanation.cross_layers[l])));
    }
    for (std::size_t t = 0; t < explanation.scored.tokens.size(); ++t) {
      const auto token = static_cast<int>(t);
      const auto picture = static_cast<int>(i);
      draw(i,
           explanation.gradcam.empty() ? explanation.token_patches(token, picture)
                                       : explanation.gradcam_patches(token, picture),
           "token-" + two_digits(t + 1));
    }
  }
  overlays.replace(
      [&](const fs::path& file) { check_not_read(settings, "--overlays", file, pictures); });
}

void check_overlays(const Settings& settings) {
  const fs::path folder = settings.task.overlays;
  std::error_code unknown;
  if (folder.empty()) return;
  if (fs::exists(folder, unknown) && !fs::is_directory(folder, unknown)) {
    throw Failure(ExitCode::usage, "--overlays " + folder.string() +
                                       ": expected a folder or a new name, got a file");
  }
  const fs::path html = settings.task.html, place = fs::weakly_canonical(folder, unknown);
  if (!html.empty() && !unknown && place == fs::weakly_canonical(html, unknown)) {
    throw Failure(ExitCode::usage, "--overlays " + folder.string() +
                                       ": is the page of --html\n  hint: give a folder");
  }
  fs::path there = fs::absolute(folder, unknown);
  while (!fs::exists(there, unknown) && there.has_relative_path()) there = there.parent_path();
  int why = fs::is_directory(there, unknown) ? 0 : ENOTDIR;
  if (why == 0 && ::access(there.c_str(), W_OK | X_OK) != 0) why = errno;
  if (why == 0) return;
  throw Failure(ExitCode::fault, "--overlays " + folder.string() + ": cannot be written in " +
                                     there.string() + ": " + std::strerror(why));
}

// Gradients go back through weights that are not packed.
LoadOptions load_options_for(const Settings& settings) {
  LoadOptions options = settings.load;
  if (settings.task.gradcam && options.numerics == Numerics::automatic) {
    options.numerics = Numerics::reference;
  }
  return options;
}

ExitCode explain_one(Session& session) {
  const Settings& settings = session.settings;
  const std::vector<std::string> instructions = session.instructions();
  if (instructions.size() > 1 || settings.task.answers.size() > 1) {
    throw Failure(ExitCode::usage, "explain: expected one --instruction and one --answer at most");
  }
  PictureList list = list_pictures(session);
  const std::vector<std::string> names = list.names;
  check_output(settings, "--html", settings.task.html, names);
  check_overlays(settings);
  Pictures pictures(std::move(list), session);
  const Pipeline pipeline = session.load_pipeline(load_options_for(settings));
  const std::size_t each =
      pictures_of_a_request(pipeline, instructions, pictures.list(), "explain");
  if (each != pictures.size()) {
    throw Failure(ExitCode::usage, "explain: expected one picture, got " +
                                       std::to_string(pictures.size()) +
                                       "\n  hint: explain each by a command of its own");
  }
  session.progress.begin("explaining", Progress::Unit::none);
  const Interrupt::Graceful graceful(session.interrupt);
  const auto shown = take(session, pictures, 0, each);
  const Request request{shown->pictures(), instructions.front(), settings.generation,
                        settings.task.qformer_text};
  ExplainOptions options{.relevance = !settings.task.gradcam, .gradcam = settings.task.gradcam};
  if (!settings.task.answers.empty()) options.answer = settings.task.answers.front();
  const Explanation explanation = during(Stage::request, [&] {
    return explain(pipeline, request, options, {.stop = session.interrupt.token()});
  });
  during(Stage::request, [&] {
    if (!settings.task.html.empty()) {
      write_whole(settings.task.html, to_html(explanation, shown->images));
    }
    if (!settings.task.overlays.empty()) {
      write_overlays(settings, names, explanation, shown->images);
    }
  });
  session.clear_line();
  session.output.write(settings.json
                           ? to_json(explanation) + "\n"
                           : on_one_line(explanation.answer) + "\n" + table_of(explanation));
  return session.end();
}

constexpr Takes kTakes[] = {Group::model,  "image",         "images-from",  Group::video,
                            "instruction", "answer",        "method",       "qformer-text",
                            Group::answer, Group::pictures, Group::running, "html",
                            "overlays",    "json",          "quiet"};
constexpr Takes kNeeds[] = {"model", "image"};

}  // namespace

extern const Command kExplain = {
    .name = "explain",
    .usage = "--model DIR --image FILE --instruction TEXT [--html FILE]",
    .help = "show where the Q-Former looked, and what each token of an answer rests on",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = explain_one,
};

}  // namespace instructblip::cli
