#include "cli/failure.h"

#include "options/option.h"

namespace instructblip::cli {

ExitCode exit_code(const Error& error, Stage stage) {
  switch (error.code()) {
    case ErrorCode::invalid_argument:
      return ExitCode::usage;
    case ErrorCode::bad_model:
      return ExitCode::model;
    case ErrorCode::bad_image:
      return ExitCode::image;
    case ErrorCode::not_found:
    case ErrorCode::unsupported:
      return stage == Stage::picture ? ExitCode::image : ExitCode::model;
    case ErrorCode::out_of_memory:
      return ExitCode::memory;
    case ErrorCode::cancelled:
      return ExitCode::interrupted;
    case ErrorCode::io:  // reading what the stage reads, or writing what the command writes
      return stage == Stage::load      ? ExitCode::model
             : stage == Stage::picture ? ExitCode::image
                                       : ExitCode::fault;
    case ErrorCode::busy:
    case ErrorCode::deadline:
    case ErrorCode::internal:
      break;
  }
  return ExitCode::fault;
}

Failure failure_of(const Error& error, Stage stage) {
  const bool of_options = error.code() == ErrorCode::invalid_argument &&
                          (stage == Stage::load || stage == Stage::request);
  return Failure(exit_code(error, stage),
                 of_options ? options::as_typed(error.what()) : error.what());
}

}  // namespace instructblip::cli
