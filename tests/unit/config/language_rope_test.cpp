// A language model in a directory of its own whose rotary positions are those of the checkpoint, or
// not.
#include <gtest/gtest.h>

#include <string>

#include "adapters/language_folder.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

void compare(const std::string& described, const std::string& own) {
  const test::TempDirectory checkpoint, folder;
  checkpoint.write(
      "config.json",
      R"({"model_type":"instructblip","text_config":{"model_type":"llama")" + described + "}}");
  folder.write("config.json", R"({"model_type":"llama")" + own + "}");
  check_same_language_model(folder.path(), checkpoint.path());
}

constexpr const char* kLinear = R"(,"rope_scaling":{"type":"linear","factor":4.0})";
constexpr const char* kDynamic = R"(,"rope_scaling":{"rope_type":"dynamic","factor":4.0})";

TEST(LanguageFolderRope, OfTheSameKindIsTaken) {
  EXPECT_NO_THROW(compare("", ""));
  EXPECT_NO_THROW(compare(kLinear, kLinear));
  EXPECT_NO_THROW(compare(kLinear, R"(,"rope_scaling":{"rope_type":"linear","factor":4})"));
  EXPECT_NO_THROW(compare(kDynamic, kDynamic));
  // Which changes nothing.
  EXPECT_NO_THROW(compare("", R"(,"rope_scaling":{"type":"linear","factor":1.0})"));
}

TEST(LanguageFolderRope, OfAnotherKindIsRefused) {
  const auto refused = [](const std::string& described, const std::string& own) {
    return test::expect_error(ErrorCode::bad_model, "  rope_scaling is",
                              [&] { compare(described, own); });
  };
  EXPECT_NE(refused("", kLinear).find("is linear by 4, but text_config says none"),
            std::string::npos);
  refused(kLinear, "");
  refused(kLinear, kDynamic);
  refused(kLinear, R"(,"rope_scaling":{"type":"linear","factor":2.0})");
  refused(kDynamic, std::string(kDynamic) + R"(,"max_position_embeddings":4096)");
}

}  // namespace
}  // namespace instructblip
