#include "structure/symbol_rules.h"

#include <regex>
#include <set>
#include <sstream>

namespace instructblip::structure {
namespace {

// The names of nm's lines, "[address] letter name", without the version of the symbol.
std::vector<std::string> names_in(std::string_view listing) {
  static const std::regex line_pattern(R"(^\s*[0-9a-f]*\s+[A-Za-z] (.*?)(@.*)?$)");
  std::vector<std::string> names;
  std::istringstream lines{std::string(listing)};
  for (std::string line; std::getline(lines, line);) {
    if (std::smatch match; std::regex_match(line, match, line_pattern)) {
      names.push_back(match[1]);
    }
  }
  return names;
}

}  // namespace

std::vector<std::string> check_exported(std::string_view defined) {
  static const std::regex ours(R"(^((vtable|VTT|typeinfo|typeinfo name) for )?instructblip::.*)");
  std::vector<std::string> findings;
  for (const std::string& name : names_in(defined)) {
    if (!std::regex_match(name, ours)) {
      findings.push_back("exports " + name);
    }
  }
  return findings;
}

std::vector<std::string> check_undefined(std::string_view undefined) {
  static const std::set<std::string> forbidden = {
      "abort",     "exit",      "_exit",     "_Exit",   "quick_exit",   "__assert_fail",
      "printf",    "puts",      "putchar",   "perror",  "vprintf",      "__printf_chk",
      "std::cout", "std::cerr", "std::clog", "fprintf", "__fprintf_chk"};
  std::vector<std::string> findings;
  for (const std::string& name : names_in(undefined)) {
    if (forbidden.contains(name)) {
      findings.push_back("uses " + name);
    }
  }
  return findings;
}

std::vector<std::string> check_own_copies(std::string_view defined) {
  static const std::regex shared_pattern(R"(^\s*[0-9a-f]*\s+[uVvWw] (?!DW\.ref\.)(.*)$)");
  std::vector<std::string> findings;
  std::istringstream lines{std::string(defined)};
  for (std::string line; std::getline(lines, line);) {
    if (std::smatch match; std::regex_match(line, match, shared_pattern)) {
      findings.push_back("shares its copy of " + match[1].str());
    }
  }
  return findings;
}

}  // namespace instructblip::structure
