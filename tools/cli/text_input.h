// Texts and lines from standard input and from files, as other programs write them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace instructblip::cli {

// Standard input to its end, byte for byte. Throws Failure(usage): it cannot be read or has more
// than `most` bytes.
std::string read_standard_input(std::size_t most);

// A pipe or a file to its end, byte for byte; throws as read_standard_input().
std::string read_to_end(const std::string& file, std::size_t most);
// The same of a regular file alone: nobody waits for what a pipe or a device may give.
std::string read_regular(const std::string& file, std::size_t most);

// All readers below take UTF-8 with or without its mark at the beginning and with line ends of
// Unix or Windows. They throw Failure(usage) where a file cannot be read, is too long or UTF-16.

// `text`, or what stands on standard input where it is "-", without one final line end.
std::string text_or_input(const std::string& text);
// `texts`, with the lines of standard input in place of "-".
std::vector<std::string> texts_or_lines(const std::vector<std::string>& texts);
// The lines of `file`, or of standard input where it is "-". Pipes are read too.
std::vector<std::string> lines_of(const std::string& file);

}  // namespace instructblip::cli
