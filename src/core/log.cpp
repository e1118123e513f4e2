#include "core/log.h"

#include <mutex>
#include <utility>

namespace instructblip {
namespace {

std::mutex& sink_mutex() {
  static std::mutex mutex;
  return mutex;
}

LogSink& sink() {
  static LogSink instance;
  return instance;
}

}  // namespace

void set_log_sink(LogSink new_sink) {
  const std::lock_guard lock(sink_mutex());
  sink() = std::move(new_sink);
}

void log(LogLevel level, const std::string& message) {
  const std::lock_guard lock(sink_mutex());
  if (!sink()) return;
  try {
    sink()(level, message);
  } catch (...) {
    // A log sink must not turn a working call into a failed one.
  }
}

}  // namespace instructblip
