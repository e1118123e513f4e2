// instructblip features: writes what the stages compute.
#include <optional>
#include <string>
#include <utility>

#include "cli/requests.h"
#include "cli/text_input.h"
#include "cli/whole_file.h"

namespace instructblip::cli {
namespace {

std::optional<std::string> instruction_of(const Settings& settings) {
  if (settings.instructions.empty()) return std::nullopt;
  if (settings.instructions.size() == 1) return text_or_input(settings.instructions.front());
  throw Failure(ExitCode::usage, "features: expected one --instruction, got " +
                                     std::to_string(settings.instructions.size()));
}

// Whether several pictures make one request. Throws Failure(usage) where that takes another number.
bool go_together(const Pipeline& pipeline, const PictureList& pictures,
                 const std::optional<std::string>& instruction) {
  if (instruction) {
    return pictures_of_a_request(pipeline, {*instruction}, pictures, "features") > 1;
  }
  return pictures_that_go_together(pipeline, pictures) > 1 || pipeline.tokenize("").image_marks > 0;
}

// Told before anything is read that takes time.
void check_count(Session& session, const PictureList& list,
                 const std::optional<std::string>& instruction) {
  const std::size_t pictures = list.names.size();
  if (pictures == 1 || go_together(session.load_description(), list, instruction)) return;
  throw Failure(ExitCode::usage, "features: expected one --image, got " + std::to_string(pictures) +
                                     ": several are looked at together by a video model, or by a "
                                     "LLaVA whose instruction has an <image> for each");
}

ExitCode features(Session& session) {
  const Settings& settings = session.settings;
  const std::optional<std::string> instruction = instruction_of(settings);
  PictureList list = list_pictures(session);
  check_output(settings, "--output", settings.output, list.names);
  check_count(session, list, instruction);
  warn_of_order(session, list, list.names.size());
  Pictures pictures(std::move(list), session);
  const Pipeline pipeline = session.load_pipeline();
  const std::optional<Shown> shown = take(session, pictures, 0, pictures.size());

  session.progress.begin("computing", Progress::Unit::none);
  during(Stage::request, [&] {
    const auto tensors = pipeline.features(shown->pictures(), instruction);
    const Interrupt::Graceful writing(session.interrupt);  // whole, or not begun
    save_tensors(settings.output, tensors);
  });
  return ExitCode::success;
}

constexpr Takes kTakes[] = {Group::model,    "image",    "images-from", Group::video, "instruction",
                            Group::pictures, "dtype",    "policy",      "device",     "threads",
                            "pin",           "numerics", "kernels",     "output",     "quiet"};
constexpr Takes kNeeds[] = {"model", "image", "output"};

}  // namespace

extern const Command kFeatures = {
    .name = "features",
    .usage = "--model DIR --image FILE [--instruction TEXT] --output FILE",
    .help = "write what each stage computes as float32 safetensors",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = features,
};

}  // namespace instructblip::cli
