#include "cli/answering.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/json_output.h"
#include "cli/pictures.h"
#include "cli/requests.h"
#include "cli/session.h"
#include "cli/table.h"

namespace instructblip::cli {
namespace {

// How the text of answers is laid out.
struct Layout {
  bool one_line = false;      // line ends inside an answer become spaces
  bool pictures = false;      // its line begins with the pictures,
  bool instructions = false;  // and with the instruction
};

// A column of a line: nothing in it may end the column or the line.
std::string column(const std::string& text) {
  std::string out = on_one_line(text);
  std::ranges::replace(out, '\t', ' ');
  return out + "\t";
}

std::string columns_of(const Subject& subject, const Layout& layout) {
  std::string pictures;
  for (const std::string& picture : subject.pictures) {
    pictures += (pictures.empty() ? "" : ", ") + picture;
  }
  return (layout.pictures ? column(pictures) : "") +
         (layout.instructions ? column(subject.instruction.value_or("")) : "");
}

// Prints one request's answers as text: the first while it grows, each on a line of its own.
class TextPrinter {
 public:
  // @param before  what every line begins with
  TextPrinter(Session& session, std::string before, bool one_line)
      : session_(session),
        output_(session.output),
        before_(std::move(before)),
        one_line_(one_line) {}

  Flow piece(const TokenEvent& event) {
    // Id -1 is text that finish() prints: only there the number of answers is known.
    if (event.id < 0 || event.text.empty()) return Flow::go;
    session_.clear_line();
    write(event.text);
    printed_ += event.text.size();
    return output_.closed() ? Flow::cancel : Flow::go;
  }

  void finish(const Generation& generation) {
    one_line_ = one_line_ || generation.sequences.size() > 1;
    for (const Sequence& sequence : generation.sequences) {
      const std::string_view text = sequence.text;
      write(text.substr(std::min(printed_, text.size())));
      output_.write("\n");
      printed_ = 0;
    }
  }

 private:
  void write(std::string_view text) {
    if (printed_ == 0) output_.write(before_);
    output_.write(one_line_ ? on_one_line(text) : std::string(text));
  }

  Session& session_;
  Output& output_;
  std::string before_;
  bool one_line_;
  std::size_t printed_ = 0;  // bytes of the present answer
};

std::string timing_table(const Generation& generation) {
  const Timings& timings = generation.timings;
  const auto ms = [](double value) { return fixed(value, 1) + " ms"; };
  return table(
      {{"load", ms(timings.load), ""},
       {"image", ms(timings.image), ""},
       {"vision", ms(timings.vision), ""},
       {"qformer", ms(timings.qformer), std::to_string(generation.qformer_tokens) + " tokens"},
       {"prefill", ms(timings.prefill), std::to_string(generation.prompt_tokens) + " tokens"},
       {"decode", ms(timings.decode),
        std::to_string(generation.tokens().size()) + " tokens, " +
            fixed(tokens_per_second(generation), 1) + " a second"},
       {"total", ms(timings.total), "without load"},
       {"peak memory", std::to_string(peak_rss_bytes() / 1'000'000) + " MB", ""}});
}

// Milliseconds that were spent on pictures before generate() was called.
struct Spent {
  double image = 0, vision = 0;
};

class Runner {
 public:
  Runner(Session& session, const Pipeline& pipeline, const Questions& questions, Layout layout)
      : session_(session), pipeline_(pipeline), questions_(questions), layout_(layout) {
    session.progress.begin("answering", Progress::Unit::tokens);
  }

  // Answers every instruction about the pictures of one request. `count`: requests in all.
  void answer(const Shown& shown, std::size_t count) {
    if (questions_.instructions.size() == 1) {
      const instructblip::Pictures pictures = shown.pictures();
      return answer_each(pictures, shown.subject(), count, {shown.decode_ms, 0});
    }
    session_.attempt(shown.subject(), [&] {
      const auto start = std::chrono::steady_clock::now();
      const ImageFeatures features =
          during(Stage::request, [&] { return pipeline_.encode(shown.pictures()); });
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - start;
      answer_each(features, shown.subject(), count, {shown.decode_ms, took.count()});
    });
  }

  // The same about pictures that were encoded before, in a file of that name.
  void answer(const ImageFeatures& features, const std::string& name, std::size_t count) {
    answer_each(features, {{name}, {}, /*are_features=*/true}, count, {});
  }

 private:
  bool ended() const { return session_.interrupt.requested() || session_.output.closed(); }

  void answer_each(const instructblip::Pictures& pictures, Subject subject, std::size_t count,
                   Spent spent) {
    for (const std::string& instruction : questions_.instructions) {
      if (ended()) return;
      session_.progress.next(static_cast<std::int64_t>(++count_),
                             static_cast<std::int64_t>(count * questions_.instructions.size()));
      subject.instruction = instruction;
      session_.attempt(subject, [&] { answer_one(pictures, subject, std::exchange(spent, {})); });
    }
  }

  void answer_one(const instructblip::Pictures& pictures, const Subject& subject,
                  const Spent& spent) const {
    TextPrinter printer(session_, columns_of(subject, layout_), layout_.one_line);
    Generation generation = generate(pictures, *subject.instruction, printer);
    generation.timings.image += spent.image;
    generation.timings.vision += spent.vision;
    generation.timings.total += spent.image + spent.vision;
    session_.clear_line();
    if (session_.settings.json) {
      session_.output.write(to_json(generation, subject, session_.settings, pipeline_.info()) +
                            "\n");
    } else {
      printer.finish(generation);
    }
    if (session_.settings.verbose) session_.progress.print(timing_table(generation));
  }

  Generation generate(const instructblip::Pictures& pictures, const std::string& instruction,
                      TextPrinter& printer) const {
    const Settings& settings = session_.settings;
    std::int64_t steps = 0;
    Control control;
    control.stop = session_.interrupt.token();
    control.on_token = [&](const TokenEvent& event) {
      session_.progress.update(++steps, questions_.options.max_new_tokens.value_or(0));
      return settings.json ? Flow::go : printer.piece(event);
    };
    return during(Stage::request, [&] {
      return pipeline_.generate(
          {pictures, instruction, questions_.options, questions_.qformer_text}, control);
    });
  }

  Session& session_;
  const Pipeline& pipeline_;
  const Questions& questions_;
  const Layout layout_;
  std::size_t count_ = 0;
};

// Whether lines have to say what they are about: where there are several whose order is not plain
// from the command line, or one may be missing.
Layout layout_of(const Settings& settings, const Pictures& pictures, std::size_t each,
                 std::size_t instructions) {
  const std::size_t requests =
      settings.features.empty() ? (pictures.size() + each - 1) / each : settings.features.size();
  const bool apart = each == 1 || pictures.size() > each;
  const bool unclear = !pictures.list().spelled_out || settings.keep_going || instructions > 1;
  Layout layout;
  layout.pictures = settings.names.value_or(apart && unclear);
  layout.instructions = settings.names.value_or(true) && instructions > 1;
  layout.one_line = layout.pictures || requests * instructions > 1;
  return layout;
}

ExitCode run_with_features(Session& session, const std::vector<ImageFeatures>& features,
                           Runner& runner) {
  for (std::size_t i = 0; i < features.size(); ++i) {
    runner.answer(features[i], session.settings.features[i], features.size());
    if (session.interrupt.requested()) return ExitCode::interrupted;
    if (session.output.closed()) return ExitCode::success;
  }
  return session.end();
}

}  // namespace

void check_shown(const Session& session) {
  const Settings& settings = session.settings;
  const Command& command = session.command;
  if (settings.pictures.empty() != settings.features.empty()) return;
  throw Failure(ExitCode::usage,
                std::string(command.name) +
                    (settings.pictures.empty() ? ": --image is missing"
                                               : ": expected --image or --features, got both") +
                    "\n  hint: instructblip " + std::string(command.name) + " " +
                    std::string(command.usage));
}

ExitCode answer_all(Session& session, const Questions& questions) {
  const Settings& settings = session.settings;
  const std::vector<std::string>& instructions = questions.instructions;
  const std::string name(session.command.name);
  check_shown(session);
  during(Stage::request, [&] { validate(questions.options); });
  Pictures pictures(list_pictures(session), session);
  std::vector<ImageFeatures> features;
  for (const std::string& file : settings.features) {
    features.push_back(during(Stage::picture, [&] { return ImageFeatures::load(file); }));
  }
  const Pipeline pipeline = session.load_pipeline();
  std::size_t each = 1;
  if (features.empty()) {
    each = pictures_of_a_request(pipeline, instructions, pictures.list(), name);
  } else {
    marks_of(pipeline, instructions, name);  // their number is that of a file's own pictures
  }
  warn_of_order(session, pictures.list(), each);
  Runner runner(session, pipeline, questions,
                layout_of(settings, pictures, each, instructions.size()));

  const Interrupt::Graceful graceful(session.interrupt);
  if (!features.empty()) return run_with_features(session, features, runner);
  return for_each_request(session, pictures, each, [&](const Shown& shown) {
    runner.answer(shown, pictures.size() / each);
  });
}

}  // namespace instructblip::cli
