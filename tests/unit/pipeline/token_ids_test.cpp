// Token ids that config.json and the tokenizers name, and the tables that may lack a row for them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_store.h"
#include "core/json.h"
#include "instructblip/log.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "support/warnings.h"
#include "unit/pipeline/toys.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

using test::expect_error;
using test::kSource;
using test::TempDirectory;

using Ids = std::vector<std::int32_t>;

constexpr ErrorCode kBad = ErrorCode::bad_model;
constexpr const char* kQuestion = "What color is the circle?";

// A checkpoint with links to the files of another one, some of which are changed.
class Copy {
 public:
  explicit Copy(const fs::path& source) : source_(source) {
    for (const auto& entry : fs::recursive_directory_iterator(source)) {
      const fs::path to = directory_.path() / fs::relative(entry.path(), source);
      if (entry.is_directory()) {
        fs::create_directory(to);
      } else {
        fs::create_symlink(entry.path(), to);
      }
    }
  }
  const fs::path& path() const { return directory_.path(); }
  void edit(const std::string& file, const Json::Edits& edits) const {
    write(file, Json::read(source_ / file).with(edits));
  }
  void write(const std::string& file, const std::string& content) const {
    fs::remove(path() / file);
    directory_.write(file, content);
  }

 private:
  fs::path source_;
  TempDirectory directory_;
};

fs::path model(const std::string& name) {
  return name.starts_with("tiny-") ? kSource / "models" / name : test::checkpoint(name);
}

Ids answer(const fs::path& directory, const LoadOptions& options = {}) {
  GenerationConfig config;
  config.max_new_tokens = 8;
  const Image image = Image::open(kSource / "models/scene.png");
  return Pipeline::load(directory, options).generate(image, kQuestion, config).tokens();
}

struct Row {
  std::string model;
  Json::Edits edits;
  Ids expected;
};

// What transformers 4.57.3 answers with the same directories. It looks up none of these ids.
TEST(TokenIds, ThatNothingLooksUpMayLieOutside) {
  const std::vector<Row> rows = {
      {"tiny-vicuna", {{{"text_config", "bos_token_id"}, "805"}}, {446, 2}},
      {"tiny-vicuna", {{{"text_config", "bos_token_id"}, "2147483653"}}, {446, 2}},
      {"tiny-vicuna", {{{"text_config", "pad_token_id"}, "-1"}}, {446, 2}},
      {"tiny-vicuna", {{{"text_config", "eos_token_id"}, "805"}}, {446, 2, 767, 2, 767, 2, 767, 2}},
      {"tiny-t5", {{{"text_config", "bos_token_id"}, "374"}}, {200, 1}},
      {"tiny-t5", {{{"text_config", "pad_token_id"}, "379"}}, {200, 1}},
      {"tiny-t5", {{{"text_config", "eos_token_id"}, "374"}}, {200, 1, 1, 1, 1, 1, 1, 1}},
      {"tiny-t5", {{{"text_config", "eos_token_id"}, "[2, 377]"}}, {200, 1, 1, 1, 1, 1, 1, 1}},
      {"tiny-t5", {{{"text_config", "eos_token_id"}, "[-1, 1]"}}, {200, 1}},
      {"blip2_opt",
       {{{"text_config", "bos_token_id"}, "488"}},
       {159, 381, 381, 381, 381, 141, 141, 202}},
      {"blip2_opt",
       {{{"text_config", "eos_token_id"}, "493"}},
       {159, 381, 381, 381, 381, 141, 141, 202}},
  };
  for (const Row& row : rows) {
    const Copy copy(model(row.model));
    copy.edit("config.json", row.edits);
    EXPECT_EQ(answer(copy.path()), row.expected)
        << row.model << ": " << row.edits[0].first.back() << " " << row.edits[0].second;
  }
}

// transformers answers until one of them comes.
TEST(TokenIds, FarBeyondTheTableAreSpokenOf) {
  const Copy copy(model("tiny-vicuna"));
  const Json tokenizer = Json::read(model("tiny-vicuna") / "tokenizer.json");
  std::string tokens = tokenizer.at("added_tokens").dump();
  tokens.pop_back();
  constexpr int kFirst = 805;  // behind all others
  for (int id = kFirst; id < kFirst + 100; ++id) {
    tokens += R"(,{"id":)" + std::to_string(id) + R"(,"content":"<x)" + std::to_string(id) +
              R"(>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,)" +
              R"("special":true})";
  }
  copy.edit("tokenizer.json", {{{"added_tokens"}, tokens + "]"}});
  const test::Warnings warnings;
  EXPECT_EQ(answer(copy.path()), (Ids{446, 2}));
  EXPECT_TRUE(warnings.have("tokens, more than the")) << warnings.all();
}

// The reference sees no picture then, and answers all the same.
TEST(TokenIds, OfAPictureAreTheTokenizers) {
  for (const char* name : {"tiny-vicuna", "tiny-t5", "blip2_opt"}) {
    const Copy copy(model(name));
    copy.edit("config.json", {{{"image_token_index"}, "5"}});
    const std::string message =
        expect_error(kBad, "but config.json names 5 as the token that stands for a picture",
                     [&] { Pipeline::load(copy.path()); });
    EXPECT_NE(message.find((copy.path() / "tokenizer.json").string()), std::string::npos)
        << message;
  }
}

// `<s>` is missing: it is added behind all others, and `<image>` has another id than in
// config.json.
TEST(TokenIds, OfAVocabularyThatLacksATokenAreToldOf) {
  const Copy copy(kSource / "tests/golden/checkpoints/llava_hub");
  std::string tokenizer = test::content_of(copy.path() / "tokenizer.json");
  for (std::size_t at; (at = tokenizer.find("\"<s>\"")) != std::string::npos;) {
    tokenizer.replace(at, 5, "\"<r>\"");
  }
  copy.write("tokenizer.json", tokenizer);
  std::vector<std::string> warnings;
  set_log_sink([&](LogLevel, std::string_view message) { warnings.emplace_back(message); });
  try {
    Pipeline::load(copy.path());
  } catch (const Error&) {  // or loaded: the reference goes on
  }
  set_log_sink({});
  const std::string expected = (copy.path() / "tokenizer.json").string() +
                               ": the vocabulary has no '<s>', the bos_token of "
                               "tokenizer_config.json";
  EXPECT_TRUE(std::ranges::any_of(warnings, [&](const std::string& warning) {
    return warning.find(expected) != std::string::npos;
  })) << ::testing::PrintToString(warnings);
}

// The first token stands for an instruction that is missing: only then is it looked up.
TEST(TokenIds, OfAMissingInstructionAreNamedWhenItIsMissing) {
  const Copy copy(model("blip2_opt"));
  copy.edit("config.json", {{{"text_config", "bos_token_id"}, "488"}});
  const Pipeline pipeline = Pipeline::load(copy.path());
  const Image image = Image::open(kSource / "models/scene.png");
  expect_error(kBad, "(token 488)", [&] { pipeline.generate(image, ""); });
}

// The Q-Former's words of `source` without the last, as LAVIS stores them before it adds [DEC].
void write_one_word_less(const fs::path& source, const TempDirectory& directory) {
  const std::string name = "qformer.embeddings.word_embeddings.weight";
  const TensorStore store = TensorStore::open(source);
  const TensorEntry* words = store.find(name);
  ASSERT_NE(words, nullptr);
  Shape shape = words->shape;
  --shape[0];
  const auto bytes =
      static_cast<std::size_t>(checked_elements(shape).value()) * size_of(words->dtype);
  const TensorToWrite tensor{name, words->dtype, shape, words->bytes.first(bytes)};
  write_safetensors(directory / "words.safetensors", std::span(&tensor, 1));
}

TEST(QFormerWords, WithoutARowAreNamedWithTheirFile) {
  const fs::path source = model("tiny-t5");
  const TempDirectory directory;
  write_one_word_less(source, directory);
  LoadOptions options;
  options.overlays = {directory / "words.safetensors"};
  std::string warnings;
  set_log_sink([&](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) warnings += std::string(message) + "\n";
  });
  const Pipeline pipeline = Pipeline::load(source, options);
  set_log_sink({});
  const std::string file = (source / "qformer_tokenizer/tokenizer.json").string();
  EXPECT_NE(warnings.find(file + ": the word '"), std::string::npos) << warnings;
  EXPECT_NE(warnings.find("has none of the 235 rows of the Q-Former's words"), std::string::npos)
      << warnings;

  GenerationConfig config;
  config.max_new_tokens = 8;
  const Image image = Image::open(kSource / "models/scene.png");
  EXPECT_EQ(pipeline.generate(image, kQuestion, config).tokens(), (Ids{200, 1}));
  const std::string message =
      expect_error(kBad, "(token 235) is in the text, but has none of the 235 rows",
                   [&] { pipeline.generate(image, "What color is the circle9?", config); });
  EXPECT_TRUE(message.starts_with(file)) << message;
  EXPECT_NE(message.find("leave the word out"), std::string::npos) << message;
}

TEST(QFormerWords, HaveWhatStandsForUnknownOnes) {
  const Copy copy(model("tiny-t5"));
  const std::string file = "qformer_tokenizer/tokenizer.json";
  copy.edit(file, {{{"model", "vocab", "[UNK]"}, ""}});
  const std::string message = expect_error(kBad, "model.vocab: expected the unk_token '[UNK]'",
                                           [&] { Pipeline::load(copy.path()); });
  EXPECT_TRUE(message.starts_with((copy.path() / file).string())) << message;
}

// [CLS] and [SEP] are put around every text, by the ids that the vocabulary has for them.
TEST(QFormerWords, ThatStandAroundEveryTextAreTheVocabularys) {
  const Copy copy(model("tiny-t5"));
  const std::string file = "qformer_tokenizer/tokenizer.json";
  copy.edit(file, {{{"post_processor", "special_tokens", "[SEP]", "ids"}, "[4]"}});
  const std::string message =
      expect_error(kBad, "'[SEP]', which is put around every text, is token 4 here, but token 3",
                   [&] { Pipeline::load(copy.path()); });
  EXPECT_TRUE(message.starts_with((copy.path() / file).string())) << message;
}

TEST(TokenIds, ThatStandAroundEveryTextHaveARow) {
  const Copy copy(model("tiny-vicuna"));
  copy.edit("tokenizer_config.json", {{{"bos_token"}, "\"<new>\""}});
  const std::string message = expect_error(
      kBad, "the word '<new>' (token 805) is put around every text, but has none of the 805 rows",
      [&] { Pipeline::load(copy.path()); });
  EXPECT_TRUE(message.starts_with((copy.path() / "tokenizer.json").string())) << message;
}

}  // namespace
}  // namespace instructblip
