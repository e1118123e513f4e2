// Rules about what documents say of the tree.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "structure/source_rules.h"

namespace instructblip::structure {

// Every path of this project that a document names in backquotes exists. `exists` is asked with
// paths from the root, "src/core/limits.h".
Findings check_paths(const SourceFile& document,
                     const std::function<bool(const std::string& path)>& exists);

// Headings of documents by their paths, as links name them: "With AVX-512" is with-avx-512.
using Headings = std::map<std::string, std::set<std::string>>;
std::set<std::string> headings_of(const SourceFile& document);

// Every link of a document to a file of this project leads to one, and one to a heading to a
// heading of that document.
Findings check_links(const SourceFile& document,
                     const std::function<bool(const std::string& path)>& exists,
                     const Headings& headings);

// Every folder of the sources is named by the document that says where things are.
Findings check_named(const SourceFile& document, const std::vector<std::string>& folders);

}  // namespace instructblip::structure
