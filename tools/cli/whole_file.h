// Files that a command writes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "cli/session.h"

namespace instructblip::cli {

// Writes a file whole or not at all: where it fails, an older one is as it was. A link keeps
// leading to the file that is replaced. Throws Failure(fault), also where there is a device or a
// pipe.
void write_whole(const std::filesystem::path& file, std::string_view content);

// Throws Failure(usage) where `output`, the value of an option that replaces files, is one that the
// command reads: a picture or features, or anything in the directory of a model.
void check_not_read(const Settings& settings, const std::string& option, const std::string& output);

}  // namespace instructblip::cli
