// instructblip features: writes what the stages compute.
#include <string>
#include <vector>

#include "cli/pictures.h"
#include "cli/session.h"

namespace instructblip::cli {
namespace {

// Told before anything is read that takes time.
void check_count(Session& session) {
  const std::size_t count = session.settings.images.size();
  if (count == 1 || session.load_description().info().pictures_are_frames) return;
  throw Failure(ExitCode::usage, "features: expected one --image, got " + std::to_string(count) +
                                     ": only a video model looks at several pictures at once");
}

}  // namespace

ExitCode features_command(Session& session) {
  const Settings& settings = session.settings;
  check_count(session);
  std::optional<std::string> instruction;
  if (settings.instruction) instruction = text_or_input(*settings.instruction);
  const Pictures pictures(settings.images, settings.decode);
  const Pipeline pipeline = session.load_pipeline();
  std::vector<Image> images;
  for (std::size_t i = 0; i < pictures.size(); ++i) images.push_back(pictures.get(i).image);

  session.progress.begin("computing", Progress::Unit::bytes);
  during(Stage::request,
         [&] { save_tensors(settings.output, pipeline.features(images, instruction)); });
  return ExitCode::success;
}

}  // namespace instructblip::cli
