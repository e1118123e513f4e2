// instructblip run: answers an instruction about one or more pictures.
#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/json_output.h"
#include "cli/pictures.h"
#include "cli/session.h"
#include "cli/table.h"

namespace instructblip::cli {
namespace {

// Prints one request's answers as text: the first while it grows, each on a line of its own.
class TextPrinter {
 public:
  // @param one_line  line ends inside an answer become spaces
  TextPrinter(Output& output, Progress& progress, bool one_line)
      : output_(output), progress_(progress), one_line_(one_line) {}

  Flow piece(const TokenEvent& event) {
    // Id -1 is text that finish() prints: only there the number of answers is known.
    if (event.id < 0 || event.text.empty()) return Flow::go;
    if (output_.is_terminal()) progress_.end();  // they would share a line
    printed_ += event.text.size();
    write(event.text);
    return output_.closed() ? Flow::cancel : Flow::go;
  }

  void finish(const Generation& generation) {
    one_line_ = one_line_ || generation.sequences.size() > 1;
    for (const Sequence& sequence : generation.sequences) {
      const std::string_view text = sequence.text;
      write(text.substr(std::min(std::exchange(printed_, 0), text.size())));
      output_.write("\n");
    }
  }

 private:
  void write(std::string_view text) {
    output_.write(one_line_ ? on_one_line(text) : std::string(text));
  }

  Output& output_;
  Progress& progress_;
  bool one_line_;
  std::size_t printed_ = 0;  // bytes of the first answer
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

class Runner {
 public:
  Runner(Session& session, const Pipeline& pipeline, std::string instruction, bool one_line)
      : session_(session),
        pipeline_(pipeline),
        instruction_(std::move(instruction)),
        one_line_(one_line) {}

  // Answers one request about pictures and prints the answer.
  void answer(const Pictures& pictures, std::size_t first, std::size_t count) const {
    std::vector<Image> images;
    double decode_ms = 0;
    for (std::size_t i = first; i < first + count; ++i) {
      const Picture picture = pictures.get(i);
      images.push_back(picture.image);
      decode_ms += picture.decode_ms;
    }
    answer_about(std::span<const Image>(images), decode_ms);
  }

  // The same about what was encoded before.
  void answer(const ImageFeatures& features) const { answer_about(features, 0); }

 private:
  template <typename Shown>
  void answer_about(const Shown& shown, double decode_ms) const {
    TextPrinter printer(session_.output, session_.progress, one_line_);
    Generation generation = generate(shown, printer);
    generation.timings.image += decode_ms;
    generation.timings.total += decode_ms;
    session_.progress.end();
    if (session_.settings.json) {
      session_.output.write(to_json(generation, session_.settings, pipeline_.info()) + "\n");
    } else {
      printer.finish(generation);
    }
    if (session_.settings.verbose) session_.progress.print(timing_table(generation));
  }

  template <typename Shown>
  Generation generate(const Shown& shown, TextPrinter& printer) const {
    const Settings& settings = session_.settings;
    std::int64_t steps = 0;
    Control control;
    control.stop = session_.interrupt.token();
    control.on_token = [&](const TokenEvent& event) {
      session_.progress.update(++steps, settings.generation.max_new_tokens.value_or(0));
      return settings.json ? Flow::go : printer.piece(event);
    };
    session_.progress.begin("answering", Progress::Unit::tokens);
    return during(Stage::request, [&] {
      return pipeline_.generate(shown, instruction_, settings.generation, control);
    });
  }

  Session& session_;
  const Pipeline& pipeline_;
  std::string instruction_;
  bool one_line_;
};

void check_shown(const Settings& settings) {
  if (settings.images.empty() != settings.features.empty()) return;
  throw Failure(
      ExitCode::usage,
      std::string(settings.images.empty() ? "run: --image is missing"
                                          : "run: expected --image or --features, got both") +
          "\n  hint: instructblip run " + std::string(find_command("run")->usage));
}

}  // namespace

ExitCode run_command(Session& session) {
  const Settings& settings = session.settings;
  check_shown(settings);
  during(Stage::request, [&] { validate(settings.generation); });
  const std::string instruction = session.instruction("run");
  const Pictures pictures(settings.images, settings.decode);
  std::vector<ImageFeatures> features;
  for (const std::string& file : settings.features) {
    features.push_back(during(Stage::picture, [&] { return ImageFeatures::load(file); }));
  }
  const Pipeline pipeline = session.load_pipeline();
  const std::size_t each = pipeline.info().pictures_are_frames ? pictures.size() : 1;
  const Runner runner(session, pipeline, instruction,
                      pictures.size() > each || features.size() > 1);

  const Interrupt::Graceful graceful(session.interrupt);
  const std::size_t count = features.empty() ? pictures.size() : features.size();
  for (std::size_t i = 0; i < count; i += features.empty() ? each : 1) {
    if (features.empty()) {
      runner.answer(pictures, i, each);
    } else {
      runner.answer(features[i]);
    }
    if (session.interrupt.requested()) return ExitCode::interrupted;
    if (session.output.closed()) break;
  }
  return ExitCode::success;
}

}  // namespace instructblip::cli
