// A build without the SentencePiece library.
#include <gtest/gtest.h>

#include <filesystem>

#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "text/tokenizer.h"

namespace instructblip {
namespace {

TEST(WithoutSentencePiece, SaysWhatTheFileNeeds) {
  const test::TempDirectory directory;
  const std::filesystem::path golden =
      std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/golden/text/files";
  directory.write("tokenizer.model", test::content_of(golden / "llama-tokenizer.model"));
  EXPECT_GT(load_tokenizer(directory.path(), TokenizerKind::llama)->size(), 400);
  test::expect_error(ErrorCode::unsupported,
                     "tokenizer.model: expected the SentencePiece library, which reads it: ", [&] {
                       load_tokenizer(directory.path(), TokenizerKind::llama, {.slow_llama = true});
                     });
}

}  // namespace
}  // namespace instructblip
