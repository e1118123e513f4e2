// What every command works with.
#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "instructblip/pipeline.h"
#include "instructblip/retrieval.h"

namespace instructblip::cli {

// One per process: the library's log sink points into it while it lives.
class Session {
 public:
  Session(Settings settings_of_command, Interrupt& interrupt_of_process);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Throws Failure.
  Pipeline load_pipeline() { return load<Pipeline>(settings.load); }
  ImageTextMatcher load_matcher() { return load<ImageTextMatcher>(settings.load); }
  // For commands that compute nothing: no weights are read, and a picture size that is not the
  // encoder's is no error.
  Pipeline load_description();
  // What --instruction says: an empty one is one; none at all has to be allowed by the model.
  std::string instruction(const std::string& command);
  // The same of any checkpoint, those for retrieval too.
  ModelInfo describe();

  const Settings settings;
  Interrupt& interrupt;
  Output output;
  Progress progress;

 private:
  template <typename Model>
  Model load(LoadOptions options);
};

// `text`, or what stands on standard input where it is "-", without one final line end.
std::string text_or_input(const std::string& text);
// `texts`, with the lines of standard input in place of "-".
std::vector<std::string> texts_or_lines(const std::vector<std::string>& texts);

ExitCode run_command(Session& session);
ExitCode match_command(Session& session);
ExitCode rank_command(Session& session);
ExitCode features_command(Session& session);
ExitCode info_command(Session& session);
ExitCode tokenize_command(Session& session);
ExitCode convert_command(Session& session);

}  // namespace instructblip::cli
