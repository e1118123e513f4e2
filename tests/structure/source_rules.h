// The rules of the house that can be read off the sources. Each takes a file and returns what is
// wrong with it.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace instructblip::structure {

struct SourceFile {
  std::string path;  // from the root of the project, "src/core/shape.h"
  std::string text;
};

using Findings = std::vector<std::string>;  // "src/core/shape.h:12: what is wrong"

// Component to the components whose headers it may include, as its CMakeLists.txt declares them.
using Arrows = std::map<std::string, std::set<std::string>>;

// Reads lines of the form "text: checkpoint core".
Arrows parse_arrows(std::string_view text);

// Every C++ file below the given folders of `root`.
std::vector<SourceFile> read_sources(const std::filesystem::path& root,
                                     const std::vector<std::string>& folders);

// `text` with comments and the insides of literals blanked out; line ends stay where they are.
std::string code_only(std::string_view text);

// A component includes itself, what it declares, and public headers; tools and examples include no
// component.
Findings check_arrows(const SourceFile& file, const Arrows& arrows);

// Each stage knows only what lies below it, and no two components know each other.
Findings check_layers(const Arrows& arrows);

// Public headers include the standard library and each other; adapters also what they adapt.
Findings check_public_header(const SourceFile& file);

// Each dependency is included in its own part of the project only, and torch one operator at a
// time.
Findings check_doors(const SourceFile& file);

// Stages call the operations of nn: of ATen they may only lay rows side by side. So does the
// pipeline, whose callers have threads of their own: it may make tensors, too.
Findings check_stage_math(const SourceFile& file);

// Whoever makes a tensor says where: with Runtime::options(), the options() of another tensor, or
// host(). What is left out is the host, which a device's operations refuse.
Findings check_places(const SourceFile& file);

// The library does not print and does not end the process.
Findings check_manners(const SourceFile& file);

// Which model this is gets decided where the config is read, not again and again.
Findings check_family_tests(const SourceFile& file);

// A comment begins with the thing that it is about, "Number of threads", not "Of the threads".
Findings check_comments(const SourceFile& file);

// Headers of at most 200 lines, sources of at most 600, unless generated; `#pragma once` in
// headers.
Findings check_size(const SourceFile& file);

}  // namespace instructblip::structure
