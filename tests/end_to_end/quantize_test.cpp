// instructblip quantize: what it prints, and that what it writes is a model.
#include <gtest/gtest.h>

#include <filesystem>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

TEST(QuantizeCommand, WritesAModelThatAnswersAsItDoesOnTheFly) {
  const TempDirectory directory;
  const std::string small = directory / "small";
  const Finished finished = call({"quantize", kT5, "-o", small, "--weights", "q4", "--policy",
                                  "vision=q8", "--probes", "2", "--json"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const Json report = objects(finished.out).at(0);
  EXPECT_EQ(report["weights"], "q4");
  EXPECT_EQ(report["policy"], "vision=q8,qformer=half,projection=half,language=q4,head=q8");
  for (const char* key :
       {"name", "module", "weights", "rows", "columns", "error", "worst_row", "worst_error"}) {
    EXPECT_TRUE(report["matrices"][0].contains(key)) << key;
  }
  EXPECT_EQ(report["agreement"]["requests"], 2);
  for (const char* key : {"instruction", "equal", "first_difference", "divergence", "text",
                          "quantized_text", "tokens", "quantized_tokens"}) {
    EXPECT_TRUE(report["agreement"]["probes"][0].contains(key)) << key;
  }
  const Json written = objects(call(ask({"--json"}, small)).out).at(0);
  // --weights is another name of --dtype.
  const Json on_the_fly =
      objects(call(ask({"--json", "--weights", "q4", "--policy", "vision=q8"})).out).at(0);
  EXPECT_EQ(written["tokens"], on_the_fly["tokens"]);
  EXPECT_EQ(written["options"]["policy"], report["policy"]);
  EXPECT_EQ(on_the_fly["options"]["policy"], report["policy"]);
  const Json info = objects(call({"info", "--model", small, "--json"}).out).at(0);
  EXPECT_EQ(info["precision"], "q4");
  EXPECT_EQ(info["modules"].size(), 6u);
}

TEST(QuantizeCommand, PrintsATable) {
  const TempDirectory directory;
  const Finished finished =
      call({"quantize", kT5, "-o", directory / "small", "--weights", "q8", "--probes", "1"});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  for (const char* part : {"matrix", "worst row", "language_model.decoder.block.0.layer.0",
                           "first difference", "of 1 answers are equal", "q8, vision=half"}) {
    EXPECT_NE(finished.out.find(part), std::string::npos) << part << " not in:\n" << finished.out;
  }
}

TEST(QuantizeCommand, RefusesBadOptions) {
  const TempDirectory directory;
  const auto refused = [&](const Arguments& more, const std::string& why) {
    const Finished finished = call(Arguments{"quantize", kT5} + more);
    EXPECT_EQ(finished.exit_code, 2) << finished.err;
    EXPECT_EQ(finished.out, "");
    EXPECT_NE(finished.err.find(why), std::string::npos) << finished.err;
  };
  const std::string small = directory / "small";
  refused({"-o", small}, "--weights");
  refused({"-o", small, "--weights", "f16"}, "q8 or q4");
  refused({"--weights", "q8"}, "--output");
  refused({"-o", small, "--weights", "q8", "--policy", "eyes=q8"}, "policy: expected a module");
  refused({"-o", small, "--weights", "q8", "--policy", "head=q8,head=q4"}, "each module once");
  refused({"-o", small, "--weights", "q8", "--policy", "language=half,head=f32"},
          "expected a part of the model in 8 or 4 bits");
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

}  // namespace
}  // namespace instructblip::test
