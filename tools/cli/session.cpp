#include "cli/session.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "cli/failure.h"
#include "instructblip/log.h"

namespace instructblip::cli {
namespace {

constexpr std::size_t kInputBytes = 1 << 20;  // what the library takes for a text at most

std::string_view prefix(LogLevel level) {
  return level == LogLevel::warning ? "warning: " : "info: ";
}

std::string read_input() {
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw Failure(ExitCode::usage,
                    std::string("standard input cannot be read: ") + std::strerror(errno));
    }
    if (count == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > kInputBytes + 2) {
      throw Failure(ExitCode::usage, "standard input: expected a text of at most " +
                                         std::to_string(kInputBytes) + " bytes, got more");
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    if (lines.back().ends_with('\r')) lines.back().pop_back();
    begin = end + 1;
  }
  return lines;
}

LoadOptions without_weights(LoadOptions options) {
  options.weights = false;
  options.interpolate_pos_encoding = true;
  return options;
}

}  // namespace

Session::Session(Settings settings_of_command, Interrupt& interrupt_of_process)
    : settings(std::move(settings_of_command)),
      interrupt(interrupt_of_process),
      progress(!settings.quiet && !settings.json) {
  if (settings.quiet) return;
  set_log_sink([this](LogLevel level, std::string_view message) {
    if (level != LogLevel::warning && !settings.verbose) return;
    progress.print(std::string(prefix(level)) + std::string(message) + "\n");
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

template <typename Model>
Model Session::load(LoadOptions options) {
  options.progress = [this](std::int64_t done, std::int64_t total) {
    progress.update(done, total);
  };
  progress.begin("loading", Progress::Unit::bytes);
  Model model = during(Stage::load, [&] { return Model::load(settings.model, options); });
  progress.end();
  return model;
}

template Pipeline Session::load<Pipeline>(LoadOptions options);
template ImageTextMatcher Session::load<ImageTextMatcher>(LoadOptions options);

std::string Session::instruction(const std::string& command) {
  if (settings.instruction) return text_or_input(*settings.instruction);
  if (load_description().info().needs_instruction) {
    throw Failure(ExitCode::usage, command +
                                       ": --instruction is missing: only BLIP-2 describes a "
                                       "picture without one");
  }
  return {};
}

std::string text_or_input(const std::string& text) { return text == "-" ? read_input() : text; }

std::vector<std::string> texts_or_lines(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) {
    if (text != "-") {
      all.push_back(text);
      continue;
    }
    for (std::string& line : lines_of(read_input())) all.push_back(std::move(line));
  }
  return all;
}

}  // namespace instructblip::cli
