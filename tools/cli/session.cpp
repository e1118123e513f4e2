#include "cli/session.h"

#include <sched.h>

#include <algorithm>
#include <string>
#include <utility>

#include "cli/failure.h"
#include "cli/text_input.h"
#include "instructblip/log.h"

namespace instructblip::cli {
namespace {

std::string_view prefix(LogLevel level) {
  return level == LogLevel::warning ? "warning: " : "info: ";
}

// A hint is a line of its own where there is room for it.
std::string flat(std::string message) {
  for (std::size_t at = 0; (at = message.find("\n  ", at)) != std::string::npos;) {
    message.replace(at, 3, "; ");
  }
  return on_one_line(message);
}

LoadOptions without_weights(LoadOptions options) {
  options.weights = false;
  options.interpolate_pos_encoding = true;
  return options;
}

}  // namespace

Session::Session(const Command& command_of_session, Settings settings_of_command,
                 Interrupt& interrupt_of_process)
    : command(command_of_session),
      settings(std::move(settings_of_command)),
      interrupt(interrupt_of_process),
      progress(!settings.quiet && !(settings.json && output.is_terminal())) {
  if (settings.quiet) return;
  set_log_sink([this](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) {
      warn(std::string(message));
    } else if (settings.verbose) {
      progress.print(std::string(prefix(level)) + std::string(message) + "\n");
    }
  });
}

Session::~Session() { set_log_sink({}); }

Pipeline Session::load_description() { return load<Pipeline>(without_weights(settings.load)); }

ModelInfo Session::describe() {
  const bool matches =
      during(Stage::load, [this] { return ImageTextMatcher::reads(settings.model); });
  if (matches) return load<ImageTextMatcher>(without_weights(settings.load)).info();
  return load_description().info();
}

// A few more than cores cost little; each of a hundred waits for its turn in every step.
void Session::warn_of_threads(int threads) {
  cpu_set_t allowed;
  const bool known = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  const int cores = known ? CPU_COUNT(&allowed) : 0;
  constexpr int kMany = 8;
  if (cores == 0 || threads <= kMany * cores) return;
  warn("--threads " + std::to_string(threads) + ": this process may use " + std::to_string(cores) +
       " cores; more threads than that only wait for each other");
}

template <typename Model>
Model Session::load(LoadOptions options) {
  options.progress = [this](std::int64_t done, std::int64_t total) {
    progress.update(done, total);
  };
  warn_of_threads(settings.load.threads);
  progress.begin("loading", Progress::Unit::bytes);
  Model model = during(Stage::load, [&] { return Model::load(settings.model, options); });
  progress.end();
  return model;
}

template Pipeline Session::load<Pipeline>(LoadOptions options);
template ImageTextMatcher Session::load<ImageTextMatcher>(LoadOptions options);

std::vector<std::string> Session::instructions() {
  std::vector<std::string> all;
  for (const std::string& instruction : settings.instructions) {
    all.push_back(text_or_input(instruction));
  }
  if (!all.empty()) return all;
  if (load_description().info().needs_instruction) {
    throw Failure(ExitCode::usage, std::string(command.name) +
                                       ": --instruction is missing: only BLIP-2 describes a "
                                       "picture without one");
  }
  return {""};
}

void Session::warn(const std::string& message) {
  if (settings.quiet) return;
  {
    const std::lock_guard lock(said_mutex_);
    if (!said_.insert(message).second) return;
  }
  progress.print(std::string(prefix(LogLevel::warning)) + message + "\n");
}

// The failure is about a picture, or an instruction about it: texts and options alone have been
// checked before.
bool Session::passes_over(const Failure& failure) const {
  return settings.keep_going &&
         (failure.code() == ExitCode::image || failure.code() == ExitCode::usage);
}

void Session::report(const Failure& failure, const Subject& subject) {
  passed_over_ = true;
  const std::string what = failure.what();
  const std::string& first = subject.pictures.front();
  const std::string name = first == "-" ? "standard input" : first;
  // The message about one of several pictures names it already.
  const bool is_named = std::ranges::any_of(subject.pictures, [&](const std::string& picture) {
    return what.starts_with(picture + ": ") || what.find(name) != std::string::npos;
  });
  const std::string message = is_named ? what : name + ": " + what;
  progress.print("error: " + harmless(flat(message)) + "\n");
  if (settings.json) output.write(to_json(failure, message, subject) + "\n");
}

ExitCode Session::end() const { return passed_over_ ? ExitCode::partial : ExitCode::success; }

}  // namespace instructblip::cli
