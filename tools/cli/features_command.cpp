// instructblip features: writes what the stages compute.
#include "cli/pictures.h"
#include "cli/session.h"

namespace instructblip::cli {

ExitCode features_command(Session& session) {
  const Settings& settings = session.settings;
  if (settings.images.size() > 1) {
    throw Failure(ExitCode::usage,
                  "features: expected one --image, got " + std::to_string(settings.images.size()));
  }
  std::optional<std::string> instruction;
  if (settings.instruction) instruction = text_or_input(*settings.instruction);
  const Pictures pictures(settings.images, settings.decode);
  const Pipeline pipeline = session.load_pipeline();

  session.progress.begin("computing", Progress::Unit::bytes);
  during(Stage::request, [&] {
    save_tensors(settings.output, pipeline.features(pictures.get(0).image, instruction));
  });
  return ExitCode::success;
}

}  // namespace instructblip::cli
