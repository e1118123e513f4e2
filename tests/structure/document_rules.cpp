#include "structure/document_rules.h"

#include <cctype>
#include <filesystem>
#include <regex>
#include <sstream>
#include <string>

namespace instructblip::structure {
namespace {

// Calls `use` with each line and its number, from 1.
template <class Use>
void for_lines(const SourceFile& document, const Use& use) {
  std::istringstream lines(document.text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) use(line, number);
}

std::string place(const SourceFile& document, int line) {
  return document.path + ":" + std::to_string(line);
}

std::string anchor_of(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ') {
      anchor += '-';
    } else if (std::isalnum(byte) != 0 || c == '-' || c == '_') {
      anchor += static_cast<char>(std::tolower(byte));
    }
  }
  return anchor;
}

}  // namespace

std::set<std::string> headings_of(const SourceFile& document) {
  static const std::regex heading("^#+ (.*)$");
  std::set<std::string> anchors;
  for_lines(document, [&](const std::string& line, int) {
    std::smatch found;
    if (std::regex_match(line, found, heading)) anchors.insert(anchor_of(found[1]));
  });
  return anchors;
}

Findings check_paths(const SourceFile& document,
                     const std::function<bool(const std::string& path)>& exists) {
  static const std::regex quoted("`([^`]+)`");
  static const std::regex path(
      R"(^(\.\./)?(benchmarks|cmake|docs|examples|include|models|scripts|src|tests|tools)/[\w./-]*$)");
  Findings findings;
  for_lines(document, [&](const std::string& line, int number) {
    for (std::sregex_iterator found(line.begin(), line.end(), quoted), end; found != end; ++found) {
      const std::string name = (*found)[1];
      if (!std::regex_match(name, path) || exists(name)) continue;
      findings.push_back(place(document, number) + ": names " + name + ", which does not exist");
    }
  });
  return findings;
}

Findings check_links(const SourceFile& document,
                     const std::function<bool(const std::string& path)>& exists,
                     const Headings& headings) {
  static const std::regex link(R"(\]\(([^)#\s]*)(#[^)\s]*)?\))");
  const auto folder = std::filesystem::path(document.path).parent_path();
  Findings findings;
  for_lines(document, [&](const std::string& line, int number) {
    for (std::sregex_iterator found(line.begin(), line.end(), link), end; found != end; ++found) {
      const std::string path = (*found)[1], heading = (*found)[2];
      if (path.find("://") != path.npos) continue;
      const std::string to =
          path.empty() ? document.path : (folder / path).lexically_normal().string();
      const auto of_document = headings.find(to);
      const bool leads = path.empty() || exists(to);
      const bool is_there = heading.empty() || of_document == headings.end() ||
                            of_document->second.contains(heading.substr(1));
      if (leads && is_there) continue;
      findings.push_back(place(document, number) + ": links " + path + heading +
                         ", which does not exist");
    }
  });
  return findings;
}

Findings check_named(const SourceFile& document, const std::vector<std::string>& folders) {
  Findings findings;
  for (const std::string& folder : folders) {
    if (document.text.find("`" + folder + "/") != std::string::npos) continue;
    findings.push_back(document.path + ": does not name " + folder + "/");
  }
  return findings;
}

}  // namespace instructblip::structure
