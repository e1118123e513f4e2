// Rows of config.json of a model for retrieval.
#include "config/retrieval_config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "malformed/malformed.h"

namespace instructblip {
namespace {

using test::MalformedRow;
using test::TempDirectory;

constexpr ErrorCode kBad = ErrorCode::bad_model;
constexpr ErrorCode kUnsupported = ErrorCode::unsupported;

std::function<void(const TempDirectory&)> file(const std::string& json) {
  return [json](const TempDirectory& d) { d.write("config.json", json); };
}

// `qformer` are keys of qformer_config, `top` those beside it.
std::function<void(const TempDirectory&)> retrieval(const std::string& qformer,
                                                    const std::string& top = "") {
  return file(R"({"model_type":"blip-2","qformer_config":{"use_qformer_text_input":true)" +
              (qformer.empty() ? "" : "," + qformer) + "}" + (top.empty() ? "" : "," + top) + "}");
}

const MalformedRow kRows[] = {
    {"Missing", ErrorCode::not_found, "no config.json in this directory",
     [](const TempDirectory&) {}},
    {"Empty", kBad, "config.json: not valid JSON at byte", file("")},
    {"NoModelType", kUnsupported, "model_type: '', expected 'blip-2'", file("{}")},
    {"AnswersInstructions", kUnsupported, "is loaded with Pipeline: instructblip run",
     file(R"({"model_type":"instructblip","qformer_config":{"use_qformer_text_input":true}})")},
    {"Blip2", kUnsupported, "expected 'blip-2' with qformer_config.use_qformer_text_input",
     file(R"({"model_type":"blip-2"})")},
    {"FlagNumber", kBad, "qformer_config.use_qformer_text_input: expected true or false, got 1",
     file(R"({"model_type":"blip-2","qformer_config":{"use_qformer_text_input":1}})")},
    {"WidthZero", kBad, "image_text_hidden_size: expected an integer in [1, 1048576], got 0",
     retrieval("", R"("image_text_hidden_size":0)")},
    {"WidthString", kBad, "image_text_hidden_size: expected an integer",
     retrieval("", R"("image_text_hidden_size":"256")")},
    {"Queries", kBad, "num_query_tokens: expected an integer",
     retrieval("", R"("num_query_tokens":-1)")},
    {"RelativePositions", kUnsupported, "positions of type 'relative_key'",
     retrieval(R"("position_embedding_type":"relative_key")")},
    {"VisionHeads", kBad, "vision_config.num_attention_heads: expected a divisor of hidden_size",
     retrieval("", R"("vision_config":{"num_attention_heads":15})")},
};

class MalformedRetrieval : public testing::TestWithParam<MalformedRow> {};

TEST_P(MalformedRetrieval, CostsOneClearError) {
  test::expect_malformed(GetParam(),
                         [](const std::filesystem::path& d) { read_retrieval_config(d); });
}

INSTANTIATE_TEST_SUITE_P(Rows, MalformedRetrieval, testing::ValuesIn(kRows), test::name_of_row);

}  // namespace
}  // namespace instructblip
