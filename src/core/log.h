// Where the library speaks: to the sink that the application set (instructblip/log.h), else
// nowhere.
#pragma once

#include <string>

#include "instructblip/log.h"

namespace instructblip {

void log(LogLevel level, const std::string& message);
inline void log_warning(const std::string& message) { log(LogLevel::warning, message); }
inline void log_info(const std::string& message) { log(LogLevel::info, message); }

}  // namespace instructblip
