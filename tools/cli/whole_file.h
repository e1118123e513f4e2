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

// Throws Failure before work is done whose result could not be written to `output`, or would
// replace what the command reads: usage where it is one of these pictures, features, the input, a
// file of a model, or no regular file; fault where nothing can be written in its folder. None is
// asked for where it is empty. `option` is how the message calls it.
void check_output(const Settings& settings, const std::string& option,
                  const std::filesystem::path& output,
                  const std::vector<std::string>& pictures = {});

// The part of it that is about what the command reads.
void check_not_read(const Settings& settings, const std::string& option,
                    const std::filesystem::path& output,
                    const std::vector<std::string>& pictures = {});

}  // namespace instructblip::cli
