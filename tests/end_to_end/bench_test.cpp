// instructblip bench: what it prints. How long anything takes is nobody's business here.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "end_to_end/command.h"
#include "support/temp_directory.h"

namespace instructblip::test {
namespace {

Arguments bench(const Arguments& more = {}) {
  return Arguments{"bench", "--synthetic",   "tiny-t5", "--layers",  "1", "--new-tokens",
                   "2",     "--repetitions", "2",       "--threads", "1", "--read-size",
                   "2MB"} +
         more;
}

TEST(BenchCommand, PrintsOneObjectWithWhatIsDocumented) {
  const Finished finished = call(bench({"--rows", "1,2", "--json"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const std::vector<Json> all = objects(finished.out);
  ASSERT_EQ(all.size(), 1u);
  const Json& run = all[0];
  EXPECT_FALSE(run["version"].get<std::string>().empty());
  EXPECT_FALSE(run["machine"]["processor"].get<std::string>().empty());
  EXPECT_EQ(run["complete"], true);
  ASSERT_EQ(run["limits"].size(), 1u);
  for (const char* key : {"threads", "read_gbps", "read_gbps_ordinary", "peak_gflops"}) {
    EXPECT_GT(run["limits"][0][key], 0) << key;
  }
  for (const char* key : {"peak_gops_of_8_bits", "peak_gops_of_16_bits", "peak_gflops_of_bf16"}) {
    EXPECT_GE(run["limits"][0][key], 0) << key;
  }
  ASSERT_EQ(run["rows"].size(), 8u);  // decode and end_to_end twice
  for (const Json& row : run["rows"]) {
    EXPECT_EQ(row["model"], "tiny-t5");
    EXPECT_EQ(row["layers"], 1);
    EXPECT_EQ(row["weights"], "f32");
    EXPECT_EQ(row["device"], "cpu");
    EXPECT_TRUE(row["numerics"] == "fast" || row["numerics"] == "reference") << row["numerics"];
    for (const char* key :
         {"rows", "requests", "threads", "samples", "median_ms", "least_ms", "bytes", "flops",
          "read_gbps", "peak_gflops", "limit_ms", "fraction_of_limit", "weight_bytes"}) {
      EXPECT_GT(row[key], 0) << key;
    }
    for (const char* key : {"stage", "prompt", "new_tokens", "spread", "limited_by",
                            "peak_rss_bytes", "peak_device_bytes"}) {
      EXPECT_TRUE(row.contains(key)) << key;
    }
    EXPECT_FALSE(row.contains("times_as_fast"));
    const auto of = [&](const char* stage) { return row["stage"] == stage; };
    EXPECT_EQ(row.value("answer", Json::array()).size(), of("end_to_end")    ? 2u
                                                         : of("first_token") ? 1u
                                                                             : 0u);
    EXPECT_EQ(row.contains("tokens_per_second"), of("end_to_end"));
    EXPECT_EQ(row.contains("parts_ms"), of("end_to_end") || of("first_token"));
    const Json parts = row.value("parts_ms", Json{{"vision", 1}});
    EXPECT_GT(parts["vision"], 0);
  }
}

TEST(BenchCommand, PrintsATableThatFitsAHundredColumns) {
  const Finished finished = call(bench());
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_NE(finished.out.find("tiny-t5, layers of each stack: 1, f32"), std::string::npos)
      << finished.out;
  for (const char* stage :
       {"  vision ", "  qformer ", "  prefill ", "  decode ", "  first_token ", "  end_to_end "}) {
    EXPECT_NE(finished.out.find(stage), std::string::npos) << stage;
  }
  std::istringstream lines(finished.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST(BenchCommand, ComparesWithAnEarlierRun) {
  const TempDirectory directory;
  const std::string file = (directory.path() / "earlier.json").string();
  Json earlier = objects(call(bench({"--json"})).out).at(0);
  // As if it had taken an hour; and another row had not been measured.
  earlier["rows"][0]["median_ms"] = 3'600'000.0;
  earlier["rows"].erase(4);
  earlier["rows"][1]["policy"] = "vision=f32";  // held otherwise
  for (const char* name : {"policy", "kernels", "pin"})
    earlier["rows"][2].erase(name);  // an old run
  std::ofstream(file) << earlier;
  const Finished finished = call(bench({"--json", "--compare", file}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const Json run = objects(finished.out).at(0);
  const Json& first = run["rows"][0];
  EXPECT_EQ(first["earlier_median_ms"], 3'600'000.0);
  EXPECT_DOUBLE_EQ(first["times_as_fast"].get<double>(),
                   3'600'000.0 / first["median_ms"].get<double>());
  EXPECT_TRUE(run["rows"][1]["times_as_fast"].is_null());
  EXPECT_FALSE(run["rows"][2]["times_as_fast"].is_null());
  EXPECT_TRUE(run["rows"][4]["times_as_fast"].is_null());
  const std::string text = call(bench({"--compare", file})).out;
  EXPECT_NE(text.find("as fast"), std::string::npos) << text;
}

TEST(BenchCommand, RefusesToCompareWithWhatIsNoRunBeforeAnythingIsMeasured) {
  const TempDirectory directory;
  const std::string file = (directory.path() / "run.json").string();
  const auto refused = [&](const std::string& content, const std::string& why) {
    std::ofstream(file) << content;
    const Finished finished = call(bench({"--compare", file}));
    EXPECT_EQ(finished.exit_code, 2) << content;
    EXPECT_EQ(finished.out, "");
    EXPECT_NE(finished.err.find(why), std::string::npos) << finished.err;
  };
  refused("{", "holds no object with rows");
  refused("[1]", "holds no object with rows");
  refused(R"({"rows": [3]})", "has a row without model");
  refused(R"({"rows": [{"model": "a", "layers": 0, "stage": "decode", "weights": "f32", "rows": 1,
              "prompt": 1, "new_tokens": 1, "requests": 1, "threads": 1, "device": "cpu", "median_ms": 0}]})",
          "without a median_ms above 0");
  std::filesystem::remove(file);
  const Finished finished = call(bench({"--compare", file}));
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_NE(finished.err.find("cannot be read"), std::string::npos) << finished.err;
}

TEST(BenchCommand, TakesListsOfWeightsByEitherName) {
  for (const char* name : {"--weights", "--dtype"}) {
    const Finished finished =
        call(bench({name, "f32,q8,q4", "--stages", "decode", "--new-tokens", "1,2", "--json"}));
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const Json run = objects(finished.out).at(0);
    ASSERT_EQ(run["rows"].size(), 6u) << name;
    EXPECT_EQ(run["rows"][5]["weights"], "q4");
    EXPECT_EQ(run["rows"][5]["new_tokens"], 2);
  }
}

TEST(BenchCommand, CrossesPoliciesAndKernels) {
  const Finished finished = call(bench({"--weights", "f16,q8", "--stages", "qformer", "--policy",
                                        "default", "--policy", "qformer=q8", "--kernels", "default",
                                        "--kernels", "packed_linear=portable", "--json"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  const Json run = objects(finished.out).at(0);
  std::vector<std::string> ways;
  for (const Json& row : run["rows"]) {
    const auto policy = row["policy"].get<std::string>();
    ways.push_back(row["weights"].get<std::string>() +
                   (policy.find("qformer=q8") != std::string::npos ? "*" : "") + " " +
                   row["kernels"].get<std::string>());
  }
  const std::string portable = "packed_linear=portable";
  EXPECT_EQ(ways, (std::vector<std::string>{"f16 ", "f16 " + portable, "q8 ", "q8 " + portable,
                                            "q8* ", "q8* " + portable}));
}

TEST(BenchCommand, ListsTheModelsThatThereAre) {
  const Finished finished = call({"bench", "--synthetic", "vicuna"});
  EXPECT_EQ(finished.exit_code, 2);
  EXPECT_EQ(finished.out, "");
  EXPECT_NE(finished.err.find("instructblip-vicuna-7b, "), std::string::npos) << finished.err;
}

TEST(BenchCommand, ReadsListsWhole) {
  for (const char* list : {"", "1,", ",1", "1,,2", "1, 2", "1;2", "one"}) {
    const Finished finished = call(bench({"--rows", list}));
    EXPECT_EQ(finished.exit_code, 2) << list;
    EXPECT_NE(finished.err.find("--rows: expected"), std::string::npos) << finished.err;
  }
  EXPECT_NE(call(bench({"--stages", "vision,decoder"})).err.find("'decoder'"), std::string::npos);
  EXPECT_NE(call({"bench"}).err.find("--model or --synthetic is missing"), std::string::npos);
  // The lists are bench's alone.
  EXPECT_EQ(call(ask({"--threads", "1,2"})).exit_code, 2);
}

}  // namespace
}  // namespace instructblip::test
