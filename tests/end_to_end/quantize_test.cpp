// instructblip quantize: what it prints, and that what it writes is a model.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <string>

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
  std::map<std::string, std::string> held;
  for (const Json& module : info["modules"]) held[module["name"]] = module["precision"];
  EXPECT_EQ(held["vision"], "q8");
  EXPECT_EQ(held["qformer"], "f16");
  EXPECT_EQ(held["language"], "q4");
  EXPECT_EQ(held["head"], "q8");
}

TEST(QuantizeCommand, NumericsThatAreNotThoseThatWereAskedForAreNamed) {
  const Finished finished = call(ask({"--dtype", "q4", "--numerics", "reference", "--json"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.err.find("warning: numerics: fast, not reference"), std::string::npos)
      << finished.err;
  EXPECT_EQ(objects(finished.out).at(0)["options"]["numerics"], "fast");
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

// The first number of a tensor of 32 bits becomes NaN.
void damage(const std::filesystem::path& weights, const std::string& tensor) {
  std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
  std::uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), sizeof length);
  std::string header(length, '\0');
  file.read(header.data(), static_cast<std::streamsize>(length));
  const Json entry = Json::parse(header).at(tensor);
  ASSERT_EQ(entry["dtype"], "F32");
  file.seekp(static_cast<std::streamoff>(sizeof length + length +
                                         entry["data_offsets"][0].get<std::uint64_t>()));
  const float bad = std::numeric_limits<float>::quiet_NaN();
  file.write(reinterpret_cast<const char*>(&bad), sizeof bad);
}

TEST(QuantizeCommand, RefusesWeightsThatAreNoNumbers) {
  const TempDirectory directory;
  const std::filesystem::path model = directory.path() / "model";
  std::filesystem::copy(kT5, model, std::filesystem::copy_options::recursive);
  const std::string tensor = "language_model.decoder.block.0.layer.0.SelfAttention.q.weight";
  damage(model / "model-00004-of-00005.safetensors", tensor);
  for (const char* weights : {"q8", "q4"}) {
    const Finished finished = call({"quantize", model.string(), "-o", directory / "small",
                                    "--weights", weights, "--probes", "0"});
    EXPECT_EQ(finished.exit_code, 5) << finished.err;
    EXPECT_NE(finished.err.find(tensor), std::string::npos) << finished.err;
    EXPECT_FALSE(std::filesystem::exists(directory.path() / "small"));
    EXPECT_EQ(call(ask({"--weights", weights}, model.string())).exit_code, 5);
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
