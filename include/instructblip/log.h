/// What the library has to say besides results: the application decides where it goes.
#pragma once

#include <functional>
#include <string_view>

#include "instructblip/export.h"

namespace instructblip {

enum class LogLevel {
  info,     ///< what was done, such as which model was loaded
  warning,  ///< what may surprise: an option without effect, files that contradict each other
};

/// Receives one message, UTF-8, without a newline at its end. May be called from any thread, one
/// call at a time; what it throws is swallowed. Must not call set_log_sink().
using LogSink = std::function<void(LogLevel level, std::string_view message)>;

/// Replaces the sink of the process; an empty one silences the library, which is the default.
/// Threads: may be called at any time.
INSTRUCTBLIP_API void set_log_sink(LogSink sink);

}  // namespace instructblip
