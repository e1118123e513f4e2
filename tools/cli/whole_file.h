// Files that a command writes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/session.h"

namespace instructblip::cli {

// "a directory" or "a special file", for what stands where a regular file was expected.
std::string kind_of(std::filesystem::file_type type);

// Writes a file whole or not at all: where it fails, an older one is as it was; where it does not,
// the new one has its permissions. A link keeps leading to the file that is replaced. Throws
// Failure(fault), also where there is a device or a pipe.
void write_whole(const std::filesystem::path& file, std::string_view content);

// Throws Failure(usage) where `output`, which replaces files, is one that the command reads: one of
// these pictures, features, the input, or a file of a model. `option` is how the message calls it.
void check_not_read(const Settings& settings, const std::string& option,
                    const std::filesystem::path& output,
                    const std::vector<std::string>& pictures = {});

}  // namespace instructblip::cli
