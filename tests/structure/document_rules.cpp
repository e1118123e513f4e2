#include "structure/document_rules.h"

#include <regex>
#include <sstream>

namespace instructblip::structure {

Findings check_paths(const SourceFile& document,
                     const std::function<bool(const std::string& path)>& exists) {
  static const std::regex quoted("`([^`]+)`");
  static const std::regex path(
      R"(^(\.\./)?(benchmarks|cmake|docs|examples|include|models|scripts|src|tests|tools)/[\w./-]*$)");
  Findings findings;
  std::istringstream lines(document.text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    for (std::sregex_iterator found(line.begin(), line.end(), quoted), end; found != end; ++found) {
      const std::string name = (*found)[1];
      if (!std::regex_match(name, path) || exists(name)) continue;
      findings.push_back(document.path + ":" + std::to_string(number) + ": names " + name +
                         ", which does not exist");
    }
  }
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
