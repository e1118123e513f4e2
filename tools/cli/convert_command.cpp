// instructblip convert: writes a model as one directory of safetensors.
#include <string>

#include "cli/session.h"
#include "instructblip/checkpoint.h"

namespace instructblip::cli {
namespace {

ExitCode convert_model(Session& session) {
  const Settings& settings = session.settings;
  LoadOptions options = settings.load;
  session.warn_of_threads(options.threads);
  const Interrupt::Graceful graceful(session.interrupt);
  options.progress = [&](std::int64_t done, std::int64_t total) {
    if (session.interrupt.requested()) {
      throw Failure(ExitCode::interrupted, "interrupted: nothing was written");
    }
    session.progress.update(done, total);
  };
  session.progress.begin("writing", Progress::Unit::bytes);
  const ConvertReport report = during(Stage::request, [&] {
    return convert(settings.model, settings.output, options, settings.convert);
  });
  session.progress.end();
  const std::string tensors = std::to_string(report.tensors);
  const std::string files = std::to_string(report.files);
  const std::string bytes = std::to_string(report.bytes);
  session.output.write(settings.json ? "{\"tensors\": " + tensors + ", \"files\": " + files +
                                           ", \"bytes\": " + bytes + "}\n"
                                     : tensors + " tensors, " + bytes + " bytes, in " + files +
                                           (report.files == 1 ? " file\n" : " files\n"));
  return ExitCode::success;
}

constexpr Takes kTakes[] = {Group::model, "threads", "json", "quiet"};
constexpr Takes kNeeds[] = {"model", "output"};

}  // namespace

extern const Command kConvert = {
    .name = "convert",
    .usage = "--model DIR -o DIR",
    .help = "write a model, with all that is laid over it, as one directory of safetensors",
    .takes = kTakes,
    .needs = kNeeds,
    .execute = convert_model,
    .own = options::conversion_table,
};

}  // namespace instructblip::cli
