// Shows of every rule that it finds what it is there for, and leaves the like alone.
#include <gtest/gtest.h>

#include "structure/document_rules.h"
#include "structure/source_rules.h"
#include "structure/symbol_rules.h"

namespace instructblip::structure {
namespace {

const Arrows kArrows = parse_arrows("core: \nnn: checkpoint core\nvision: nn config core\n");

struct Sample {
  std::string path;
  std::string text;
  std::string finding;  // part of the one finding; empty: there is none
};

void expect(const Findings& findings, const Sample& sample) {
  if (sample.finding.empty()) {
    EXPECT_TRUE(findings.empty()) << sample.path << '\n' << sample.text << '\n' << findings.front();
    return;
  }
  ASSERT_EQ(findings.size(), 1U) << sample.path << '\n' << sample.text;
  EXPECT_NE(findings[0].find(sample.finding), std::string::npos) << findings[0];
}

TEST(RulesTest, ArrowsAreRead) {
  EXPECT_EQ(kArrows.at("core"), std::set<std::string>());
  EXPECT_EQ(kArrows.at("nn"), (std::set<std::string>{"checkpoint", "core"}));
}

TEST(RulesTest, IncludesFollowTheDeclaredArrows) {
  for (const Sample& sample : std::vector<Sample>{
           {"src/vision/a.cpp", "#include \"nn/linear.h\"\n#include \"vision/a.h\"\n", ""},
           {"src/vision/a.cpp", "#include \"instructblip/error.h\"\n", ""},
           {"src/core/a.cpp", "\n#include \"nn/linear.h\"\n", "src/core/a.cpp:2: includes"},
           {"src/fashion/a.cpp", "", "declared by no"},
           {"tools/cli/main.cpp", "#include \"nn/linear.h\"\n", "not a public header"},
           {"tools/cli/main.cpp", "#include \"cli/session.h\"\n", ""},
           {"examples/ask.cpp", "#include \"core/json.h\"\n", "not a public header"},
           {"tests/unit/nn/a.cpp", "#include \"nn/linear.h\"\n", ""},
       }) {
    expect(check_arrows({sample.path, sample.text}, kArrows), sample);
  }
}

TEST(RulesTest, ArrowsPointDown) {
  EXPECT_TRUE(check_layers(kArrows).empty());
  EXPECT_EQ(check_layers(parse_arrows("core: checkpoint\n")).size(), 1U);
  EXPECT_EQ(check_layers(parse_arrows("vision: qformer core\n")).size(), 1U);
  EXPECT_EQ(check_layers(parse_arrows("text: nn core\n")).size(), 1U);
  EXPECT_EQ(check_layers(parse_arrows("nn: pipeline\n")).size(), 1U);
  EXPECT_EQ(check_layers(parse_arrows("unknown: core\n")).size(), 1U);
}

TEST(RulesTest, PublicHeadersIncludeTheStandardLibraryOnly) {
  const std::string header = "include/instructblip/pipeline.h";
  for (const Sample& sample : std::vector<Sample>{
           {header, "#include <vector>\n#include \"instructblip/error.h\"\n", ""},
           {header, "#include <ATen/core/Tensor.h>\n", "ATen/core/Tensor.h"},
           {header, "#include <opencv2/core.hpp>\n", "opencv2/core.hpp"},
           {header, "#include \"core/shape.h\"\n", "core/shape.h"},
           {header, "#include \"instructblip/adapters/opencv.h\"\n", "adapters"},
           {"include/instructblip/adapters/opencv.h", "#include <opencv2/core.hpp>\n", ""},
           {"src/image/a.h", "#include <opencv2/core.hpp>\n", ""},
       }) {
    expect(check_public_header({sample.path, sample.text}), sample);
  }
}

TEST(RulesTest, StagesLeaveMathToNn) {
  for (const Sample& sample : std::vector<Sample>{
           {"src/vision/a.cpp", "#include <ATen/ops/cat.h>\n", ""},
           {"src/vision/a.cpp", "#include <ATen/TensorOperators.h>\n", "leave math to nn"},
           {"src/language/t5/a.cpp", "#include <ATen/ops/matmul.h>\n", "leave math to nn"},
           {"src/vision/a.cpp", "#include <ATen/ops/empty.h>\n", "leave math to nn"},
           {"src/pipeline/a.cpp", "#include <ATen/ops/empty.h>\n", ""},
           {"src/pipeline/a.cpp", "#include <ATen/ops/isfinite.h>\n", "leave math to nn"},
           {"src/nn/a.cpp", "#include <ATen/ops/matmul.h>\n", ""},
       }) {
    expect(check_stage_math({sample.path, sample.text}), sample);
  }
}

TEST(RulesTest, EachDependencyHasOneDoor) {
  for (const Sample& sample : std::vector<Sample>{
           {"src/core/a.cpp", "#include <ATen/core/Tensor.h>\n", "LibTorch"},
           {"src/text/a.cpp", "#include <torch/torch.h>\n", "LibTorch"},
           {"src/nn/a.cpp", "#include <ATen/core/Tensor.h>\n#include <ATen/ops/mm.h>\n", ""},
           {"src/nn/a.cpp", "#include <ATen/ATen.h>\n", "name the operator"},
           {"src/nn/a.cpp", "#include <torch/torch.h>\n", "name the operator"},
           {"src/nn/a.cpp", "#include <ATen/cuda/CUDAContext.h>\n", "CUDA"},
           {"src/nn/a.cpp", "#include <cuda_runtime.h>\n", "CUDA"},
           {"src/vision/a.cpp", "#include <opencv2/core.hpp>\n", "OpenCV"},
           {"src/image/a.cpp", "#include <opencv2/core.hpp>\n", ""},
           {"src/core/a.cpp", "#include <instructblip/error.h>\n", "public header"},
           {"examples/ask.cpp", "#include <instructblip/error.h>\n", ""},
           {"src/vision/a.cpp", "#include <png.h>\n", "codec"},
           {"src/checkpoint/a.cpp", "#include <nlohmann/json.hpp>\n", "nlohmann_json"},
           {"src/core/json.cpp", "#include <nlohmann/json.hpp>\n", ""},
           {"src/core/json_more.cpp", "#include <nlohmann/json.hpp>\n", "nlohmann_json"},
           {"src/text/a.cpp", "#include <re2/re2.h>\n", "RE2"},
           {"src/adapters/a.cpp", "#include <re2/re2.h>\n", ""},
           {"src/text/a.cpp", "#include <sentencepiece_processor.h>\n", "SentencePiece"},
           {"src/text/sentencepiece_module.cpp", "#include <sentencepiece_processor.h>\n", ""},
           {"tests/unit/text/a.cpp", "#include <sentencepiece_processor.h>\n", ""},
           {"src/core/a.cpp", "#include <boost/asio.hpp>\n", "has no door"},
           {"src/text/a.cpp", "#include <unistd.h>\n", "the system"},
           {"src/core/file.cpp", "#include <sys/mman.h>\n", ""},
       }) {
    expect(check_doors({sample.path, sample.text}), sample);
  }
}

TEST(RulesTest, TheLibraryNeitherPrintsNorEndsTheProcess) {
  for (const Sample& sample : std::vector<Sample>{
           {"src/core/a.cpp", "std::cout << 1;\n", "prints"},
           {"src/core/a.cpp", "int x;\nstd::fprintf(stderr, text);\n", "a.cpp:2: "},
           {"src/core/a.cpp", "puts (\"x\");\n", "prints"},
           {"src/core/a.cpp", "std::snprintf(buffer, 8, \"%d\", 1);\n", ""},
           {"src/core/a.cpp", "  std::abort();\n", "ends the process"},
           {"src/core/a.cpp", "  exit(1);\n", "ends the process"},
           {"src/core/a.cpp", "  assert(x);\n  static_assert(true);\n", "a.cpp:1: "},
           {"src/core/a.cpp", "loop.exit(1); on_exit(1); room->exit(2);\n", ""},
           {"src/core/a.cpp", "// abort() in a comment, /* std::cout */ \n", ""},
           {"src/core/a.cpp", "throw Error(\"exit() \\\" std::cerr\");\n", ""},
           {"src/core/a.cpp", "auto s = R\"(std::cout \"quoted\")\";\n", ""},
           {"src/core/a.cpp", "f('\"'); abort(); g('\"');\n", "ends the process"},
           {"src/core/a.cpp", "int n = 1'000; abort(); int m = 2'000;\n", "ends the process"},
           {"tools/cli/main.cpp", "std::cout << 1; exit(1);\n", ""},
       }) {
    expect(check_manners({sample.path, sample.text}), sample);
  }
}

TEST(RulesTest, TheModelTypeIsComparedInOnePlace) {
  for (const Sample& sample : std::vector<Sample>{
           {"src/vision/a.cpp", "if (config.model_type == \"blip-2\") {}\n", "model's type"},
           {"src/vision/a.cpp", "if (\"t5\" != c.text->model_type) {}\n", "model's type"},
           {"src/vision/a.cpp", "if (model_type.starts_with(\"x\")) {}\n", "model's type"},
           {"src/pipeline/a.cpp", "info.family = config.model_type;\n", ""},
           {"src/config/a.cpp", "if (model_type == \"blip-2\") {}\n", ""},
       }) {
    expect(check_family_tests({sample.path, sample.text}), sample);
  }
}

TEST(RulesTest, CommentsNameTheThingItself) {
  for (const Sample& sample : std::vector<Sample>{
           {"src/core/a.h", "// Number of rows\nint rows;  ///< rows of a picture\n", ""},
           {"src/core/a.h", "int x;\n/// Of the pool that all calls share.\n", "a.h:2: a comment"},
           {"src/core/a.h", "int rows;  ///< of a picture\n", "a.h:1: a comment"},
           {"src/core/a.h", "// rows that come first\n// of a picture\n", ""},
           {"src/core/a.h", "// Offers. Often. of\n", ""},
           {"src/core/a.cpp", "f(\"http:// Of a\");\n", ""},
       }) {
    expect(check_comments({sample.path, sample.text}), sample);
  }
}

TEST(RulesTest, FilesStaySmall) {
  const std::string once = "#pragma once\n";
  for (const Sample& sample : std::vector<Sample>{
           {"src/core/a.h", once + std::string(199, '\n'), ""},
           {"src/core/a.h", once + std::string(200, '\n'), "201 lines, at most 200"},
           {"src/core/a.h", "int x;\n", "#pragma once"},
           {"src/core/a.cpp", std::string(600, '\n'), ""},
           {"src/core/a.cpp", std::string(601, '\n'), "601 lines, at most 600"},
           {"src/core/a.cpp", "// Generated by x.py\n" + std::string(601, '\n'), ""},
       }) {
    expect(check_size({sample.path, sample.text}), sample);
  }
}

TEST(RulesTest, TensorsAreMadeWhereSomebodySays) {
  for (const Sample& sample : std::vector<Sample>{
           {"src/nn/a.cpp", "x = at::empty({2},\n  runtime.options(at::kInt));", ""},
           {"src/nn/a.cpp", "x = at::ones({2}, host(at::kInt));", ""},
           {"src/nn/a.cpp", "x = at::zeros_like(y);", ""},
           {"src/nn/a.cpp", "\nx = at::arange(5, at::dtype(at::kInt));",
            "src/nn/a.cpp:2: at::arange"},
           {"src/nn/a.cpp", "x = at::empty({2});\ny = z.options();", "at::empty"},
           {"tests/a.cpp", "x = at::empty({2});", ""},
       }) {
    expect(check_places({sample.path, sample.text}), sample);
  }
}

TEST(RulesTest, DocumentsNameWhatExists) {
  const auto exists = [](const std::string& path) { return path == "src/core/limits.h"; };
  for (const Sample& sample : std::vector<Sample>{
           {"docs/a.md", "see `src/core/limits.h`\n", ""},
           {"docs/a.md", "\nsee `limits.h`, `src/core/` and `Model::run`\n",
            "a.md:2: names src/core/"},
           {"docs/a.md", "`src/core/*.h` and src/none, `tools/none/x y`\n", ""},
       }) {
    expect(check_paths({sample.path, sample.text}, exists), sample);
  }
  for (const Sample& sample : std::vector<Sample>{
           {"src/core/a.md", "[limits](limits.h), [all](../core/limits.h#l3), [x](https://x.y/z)\n",
            ""},
           {"docs/a.md", "# A title, in two\n[up](#a-title-in-two) [ours](../src/core/limits.h)\n",
            ""},
           {"docs/a.md", "# A title\n[up](#another)\n", "a.md:2: links #another"},
           {"docs/a.md", "[ours](src/core/limits.h)\n", "a.md:1: links src/core/limits.h"},
           {"docs/a.md", "[there](b.md#there)\n", ""},
           {"docs/a.md", "[not](b.md#not)\n", "a.md:1: links b.md#not"},
       }) {
    const SourceFile document{sample.path, sample.text};
    const Headings headings = {{"docs/b.md", {"there"}}, {sample.path, headings_of(document)}};
    const auto is_known = [&](const std::string& path) {
      return exists(path) || headings.contains(path);
    };
    expect(check_links(document, is_known, headings), sample);
  }
  EXPECT_TRUE(
      check_named({"docs/a.md", "`src/core/` and `src/nn/linear.h`"}, {"src/core", "src/nn"})
          .empty());
  EXPECT_EQ(check_named({"docs/a.md", "src/core/ without quotes"}, {"src/core"}).size(), 1U);
}

TEST(RulesTest, OnlyOurNamesAreExported) {
  for (const Sample& sample : std::vector<Sample>{
           {"", "0000000000001000 T instructblip::Pipeline::load(std::string const&)\n", ""},
           {"", "0000000000001000 V typeinfo for instructblip::Error\n", ""},
           {"", "0000000000001000 V vtable for instructblip::Error\n", ""},
           {"", "0000000000001000 T cv::imread(cv::String const&, int)\n", "cv::imread"},
           {"", "0000000000001000 W std::vector<instructblip::Image>::size()\n", "std::vector"},
           {"", "0000000000001000 T helper\n", "helper"},
       }) {
    expect(check_exported(sample.text), sample);
  }
}

TEST(RulesTest, ForbiddenSymbolsAreSeen) {
  for (const Sample& sample : std::vector<Sample>{
           {"", "                 U memcpy@GLIBC_2.14\n", ""},
           {"", "                 U abort@GLIBC_2.2.5\n", "abort"},
           {"", "                 U exit@GLIBC_2.2.5\n", "exit"},
           {"", "                 U std::cout@GLIBCXX_3.4\n", "std::cout"},
           {"", "                 U printf@GLIBC_2.2.5\n", "printf"},
           {"", "                 U snprintf@GLIBC_2.2.5\n", ""},
           {"", "                 U __assert_fail@GLIBC_2.2.5\n", "__assert_fail"},
       }) {
    expect(check_undefined(sample.text), sample);
  }
}

TEST(RulesTest, CopiesThatTheLinkerSharesAreSeen) {
  for (const Sample& sample : std::vector<Sample>{
           {"", "0000000000000000 T instructblip::kernels::avx2::run(int)\n", ""},
           {"", "0000000000000040 t instructblip::kernels::(anonymous namespace)::dot(int)\n", ""},
           {"", "0000000000000000 W std::vector<int>::push_back(int)\n", "push_back"},
           {"", "0000000000000000 u instructblip::table\n", "table"},
           {"", "0000000000000000 V DW.ref.__gxx_personality_v0\n", ""},  // a pointer, no code
           {"", "0000000000000000 V typeinfo for instructblip::Error\n", "typeinfo"},
       }) {
    expect(check_own_copies(sample.text), sample);
  }
}

}  // namespace
}  // namespace instructblip::structure
