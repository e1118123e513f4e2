#include <malloc.h>

#include <cstdlib>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "cli/bus_fault.h"
#include "cli/help.h"
#include "cli/parse.h"
#include "cli/session.h"
#include "instructblip/version.h"

namespace instructblip::cli {
namespace {

ExitCode run(const Invocation& invocation, Interrupt& interrupt) {
  Output output;
  switch (invocation.action) {
    case Action::version:
      output.write("instructblip " + std::string(version()) + "\n");
      return ExitCode::success;
    case Action::help:
      output.write(help_text(invocation.command));
      return ExitCode::success;
    case Action::help_markdown:
      output.write(help_markdown(invocation.command));
      return ExitCode::success;
    case Action::help_json:
      output.write(help_json(invocation.command));
      return ExitCode::success;
    case Action::run_command:
      break;
  }
  Session session(*invocation.command, invocation.settings, interrupt);
  return invocation.command->execute(session);
}

ExitCode fail(ExitCode code, const std::string& message) {
  write_error("error: " + message + "\n");
  return code;
}

ExitCode unexpected(const std::exception& fault) {
  return fail(ExitCode::fault, std::string(fault.what()) +
                                   "\n  hint: this is a defect of instructblip " +
                                   std::string(version()) + "; please report it");
}

ExitCode guarded(const std::vector<std::string>& arguments, std::optional<Interrupt>& interrupt) {
  try {
    interrupt.emplace();
    return run(parse(arguments), *interrupt);
  } catch (const Failure& failure) {
    return fail(failure.code(), failure.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::memory, "out of memory");
  } catch (const std::system_error& fault) {
    if (fault.code() != std::errc::resource_unavailable_try_again) return unexpected(fault);
    return fail(
        ExitCode::memory,
        "the system starts no thread\n  hint: raise what limits them (ulimit -u, ulimit -v, "
        "a container's pids)");
  } catch (const std::exception& fault) {
    return unexpected(fault);
  }
}

}  // namespace
}  // namespace instructblip::cli

int main(int argc, char** argv) {
  namespace cli = instructblip::cli;
  cli::prepare_standard_streams();
  cli::explain_bus_faults();
  // FFmpeg, which reads videos, would complain of damage on standard error beside our own message.
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", /*replace=*/0);
  // LibTorch registers its operators in 20 MB of small pieces: the heap grows by more at a time.
  ::mallopt(M_TOP_PAD, 32 << 20);
  // That alone would leave these two at 128 KiB, and the system would clear pages for each layer's
  // numbers anew.
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 64 << 20);
  std::optional<cli::Interrupt> interrupt;
  const cli::ExitCode code = cli::guarded({argv + 1, argv + argc}, interrupt);
  // Without what is registered for the end of the process: everything has been written, and taking
  // the operators out again costs LibTorch half of what registering them did.
  const bool by_signal = code == cli::ExitCode::interrupted && interrupt;
  std::_Exit(by_signal ? interrupt->exit_code() : static_cast<int>(code));
}
