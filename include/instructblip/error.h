/// The one exception type that leaves the library.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "instructblip/export.h"

namespace instructblip {

/// What went wrong, coarse enough to branch on; the message holds the rest.
enum class ErrorCode {
  invalid_argument,  ///< an option, an instruction or a request field
  not_found,         ///< a path that does not exist
  bad_model,         ///< a checkpoint or tokenizer that is damaged or contradicts itself
  unsupported,       ///< well-formed, but not something this library runs
  bad_image,         ///< cannot be decoded whole, or is over a limit
  out_of_memory,     ///< host or device memory
  busy,              ///< a queue is full
  deadline,          ///< the time limit of the call has passed
  cancelled,         ///< stopped by the caller
  io,                ///< a file could not be written
  internal,          ///< a defect of the library; please report it
};

/// The enumerator's name, "bad_model" for ErrorCode::bad_model.
INSTRUCTBLIP_API std::string_view to_string(ErrorCode code) noexcept;

/// Thrown by every public function that fails; no other type leaves the library, except what a
/// caller's own callback throws.
///
/// what() is the whole message: a headline that names the file, tensor, key or option, what was
/// expected and what was found; at most eight findings, one a line; and, where one is known, a last
/// line `hint: ...` with the next step. Strings taken from input are quoted, cut and free of
/// control bytes, so a message may be printed to a terminal.
class INSTRUCTBLIP_API Error : public std::runtime_error {
 public:
  /// @param message  headline and findings, without the hint
  /// @param hint     the next step to take, or empty
  Error(ErrorCode code, const std::string& message, std::string hint = {});

  ErrorCode code() const noexcept { return code_; }
  /// The next step, without the word "hint"; empty where none is known.
  const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorCode code_;
  std::string hint_;
};

}  // namespace instructblip
