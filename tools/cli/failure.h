// How the command ends: exit codes, and the one exception that carries them.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "instructblip/error.h"

namespace instructblip::cli {

// A contract: scripts branch on these.
enum class ExitCode {
  success = 0,
  fault = 1,    // the answer could not be written, or a defect of ours
  usage = 2,    // options; a text that is too long, not UTF-8 or holds an image token
  partial = 3,  // some pictures, items of batch or rows of evaluate failed, the others did not
  model = 5,    // the checkpoint directory or one of its files
  image = 6,    // missing, unreadable, unsupported or too large
  memory = 7,
  interrupted = 130,  // Ctrl-C, after the partial text; other signals have their own number
};

// Ends the command with a message on stderr.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

// What the library was asked to do when it threw: the same ErrorCode means another exit code for a
// model than for a picture.
enum class Stage {
  load,
  picture,
  request,
  recipe  // a request whose settings come from a file
};

ExitCode exit_code(const Error& error, Stage stage);

// With the names of options for those of the library's fields, where options have set them.
Failure failure_of(const Error& error, Stage stage);

// Calls `work`; an Error of the library leaves as the Failure that `stage` makes of it.
template <typename Work>
auto during(Stage stage, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (const Error& error) {
    throw failure_of(error, stage);
  }
}

}  // namespace instructblip::cli
