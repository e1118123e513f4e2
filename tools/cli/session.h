// What every command works with.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/failure.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "instructblip/pipeline.h"
#include "instructblip/retrieval.h"

namespace instructblip::cli {

// One per process: the library's log sink points into it while it lives.
class Session {
 public:
  Session(const Command& command_of_session, Settings settings_of_command,
          Interrupt& interrupt_of_process);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Throws Failure.
  Pipeline load_pipeline() { return load<Pipeline>(settings.load); }
  Pipeline load_pipeline(const LoadOptions& options) { return load<Pipeline>(options); }
  ImageTextMatcher load_matcher() { return load<ImageTextMatcher>(settings.load); }
  // For commands that compute nothing: no weights are read, and a picture size that is not the
  // encoder's is no error.
  Pipeline load_description();
  // What --instruction says, one at least: an empty one is one; none at all has to be allowed by
  // the model.
  std::vector<std::string> instructions();
  // The same of any checkpoint, those for retrieval too.
  ModelInfo describe();

  // On standard error, unless the command is to be quiet; the same one once.
  void warn(const std::string& message);

  // Warns where there are many times as many threads as cores.
  void warn_of_threads(int threads);

  // Takes the progress line away where an answer would share it.
  void clear_line() {
    if (output.is_terminal()) progress.end();
  }

  // Does what concerns `subject`. With --keep-going a Failure that is due to its pictures does not
  // end the command: it is told on standard error and by --json, and false is returned.
  template <typename Work>
  bool attempt(const Subject& subject, Work&& work) {
    try {
      std::forward<Work>(work)();
      return true;
    } catch (const Failure& failure) {
      if (!passes_over(failure)) throw;
      report(failure, subject);
      return false;
    }
  }
  // How the command ends that has come to its end.
  ExitCode end() const;

  const Command& command;
  const Settings settings;
  Interrupt& interrupt;
  Output output;
  Progress progress;

 private:
  template <typename Model>
  Model load(LoadOptions options);

  bool passes_over(const Failure& failure) const;
  void report(const Failure& failure, const Subject& subject);

  std::mutex said_mutex_;
  std::set<std::string> said_;  // warnings: a thousand requests give the same one
  bool passed_over_ = false;
};

}  // namespace instructblip::cli
