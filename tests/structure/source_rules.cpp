#include "structure/source_rules.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <regex>
#include <sstream>

namespace instructblip::structure {
namespace {

struct Include {
  int line;
  std::string path;
  bool quoted;
};

bool under(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) &&
         (folder.ends_with('/') || path.size() == folder.size() || path[folder.size()] == '/');
}

bool is_header(std::string_view path) { return path.ends_with(".h"); }

std::string at(const SourceFile& file, int line, const std::string& what) {
  return file.path + ":" + std::to_string(line) + ": " + what;
}

std::vector<Include> includes_of(const SourceFile& file) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> includes;
  std::istringstream lines(file.text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (std::smatch match; std::regex_search(line, match, pattern)) {
      includes.push_back({number, match[2], match[1] == "\""});
    }
  }
  return includes;
}

// Each match of `pattern` in the code of `file`, comments and literals left out.
Findings matches(const SourceFile& file, const std::regex& pattern, const std::string& what) {
  Findings findings;
  std::istringstream lines(code_only(file.text));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (std::smatch match; std::regex_search(line, match, pattern)) {
      findings.push_back(at(file, number, what + ": " + match.str()));
    }
  }
  return findings;
}

// "qformer" of "src/qformer/layer.h" or, without src/, of "qformer/layer.h".
std::string component_of(std::string_view path) {
  if (path.starts_with("src/")) {
    path.remove_prefix(4);
  }
  const auto slash = path.find('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

// By their shape: <vector>, <span>.
bool is_standard(std::string_view path) {
  return path.find_first_of("./") == std::string_view::npos;
}

struct Door {
  std::regex headers;
  std::string name;
  std::vector<std::string> folders;  // where they may be included
};

const std::vector<Door>& doors() {
  static const std::vector<Door> all = {
      // First: a header of torch that needs CUDA is CUDA.
      {std::regex("(^|[/_])cu(da|blas|dnn|fft|rand|solver|sparse|pti)"),
       "CUDA",
       {"src/kernels/cuda", "src/cuda", "tests/cuda"}},
      {std::regex("^(ATen|c10|torch|caffe2)/"),
       "LibTorch",
       {"src/nn", "src/vision", "src/qformer", "src/projection", "src/language", "src/loading",
        "src/retrieval", "src/pipeline", "src/conversion", "src/benchmark", "src/cuda", "tests",
        "benchmarks"}},
      {std::regex("^opencv2?/"),
       "OpenCV",
       {"src/image", "include/instructblip/adapters/opencv.h", "examples", "tests"}},
      {std::regex("^(gif_lib|jpeglib|jerror|openjpeg|png|tiff|tiffio)\\.h$"),
       "an image codec",
       {"src/image"}},
      {std::regex("^((immintrin|arm_neon|cpuid)\\.h$|simde/)"),
       "an instruction set",
       {"src/kernels/cpu", "src/kernels/machine.cpp", "tests/simulated"}},
      {std::regex("^nlohmann/"),
       "nlohmann_json",
       {"src/core/json.h", "src/core/json.cpp", "tools", "examples", "tests"}},
      {std::regex("^re2/"), "RE2", {"src/adapters"}},
      {std::regex("^CLI/"), "CLI11", {"tools/cli/command_line.cpp"}},
      {std::regex("^sentencepiece"),
       "SentencePiece",
       {"src/text/sentencepiece_module.cpp", "tests/unit/text"}},
      // Our own sources quote them.
      {std::regex("^instructblip/"),
       "a public header in <>",
       {"tools", "examples", "benchmarks", "tests"}},
      {std::regex("^(gtest|gmock)/"), "GoogleTest", {"tests"}},
      {std::regex("^benchmark/"), "Google Benchmark", {"benchmarks"}},
      {std::regex(
           R"(^(stdlib|unistd|elf|malloc|spawn|fcntl|sched|pthread|poll|signal|dlfcn|sys/\w+|linux/\w+)\.h$)"),
       "the system's interface",
       {"src/core", "src/checkpoint", "src/nn", "tools", "tests", "benchmarks"}},
  };
  return all;
}

// Where the text after the first `closing` at or behind `from` begins; the end where there is none.
std::size_t after(std::string_view text, std::string_view closing, std::size_t from) {
  const std::size_t found = text.find(closing, from);
  return found == std::string_view::npos ? text.size() : found + closing.size();
}

// The end of the comment or literal that begins at `begin`; `begin` where none does.
std::size_t end_of_blank(std::string_view text, std::size_t begin) {
  const std::string_view rest = text.substr(begin);
  if (rest.starts_with("//")) {
    return std::min(text.find('\n', begin), text.size());
  }
  if (rest.starts_with("/*")) {
    return after(text, "*/", begin + 2);
  }
  if (rest.starts_with("R\"")) {
    const std::size_t open = std::min(text.find('(', begin), text.size() - 1);
    const std::string delimiter(text.substr(begin + 2, open - begin - 2));
    return after(text, ")" + delimiter + "\"", open);
  }
  // An apostrophe between digits separates them.
  const bool separator = rest[0] == '\'' && begin > 0 && std::isxdigit(text[begin - 1]);
  if (rest[0] != '"' && (rest[0] != '\'' || separator)) {
    return begin;
  }
  std::size_t end = begin + 1;
  while (end < text.size() && text[end] != rest[0] && text[end] != '\n') {
    end += text[end] == '\\' ? 2 : 1;
  }
  return std::min(end + 1, text.size());
}

}  // namespace

Arrows parse_arrows(std::string_view text) {
  Arrows arrows;
  std::istringstream lines{std::string(text)};
  std::string line;
  while (std::getline(lines, line)) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) {
      continue;
    }
    std::istringstream names(line.substr(colon + 1));
    std::set<std::string>& depends = arrows[line.substr(0, colon)];
    for (std::string name; names >> name;) {
      depends.insert(name);
    }
  }
  return arrows;
}

std::vector<SourceFile> read_sources(const std::filesystem::path& root,
                                     const std::vector<std::string>& folders) {
  std::vector<SourceFile> files;
  for (const std::string& folder : folders) {
    if (!std::filesystem::exists(root / folder)) {
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const auto extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp") {
        continue;
      }
      std::ifstream stream(entry.path());
      std::string text(std::istreambuf_iterator<char>(stream), {});
      files.push_back({entry.path().lexically_relative(root).generic_string(), std::move(text)});
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

std::string code_only(std::string_view text) {
  std::string code(text);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = end_of_blank(text, begin);
    std::replace_if(
        code.begin() + begin, code.begin() + end, [](char c) { return c != '\n'; }, ' ');
    begin = std::max(end, begin + 1);
  }
  return code;
}

Findings check_arrows(const SourceFile& file, const Arrows& arrows) {
  Findings findings;
  const bool in_component = under(file.path, "src");
  const std::string own = in_component ? component_of(file.path) : std::string();
  if (!in_component && !under(file.path, "tools") && !under(file.path, "examples") &&
      !under(file.path, "include")) {
    return findings;
  }
  const auto declared = arrows.find(own);
  if (in_component && declared == arrows.end()) {
    return {file.path + ": its folder is declared by no instructblip_component()"};
  }
  for (const Include& include : includes_of(file)) {
    const std::string other = component_of(include.path);
    if (!include.quoted || other == "instructblip") {
      continue;
    }
    if (in_component && other != own && !declared->second.contains(other)) {
      findings.push_back(at(file, include.line,
                            "includes \"" + include.path + "\", but " + own +
                                " does not declare that it depends on " + other));
    } else if (!in_component && arrows.contains(other)) {
      findings.push_back(at(file, include.line,
                            "includes \"" + include.path + "\", which is not a public header"));
    }
  }
  return findings;
}

Findings check_layers(const Arrows& arrows) {
  static const std::map<std::string, std::set<std::string>> allowed = {
      {"core", {}},
      {"checkpoint", {"core"}},
      {"config", {"checkpoint", "core"}},
      {"adapters", {"config", "checkpoint", "core"}},
      {"nn", {"kernels", "config", "checkpoint", "core"}},
      {"kernels", {"core"}},
      {"loading", {"image", "nn", "kernels", "adapters", "config", "checkpoint", "core"}},
      {"cuda", {"nn", "kernels", "core"}},
      {"api", {"costs", "decoding", "config", "checkpoint", "kernels", "core"}},
      {"module", {"benchmark", "conversion", "retrieval", "pipeline", "api"}},
      {"benchmark",
       {"pipeline", "costs", "api", "loading", "image", "vision", "qformer", "projection",
        "language", "decoding", "text", "nn", "kernels", "adapters", "config", "checkpoint",
        "core"}},
      {"retrieval",
       {"pipeline", "api", "loading", "image", "vision", "qformer", "text", "nn", "adapters",
        "config", "core"}},
      {"pipeline",
       {"api", "loading", "image", "vision", "qformer", "projection", "language", "decoding",
        "text", "nn", "kernels", "adapters", "config", "checkpoint", "core"}},
      {"conversion",
       {"pipeline", "retrieval", "api", "loading", "vision", "qformer", "projection", "language",
        "nn", "kernels", "adapters", "config", "checkpoint", "core"}},
      {"text", {"config", "checkpoint", "core"}},
      {"image", {"config", "kernels", "core"}},
      {"report", {"image", "core"}},
      {"metrics", {"core"}},
      {"tasks", {"api", "core"}},
      {"decoding", {"config", "kernels", "core"}},
      {"costs", {"config", "core"}},
      {"vision", {"nn", "config", "core"}},
      {"qformer", {"nn", "config", "core"}},
      {"projection", {"nn", "config", "core"}},
      {"language", {"nn", "config", "core"}},
  };
  Findings findings;
  for (const auto& [component, depends] : arrows) {
    const auto known = allowed.find(component);
    if (known == allowed.end()) {
      findings.push_back("src/" + component +
                         " is a folder that nobody has given a place: name it here and in "
                         "docs/architecture.md");
      continue;
    }
    for (const std::string& other : depends) {
      if (!known->second.contains(other)) {
        findings.push_back(component + " depends on " + other + ", which does not lie below it");
      }
    }
  }
  return findings;
}

Findings check_public_header(const SourceFile& file) {
  Findings findings;
  if (!under(file.path, "include/instructblip")) {
    return findings;
  }
  const bool adapter = under(file.path, "include/instructblip/adapters");
  for (const Include& include : includes_of(file)) {
    const bool own = under(include.path, "instructblip");
    const bool fine = own ? include.quoted && !under(include.path, "instructblip/adapters")
                          : !include.quoted && (adapter || is_standard(include.path));
    if (!fine) {
      findings.push_back(at(file, include.line, "a public header includes " + include.path));
    }
  }
  return findings;
}

Findings check_doors(const SourceFile& file) {
  static const std::regex umbrella(
      "^(ATen/(ATen|Functions|NativeFunctions)|torch/(?!library)\\w+)\\.h$");
  Findings findings;
  for (const Include& include : includes_of(file)) {
    if (include.quoted || is_standard(include.path)) {
      continue;
    }
    const auto door = std::ranges::find_if(
        doors(), [&](const Door& d) { return std::regex_search(include.path, d.headers); });
    if (door == doors().end()) {
      findings.push_back(at(file, include.line, "<" + include.path + "> has no door; see doors()"));
    } else if (std::ranges::none_of(door->folders,
                                    [&](const auto& folder) { return under(file.path, folder); })) {
      findings.push_back(at(file, include.line, door->name + " is not included here"));
    } else if (std::regex_search(include.path, umbrella)) {
      findings.push_back(
          at(file, include.line, "<" + include.path + "> is all of torch: name the operator"));
    }
  }
  return findings;
}

Findings check_stage_math(const SourceFile& file) {
  static const std::regex laid_out(R"(^ATen/(core/Tensor|ops/cat)\.h$)");
  static const std::regex made(R"(^ATen/ops/(empty|from_blob)\.h$)");
  const bool makes = under(file.path, "src/pipeline");
  Findings findings;
  const auto stages = {"src/vision",   "src/qformer",   "src/projection",
                       "src/language", "src/retrieval", "src/pipeline"};
  if (std::ranges::none_of(stages, [&](const char* folder) { return under(file.path, folder); })) {
    return findings;
  }
  for (const Include& include : includes_of(file)) {
    const bool may = std::regex_search(include.path, laid_out) ||
                     (makes && std::regex_search(include.path, made));
    if (under(include.path, "ATen") && !may) {
      findings.push_back(at(file, include.line, "<" + include.path + ">: stages leave math to nn"));
    }
  }
  return findings;
}

Findings check_places(const SourceFile& file) {
  static const std::regex factory(
      R"(\bat::(empty|empty_strided|zeros|ones|full|arange|linspace|eye|tensor|scalar_tensor|rand|randn|from_blob)\()");
  static const std::regex says_where(R"(\boptions\(|\bhost\(|\.device\()");
  if (!under(file.path, "src")) return {};
  Findings findings;
  const std::string code = code_only(file.text);
  for (auto found = std::sregex_iterator(code.begin(), code.end(), factory);
       found != std::sregex_iterator(); ++found) {
    const auto begin = static_cast<std::size_t>(found->position());
    const std::string statement = code.substr(begin, code.find(';', begin) - begin);
    if (std::regex_search(statement, says_where)) continue;
    const auto line =
        1 + static_cast<int>(std::count(code.begin(), code.begin() + found->position(), '\n'));
    findings.push_back(at(file, line, found->str() + "...) does not say where the tensor lies"));
  }
  return findings;
}

Findings check_manners(const SourceFile& file) {
  static const std::regex prints(
      R"(\bstd::(cout|cerr|clog|wcout|wcerr)\b|\b(v?f?printf|puts|fputs|putchar|perror)\s*\()");
  static const std::regex ends(
      R"((^|[^.>\w:]|std::)(exit|_exit|_Exit|quick_exit|abort|terminate|assert)\s*\()");
  Findings findings;
  if (under(file.path, "src") || under(file.path, "include")) {
    findings = matches(file, prints, "the library prints");
    std::ranges::move(matches(file, ends, "the library ends the process"),
                      std::back_inserter(findings));
  }
  return findings;
}

Findings check_family_tests(const SourceFile& file) {
  static const std::regex test(
      R"(model_type\s*(==|!=|\.(compare|find|starts_with|ends_with))|(==|!=)\s*[\w.>-]*model_type)");
  if (!under(file.path, "src") || under(file.path, "src/config")) {
    return {};
  }
  return matches(file, test, "tests the model's type outside the reader of config.json");
}

Findings check_comments(const SourceFile& file) {
  static const std::regex genitive(R"(([^\s/]\s*//+<?\s*of|//+<?\s*Of)\s)");
  Findings findings;
  std::istringstream lines(file.text), code_lines(code_only(file.text));
  std::string line, code;
  for (int number = 1; std::getline(lines, line) && std::getline(code_lines, code); ++number) {
    std::smatch match;
    if (!std::regex_search(line, match, genitive)) continue;
    // Inside a literal there is its closing quote behind it.
    const auto begin = static_cast<std::size_t>(match.position()) + match.str().find("//");
    if (code.find_first_not_of(' ', begin) != std::string::npos) continue;
    findings.push_back(at(file, number, "a comment begins with \"of\": name the thing itself"));
  }
  return findings;
}

Findings check_size(const SourceFile& file) {
  Findings findings;
  const bool generated = file.text.substr(0, 400).find("Generated by ") != std::string::npos;
  const auto lines = std::ranges::count(file.text, '\n');
  const int limit = is_header(file.path) ? 200 : 600;
  if (lines > limit && !generated) {
    findings.push_back(file.path + ": " + std::to_string(lines) + " lines, at most " +
                       std::to_string(limit) + ": split it");
  }
  if (is_header(file.path) && file.text.find("#pragma once") == std::string::npos) {
    findings.push_back(file.path + ": has no #pragma once");
  }
  return findings;
}

}  // namespace instructblip::structure
