// instructblip evaluate: a data set of the paper, put and measured by its recipe.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/batch_items.h"
#include "cli/json_object.h"
#include "cli/pictures.h"
#include "cli/recipes.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/text_input.h"
#include "instructblip/metrics.h"
#include "instructblip/tasks.h"
#include "instructblip/text_processors.h"

namespace instructblip::cli {
namespace {

using Object = nlohmann::ordered_json;

// One line of the data.
struct Row {
  std::vector<std::string> pictures, answers, candidates, ocr_tokens;
  std::map<std::string, std::string> fields;  // every other text
  bool is_video = false;                      // the pictures are one, as read_video() takes it
};

std::vector<std::string> texts(const Object& line, const char* key) {
  if (!line.contains(key)) return {};
  const Object& value = line.at(key);
  if (value.is_string()) return {value.get<std::string>()};
  const auto is_text = [](const Object& one) { return one.is_string(); };
  if (value.is_array() && std::ranges::all_of(value, is_text)) {
    return value.get<std::vector<std::string>>();
  }
  throw std::invalid_argument(std::string(key) + ": expected a text or a list of texts, got " +
                              value.dump().substr(0, 60));
}

Row row_of(const std::string& text) {
  const Object line = object_of(text);
  const bool is_video = line.contains("video");
  Row row{texts(line, is_video                  ? "video"
                      : line.contains("images") ? "images"
                                                : "image"),
          texts(line, line.contains("answers") ? "answers" : "answer"),
          texts(line, "candidates"),
          texts(line, "ocr_tokens"),
          {},
          is_video};
  for (const auto& [key, value] : line.items()) {
    if (value.is_string()) row.fields[key] = value.get<std::string>();
  }
  if (row.pictures.empty())
    throw std::invalid_argument("expected \"image\", \"images\" or \"video\"");
  if (row.answers.empty()) throw std::invalid_argument("expected \"answer\" or \"answers\"");
  return row;
}

// "(a) red (b) blue".
std::string options_text(const std::vector<std::string>& candidates) {
  std::string out;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    out += (i > 0 ? " (" : "(") + std::string(1, static_cast<char>('a' + i % 26)) + ") " +
           candidates[i];
  }
  return out;
}

// The recipe's prompt with the row's fields in it.
std::string prompt_of(const Recipe& recipe, const Row& row,
                      const std::vector<std::string>& candidates) {
  std::map<std::string, std::string> fields = row.fields;
  fields["options"] = options_text(candidates);
  if (recipe.cleans && fields.contains("question")) {
    fields["question"] = blip_question(fields["question"]);
  }
  std::string out;
  for (std::size_t at = 0; at < recipe.prompt.size();) {
    const std::size_t end = recipe.prompt.find('}', at);
    if (recipe.prompt[at] == '{' && end != std::string::npos) {
      const std::string name = recipe.prompt.substr(at + 1, end - at - 1);
      if (!fields.contains(name)) throw std::invalid_argument("expected \"" + name + "\"");
      out += fields[name];
      at = end + 1;
    } else {
      out += recipe.prompt[at++];
    }
  }
  return with_ocr_tokens(row.ocr_tokens, out);
}

class Examination {
 public:
  Examination(Session& session, const Pipeline& pipeline, Recipe recipe)
      : session_(session), pipeline_(pipeline), recipe_(std::move(recipe)) {}

  // Throws Failure.
  void take(const Row& row) {
    const instructblip::Pictures pictures = during(Stage::picture, [&] { return shown(row); });
    const auto& candidates = row.candidates.empty() ? recipe_.candidates : row.candidates;
    const Request request{pictures, prompt_of(recipe_, row, candidates), recipe_.decoding};
    during(Stage::recipe,
           [&] { recipe_.ranks ? rank(request, candidates, row) : generate(request, row); });
  }

  // The measure over the rows so far. CIDEr and the curve are those of all rows together.
  double value() const {
    if (recipe_.measure == Measure::roc_auc) return roc_auc(curve_, positive_);
    const std::vector<double> values = recipe_.measure == Measure::cider ? cider(pairs_) : values_;
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    return values.empty() ? 0 : sum / static_cast<double>(values.size());
  }

  const std::string& answer() const { return answer_; }  // to the last row

 private:
  instructblip::Pictures shown(const Row& row) const {
    const Settings& settings = session_.settings;
    if (row.is_video) return Video(read_video(row.pictures, settings).images);
    std::vector<Image> images;
    for (const std::string& name : row.pictures) {
      images.push_back(Image::open(name, settings.decode));
    }
    return images;
  }

  void generate(const Request& request, const Row& row) {
    answer_ = pipeline_.generate(request, {.stop = session_.interrupt.token()}).text();
    switch (recipe_.measure) {
      case Measure::cider:
        pairs_.push_back({answer_, row.answers});
        break;
      case Measure::vqa_accuracy:
        values_.push_back(vqa_accuracy(answer_, row.answers));
        break;
      default:
        values_.push_back(exact_match(answer_, row.answers));
    }
  }

  void rank(const Request& request, const std::vector<std::string>& candidates, const Row& row) {
    RankOptions options;
    for (const std::string& candidate : candidates) {
      const auto found = recipe_.spellings.find(candidate);
      options.spellings.push_back(found == recipe_.spellings.end() ? std::vector<std::string>()
                                                                   : found->second);
    }
    const auto ranked =
        pipeline_.rank(request, candidates, options, {.stop = session_.interrupt.token()});
    answer_ = candidates[ranked.front().index];
    const auto place = [&](const std::string& candidate) {
      return static_cast<std::size_t>(std::ranges::find(candidates, candidate) -
                                      candidates.begin());
    };
    const std::size_t right = place(row.answers.front());
    if (right == candidates.size()) {
      throw Failure(ExitCode::usage, "the answer is none of the candidates");
    }
    std::vector<std::size_t> order;
    order.reserve(ranked.size());
    for (const RankedCandidate& one : ranked) order.push_back(one.index);
    if (recipe_.measure == Measure::roc_auc) {
      const auto positive =
          std::ranges::find(ranked, place(recipe_.positive), &RankedCandidate::index);
      curve_.push_back(positive == ranked.end() ? 0 : positive->probability);
      positive_.push_back(row.answers.front() == recipe_.positive);
    } else {
      values_.push_back(recipe_.measure == Measure::mrr ? reciprocal_rank(order, right)
                                                        : static_cast<double>(order[0] == right));
    }
  }

  Session& session_;
  const Pipeline& pipeline_;
  const Recipe recipe_;
  std::string answer_;
  std::vector<double> values_, curve_;
  std::vector<bool> positive_;
  std::vector<CaptionPair> pairs_;
};

std::string report(const Recipe& recipe, double value, std::size_t rows, std::size_t errors,
                   bool json) {
  if (json) {
    const Object object = {{"recipe", recipe.name},
                           {"data", recipe.data},
                           {"metric", name_of(recipe.measure)},
                           {"value", value},
                           {"rows", rows},
                           {"errors", errors},
                           {"published", recipe.published}};
    return object.dump() + "\n";
  }
  std::vector<std::vector<std::string>> lines = {
      {"recipe", recipe.name + ", " + recipe.data},
      {std::string(name_of(recipe.measure)), fixed(100 * value, 2)},
      {"rows", std::to_string(rows) + ", " + std::to_string(errors) + " of them errors"}};
  for (const auto& [model, figure] : recipe.published.items()) {
    lines.push_back(
        {"published",
         model + ": " + (figure.is_string() ? figure.get<std::string>() : figure.dump())});
  }
  return table(lines);
}

ExitCode evaluate(Session& session) {
  const Settings& settings = session.settings;
  check_video_options(settings);
  const Recipe recipe = read_recipe(settings.task.recipe);
  const std::vector<std::string> lines = lines_of(settings.task.data);
  LoadOptions load = settings.load;
  if (load.compat == Compat::lavis && !load.geometry) load.geometry = recipe.geometry;
  const Pipeline pipeline = session.load_pipeline(load);
  Examination examination(session, pipeline, recipe);
  std::optional<AnswerFile> rows;
  if (!settings.output.empty())
    rows.emplace(settings.output, /*resume=*/false, "give another name");
  const Interrupt::Graceful graceful(session.interrupt);
  session.progress.begin("evaluating", Progress::Unit::pictures);
  std::size_t taken = 0, errors = 0;
  for (const std::string& line : lines) {
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    Object object = {{"row", taken++}};
    std::string fault;
    try {
      examination.take(row_of(line));
      object["answer"] = examination.answer();
    } catch (const Failure& failure) {
      fault = failure.what();
    } catch (const Object::parse_error& error) {
      fault = "the line is not valid JSON from byte " + std::to_string(error.byte) + " on";
    } catch (const Object::exception&) {
      fault = "a field of the line is of another type";
    } catch (const std::invalid_argument& missing) {
      fault = missing.what();
    }
    if (session.interrupt.requested()) return ExitCode::interrupted;
    if (!fault.empty()) {
      ++errors;
      object["error"] = fault;
      session.warn("row " + std::to_string(taken) + ": " + on_one_line(fault));
    }
    if (rows) rows->write(object.dump(-1, ' ', false, Object::error_handler_t::replace));
    session.progress.update(static_cast<std::int64_t>(taken), std::ssize(lines));
  }
  session.progress.end();
  if (taken == errors) throw Failure(ExitCode::usage, "evaluate: no row could be answered");
  const double value = during(Stage::request, [&] { return examination.value(); });
  session.output.write(report(recipe, value, taken, errors, settings.json));
  return errors > 0 ? ExitCode::partial : ExitCode::success;
}

constexpr Takes kTakes[] = {Group::model, "recipe",     "data",          "frames",
                            "sampling",   "frame-seed", Group::pictures, Group::running,
                            "output",     "json",       "quiet"};
constexpr Takes kNeeds[] = {"model", "recipe", "data"};

}  // namespace

extern const Command kEvaluate = {
    .name = "evaluate",
    .usage = "--model DIR --recipe NAME --data FILE.jsonl",
    .help = "measure a model on a data set of the InstructBLIP paper, by its recipe",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = evaluate,
};

}  // namespace instructblip::cli
