// Holds this project against the rules.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <regex>
#include <sstream>

#include "structure/document_rules.h"
#include "structure/source_rules.h"
#include "structure/symbol_rules.h"

namespace instructblip::structure {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = INSTRUCTBLIP_SOURCE_DIR;

std::string list(const Findings& findings) {
  std::string text;
  for (const std::string& finding : findings) {
    text += "\n  " + finding;
  }
  return text;
}

Arrows declared_arrows() {
  std::ifstream stream(INSTRUCTBLIP_ARROWS_FILE);
  return parse_arrows(std::string(std::istreambuf_iterator<char>(stream), {}));
}

// Applies a rule to every source; a component that this configuration leaves out is left out here
// too.
Findings apply(const std::function<Findings(const SourceFile&)>& rule) {
  const auto files =
      read_sources(kRoot, {"include", "src", "tools", "examples", "tests", "benchmarks"});
  EXPECT_GT(files.size(), 50U) << "the sources were not found";
  Findings all;
  for (const SourceFile& file : files) {
    for (std::string& finding : rule(file)) {
      all.push_back(std::move(finding));
    }
  }
  return all;
}

#if INSTRUCTBLIP_IS_WHOLE  // a build without torch declares some components only
TEST(ProjectTest, EveryFolderOfTheSourcesIsADeclaredComponent) {
  const Arrows arrows = declared_arrows();
  for (const auto& entry : fs::directory_iterator(kRoot / "src")) {
    if (entry.is_directory()) {
      EXPECT_TRUE(arrows.contains(entry.path().filename())) << entry.path();
    }
  }
}
#endif

TEST(ProjectTest, IncludesFollowTheDeclaredArrows) {
  const Arrows arrows = declared_arrows();
  const Findings findings = apply([&](const SourceFile& file) {
    const fs::path folder = *std::next(fs::path(file.path).begin());
    const bool left_out = !INSTRUCTBLIP_IS_WHOLE && file.path.starts_with("src/") &&
                          !arrows.contains(folder.string());
    return left_out ? Findings() : check_arrows(file, arrows);
  });
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, ArrowsPointDown) {
  const Arrows arrows = declared_arrows();
  EXPECT_GE(arrows.size(), 5U);
  const Findings findings = check_layers(arrows);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, PublicHeadersIncludeTheStandardLibraryOnly) {
  const Findings findings = apply(check_public_header);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, EachDependencyHasOneDoor) {
  const Findings findings = apply(check_doors);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, StagesLeaveMathToNn) {
  const Findings findings = apply(check_stage_math);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, TensorsAreMadeWhereSomebodySays) {
  const Findings findings = apply(check_places);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, TheLibraryNeitherPrintsNorEndsTheProcess) {
  const Findings findings = apply(check_manners);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, TheModelTypeIsComparedInOnePlace) {
  const Findings findings = apply(check_family_tests);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, CommentsNameTheThingItself) {
  const Findings findings = apply(check_comments);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, FilesStaySmall) {
  const Findings findings = apply(check_size);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

std::vector<SourceFile> documents() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(kRoot)) paths.push_back(entry.path());
  for (const char* folder : {"benchmarks", "docs", "models", "tests"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      paths.push_back(entry.path());
    }
  }
  std::vector<SourceFile> files;
  for (const fs::path& path : paths) {
    if (path.extension() != ".md") continue;
    std::ifstream stream(path);
    files.push_back({fs::relative(path, kRoot).string(),
                     std::string(std::istreambuf_iterator<char>(stream), {})});
  }
  EXPECT_GT(files.size(), 15U) << "the documents were not found";
  return files;
}

TEST(ProjectTest, DocumentsNamePathsThatExist) {
  const std::vector<SourceFile> files = documents();
  Headings headings;
  for (const SourceFile& document : files) headings[document.path] = headings_of(document);
  Findings all;
  for (const SourceFile& document : files) {
    const auto exists = [&](const std::string& path) { return fs::exists(kRoot / path); };
    std::ranges::move(check_paths(document, exists), std::back_inserter(all));
    std::ranges::move(check_links(document, exists, headings), std::back_inserter(all));
  }
  EXPECT_TRUE(all.empty()) << list(all);
}

TEST(ProjectTest, TheArchitectureNamesEveryFolderOfTheSources) {
  std::vector<std::string> folders;
  for (const auto& entry : fs::directory_iterator(kRoot / "src")) {
    if (entry.is_directory()) folders.push_back("src/" + entry.path().filename().string());
  }
  const std::vector<SourceFile> all = documents();
  const auto architecture = std::ranges::find(all, "docs/architecture.md", &SourceFile::path);
  ASSERT_NE(architecture, all.end());
  const Findings findings = check_named(*architecture, folders);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

TEST(ProjectTest, ScriptsMayBeCalled) {
  int scripts = 0;
  for (const char* folder : {"benchmarks", "models", "scripts", "src", "tests", "tools"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (!entry.is_regular_file()) continue;
      std::string first(2, '\0');
      std::ifstream(entry.path()).read(first.data(), 2);
      if (first != "#!") continue;
      ++scripts;
      const bool may = (entry.status().permissions() & fs::perms::owner_exec) != fs::perms::none;
      EXPECT_TRUE(may) << entry.path() << " begins with #! and may not be executed";
    }
  }
  EXPECT_GT(scripts, 20);
}

std::string output_of(const std::string& command) {
  const auto close = [](FILE* pipe) { pclose(pipe); };
  std::unique_ptr<FILE, decltype(close)> pipe(popen(command.c_str(), "r"), close);
  std::string output;
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe.get())) {
    output.append(buffer, count);
  }
  return output;
}

// What the compiler made of the files for one instruction set each, cpu/linear_avx2.cpp.
std::vector<fs::path> objects_for_instruction_sets() {
  static const std::regex name(R"(.*_(avx|amx)[a-z0-9_]*\.cpp\.o(bj)?)");
  std::ifstream list(INSTRUCTBLIP_KERNEL_OBJECTS_FILE);
  std::vector<fs::path> objects;
  for (std::string file; std::getline(list, file);) {
    if (std::regex_match(fs::path(file).filename().string(), name)) objects.emplace_back(file);
  }
  return objects;
}

TEST(KernelObjectsTest, ShareNoCodeThatOtherProcessorsMayRun) {
  for (const fs::path& object : objects_for_instruction_sets()) {
    const std::string defined =
        output_of(INSTRUCTBLIP_NM " -C --defined-only '" + object.string() + "'");
    EXPECT_NE(defined.find(" T instructblip::"), std::string::npos) << object << ": " << defined;
    const Findings findings = check_own_copies(defined);
    EXPECT_TRUE(findings.empty()) << object << list(findings);
  }
#if defined(__x86_64__)
  EXPECT_GE(objects_for_instruction_sets().size(), 7U) << "the objects were not found";
#endif
}

#ifdef INSTRUCTBLIP_LIBRARY_FILE
std::string symbols(const std::string& which, const std::string& file = INSTRUCTBLIP_LIBRARY_FILE) {
  return output_of(INSTRUCTBLIP_NM " -D -C " + which + " '" + file + "'");
}

std::vector<std::string> modules() {
  std::vector<std::string> files;
  std::istringstream list(INSTRUCTBLIP_MODULE_FILES);
  for (std::string file; std::getline(list, file, ':');) files.push_back(file);
  return files;
}

TEST(LibraryTest, ExportsOnlyItsOwnNames) {
  const std::string defined = symbols("--defined-only");
  EXPECT_NE(defined.find("instructblip::Pipeline::load"), std::string::npos) << "nm saw nothing";
  const Findings findings = check_exported(defined);
  EXPECT_TRUE(findings.empty()) << list(findings);
}

// What is opened later may need them; a program that only links the library does not.
TEST(LibraryTest, StartsWithoutLibTorchAndOpenCv) {
  const std::string needed = output_of("ldd '" INSTRUCTBLIP_LIBRARY_FILE "'");
  EXPECT_NE(needed.find("libc.so"), std::string::npos) << "ldd saw nothing";
  for (const char* library : {"torch", "libc10", "opencv", "gdal", "libgomp"}) {
    EXPECT_EQ(needed.find(library), std::string::npos) << needed;
  }
  EXPECT_LT(std::ranges::count(needed, '\n'), 30) << needed;
}

TEST(LibraryTest, ModulesShowTheirEntryAlone) {
  EXPECT_FALSE(modules().empty());
  for (const std::string& file : modules()) {
    const std::string shown = symbols("--defined-only", file);
    EXPECT_NE(shown.find(" T instructblip_"), std::string::npos) << file << ": " << shown;
    EXPECT_EQ(std::ranges::count(shown, '\n'), 1)
        << file << " shows more than its entry: " << shown;
  }
}

#ifdef NDEBUG  // else the headers of the JSON library bring assertions with them
TEST(LibraryTest, NeitherPrintsNorEndsTheProcess) {
  const std::string undefined = symbols("--undefined-only");
  EXPECT_NE(undefined.find("memcpy"), std::string::npos) << "nm saw nothing";
  Findings findings = check_undefined(undefined);
  for (const std::string& file : modules()) {
    std::ranges::move(check_undefined(symbols("--undefined-only", file)),
                      std::back_inserter(findings));
  }
  EXPECT_TRUE(findings.empty()) << list(findings);
}
#endif
#endif

}  // namespace
}  // namespace instructblip::structure
