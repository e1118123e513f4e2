// Every golden checkpoint for retrieval through the public interface: tokens, logits, cosines,
// stage tensors. The data and the script that made it: README.md in this folder.
#include "instructblip/retrieval.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "core/json.h"
#include "support/expect_error.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = INSTRUCTBLIP_SOURCE_DIR;
const fs::path kCheckpoints = kSource / "tests/golden/checkpoints";
const fs::path kImages = kSource / "tests/data/images";

// The tolerance of a logit or a cosine: on a processor with AVX2 alone products round otherwise
// than where the golden data was made.
constexpr double kTolerance = 1e-4;

std::vector<std::string> checkpoint_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kCheckpoints)) {
    if (fs::exists(entry.path() / "retrieval.json")) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

class RetrievalGoldenTest : public testing::TestWithParam<std::string> {
 protected:
  RetrievalGoldenTest() {
    for (const Json& text : golden_.at("texts").elements()) {
      texts_.push_back(text.at("text").string());
    }
    for (const Json& row : golden_.at("images").elements()) {
      images_.push_back(Image::open(kImages / row.at("image").string()));
    }
  }

  static double odds(const std::vector<double>& logits) { return logits[1] - logits[0]; }

  const fs::path directory_ = kCheckpoints / GetParam();
  const Json golden_ = Json::read(directory_ / "retrieval.json");
  const ImageTextMatcher matcher_ = ImageTextMatcher::load(directory_);
  std::vector<std::string> texts_;
  std::vector<Image> images_;
};

TEST_P(RetrievalGoldenTest, TokenizesAsTheReference) {
  for (const Json& text : golden_.at("texts").elements()) {
    SCOPED_TRACE(text.at("text").string());
    const TextEncoding encoding = matcher_.encode(text.at("text").string());
    const std::vector<std::int64_t> got(encoding.tokens().begin(), encoding.tokens().end());
    EXPECT_EQ(got, text.at("tokens").integers());
  }
}

TEST_P(RetrievalGoldenTest, MatchesAsTheReference) {
  double worst = 0;
  std::vector<TextEncoding> encoded;
  for (const std::string& text : texts_) encoded.push_back(matcher_.encode(text));
  for (std::size_t i = 0; i < images_.size(); ++i) {
    const std::vector<Json> want = golden_.at("images")[i].at("match").elements();
    const ImageEncoding image = matcher_.encode(images_[i]);
    for (std::size_t j = 0; j < texts_.size(); ++j) {
      SCOPED_TRACE(texts_[j]);
      const std::vector<double> logits = want.at(j).numbers();
      const Match match = matcher_.match(image, encoded[j]);
      for (const int k : {0, 1}) {
        const double difference = std::abs(match.logits[static_cast<std::size_t>(k)] - logits[k]);
        EXPECT_LE(difference, kTolerance);
        worst = std::max(worst, difference);
      }
      EXPECT_NEAR(match.probability, 1 / (1 + std::exp(-odds(logits))), kTolerance);
    }
  }
  RecordProperty("largest_difference", std::to_string(worst));
}

TEST_P(RetrievalGoldenTest, ComparesAsTheReference) {
  std::vector<TextEncoding> texts;
  for (const std::string& text : texts_) texts.push_back(matcher_.encode(text));
  std::vector<ImageEncoding> images;
  for (const Image& image : images_) images.push_back(matcher_.encode(image));

  const std::vector<float> matrix = matcher_.similarities(images, texts);
  ASSERT_EQ(matrix.size(), images.size() * texts.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::vector<double> want = golden_.at("images")[i].at("similarity").numbers();
    for (std::size_t j = 0; j < texts.size(); ++j) {
      SCOPED_TRACE(texts_[j]);
      EXPECT_NEAR(matrix[i * texts.size() + j], want[j], kTolerance);
      EXPECT_NEAR(matcher_.similarity(images[i], texts[j]), want[j], kTolerance);
    }
  }
}

// The cosines follow from the vectors that the encodings hand out.
TEST_P(RetrievalGoldenTest, HandsOutUnitVectors) {
  const ImageEncoding image = matcher_.encode(images_.front());
  const TextEncoding text = matcher_.encode(texts_.front());
  ASSERT_EQ(image.queries(), matcher_.info().query_tokens);
  ASSERT_EQ(image.width(), matcher_.info().shared_width);
  ASSERT_EQ(text.width(), image.width());
  const auto width = static_cast<std::size_t>(image.width());
  ASSERT_EQ(image.vectors().size(), width * static_cast<std::size_t>(image.queries()));
  ASSERT_EQ(text.vector().size(), width);
  double greatest = -2;
  for (std::size_t query = 0; query < image.vectors().size() / width; ++query) {
    double norm = 0, cosine = 0;
    for (std::size_t k = 0; k < width; ++k) {
      const double value = image.vectors()[query * width + k];
      norm += value * value;
      cosine += value * text.vector()[k];
    }
    EXPECT_NEAR(norm, 1, 1e-5);
    greatest = std::max(greatest, cosine);
  }
  EXPECT_NEAR(greatest, matcher_.similarity(images_.front(), texts_.front()), 1e-6);
}

TEST_P(RetrievalGoldenTest, AnswersFromAnyThread) {
  const ImageEncoding image = matcher_.encode(images_.front());
  const TextEncoding text = matcher_.encode(texts_.front());
  const Match alone = matcher_.match(image, text);
  const float cosine = matcher_.similarity(image, text);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        EXPECT_EQ(matcher_.match(images_.front(), texts_.front()).logits, alone.logits);
        EXPECT_EQ(matcher_.similarity(image, text), cosine);
      }
    });
  }
}

TEST_P(RetrievalGoldenTest, StageTensorsEqualTheReferences) {
  // A store opens a directory; give it one that holds nothing else.
  const fs::path folder =
      fs::temp_directory_path() / ("retrieval_" + std::to_string(::getpid()) + GetParam());
  fs::create_directories(folder);
  fs::copy_file(directory_ / "stages.safetensors", folder / "model.safetensors",
                fs::copy_options::overwrite_existing);
  const TensorStore stages = TensorStore::open(folder);
  fs::remove_all(folder);

  for (const Json& staged : golden_.at("staged").elements()) {
    SCOPED_TRACE(staged.at("stages").string());
    const Image image = Image::open(kImages / staged.at("image").string());
    std::size_t compared = 0;
    for (const NamedTensor& got : matcher_.features(image, staged.at("text").string())) {
      const TensorEntry* want = stages.find(staged.at("stages").string() + "." + got.name);
      ASSERT_NE(want, nullptr) << got.name;
      ASSERT_EQ(got.shape, want->shape) << got.name;
      std::vector<float> values(got.values.size());
      ASSERT_EQ(want->bytes.size(), values.size() * sizeof(float));
      std::memcpy(values.data(), want->bytes.data(), want->bytes.size());
      ++compared;
      if (got.name == "pixel_values") {
        EXPECT_EQ(got.values, values) << "pixels are not equal to the bit";
        continue;
      }
      double largest = 0, difference = 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        largest = std::max<double>(largest, std::abs(values[i]));
        difference = std::max<double>(difference, std::abs(values[i] - got.values[i]));
      }
      EXPECT_LE(difference, 1e-4 * largest) << got.name;
      RecordProperty(staged.at("stages").string() + "." + got.name,
                     std::to_string(difference / largest));
    }
    EXPECT_EQ(compared, 7u);
  }
}

// tests/golden/lavis: what LAVIS's Blip2ITM answers with the same weights.
TEST(LavisRetrieval, MatchesAsLavis) {
  const Json golden = Json::read(kSource / "tests/golden/lavis/blip2_itm.json");
  const ImageTextMatcher matcher =
      ImageTextMatcher::load(kCheckpoints / "blip2_itm", {.compat = Compat::lavis});
  std::vector<TextEncoding> texts;
  std::size_t cut = 0;
  for (const Json& text : golden.at("texts").elements()) {
    SCOPED_TRACE(text.at("text").string());
    texts.push_back(matcher.encode(text.at("text").string()));
    const std::vector<std::int64_t> got(texts.back().tokens().begin(), texts.back().tokens().end());
    EXPECT_EQ(got, text.at("tokens").integers());
    cut += got.size() == 32 ? 1 : 0;
  }
  EXPECT_GE(cut, 2u);
  for (const Json& row : golden.at("images").elements()) {
    const ImageEncoding image = matcher.encode(Image::open(kImages / row.at("image").string()));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::vector<double> logits = row.at("match")[i].numbers();
      EXPECT_NEAR(matcher.match(image, texts[i]).logits[0], logits[0], kTolerance);
      EXPECT_NEAR(matcher.match(image, texts[i]).logits[1], logits[1], kTolerance);
      EXPECT_NEAR(matcher.similarity(image, texts[i]), row.at("similarity")[i].number(),
                  kTolerance);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, RetrievalGoldenTest, testing::ValuesIn(checkpoint_names()),
                         [](const auto& test) { return test.param; });

// --- what is refused

const fs::path kMatcher = kCheckpoints / "blip2_itm_first";

Image grey_image() {
  return Image::adopt(std::vector<std::uint8_t>(std::size_t{3} * 20 * 10, 128), 20, 10);
}

TEST(ImageTextMatcher, RefusesWhatItCannotRead) {
  constexpr ErrorCode kInvalid = ErrorCode::invalid_argument;
  const ImageTextMatcher matcher = ImageTextMatcher::load(kMatcher);
  test::expect_error(kInvalid, "not valid UTF-8 at byte 1", [&] { matcher.encode("a\xff"); });
  test::expect_error(kInvalid, "the literal <image>", [&] { matcher.encode("an <image> here"); });
  std::string lengthy;
  for (int i = 0; i < 600; ++i) lengthy += "x ";
  test::expect_error(kInvalid, "becomes 602 tokens of the Q-Former, expected at most 512",
                     [&] { matcher.encode(lengthy); });
  test::expect_error(kInvalid, "", [&] { matcher.encode(Image()); });
  // What costs nothing to refuse is refused before the picture is looked at.
  test::expect_error(kInvalid, "not valid UTF-8", [&] { matcher.match(Image(), "\xff"); });
}

TEST(ImageTextMatcher, RefusesEncodingsOfAnotherModel) {
  const ImageTextMatcher matcher = ImageTextMatcher::load(kMatcher);
  const ImageTextMatcher other = ImageTextMatcher::load(kCheckpoints / "blip2_itm");
  const ImageEncoding image = other.encode(grey_image());
  const TextEncoding text = other.encode("a cat");
  test::expect_error(ErrorCode::invalid_argument, "the picture has 10 rows, 33 wide",
                     [&] { matcher.match(image, matcher.encode("a cat")); });
  test::expect_error(ErrorCode::invalid_argument, "the text has a vector 16 wide, expected 256",
                     [&] { matcher.similarity(matcher.encode(grey_image()), text); });
}

TEST(ImageTextMatcher, NamesTheClassForOtherModels) {
  test::expect_error(ErrorCode::unsupported, "is loaded with Pipeline: instructblip run",
                     [] { ImageTextMatcher::load(kCheckpoints / "t5_2024"); });
  EXPECT_FALSE(ImageTextMatcher::reads(kCheckpoints / "t5_2024"));
  EXPECT_FALSE(ImageTextMatcher::reads(kCheckpoints / "blip2_opt"));
  EXPECT_TRUE(ImageTextMatcher::reads(kMatcher));
  test::expect_error(ErrorCode::not_found, "no such directory",
                     [] { ImageTextMatcher::reads("/nonexistent"); });
}

TEST(ImageTextMatcher, ChecksWithoutReadingWeights) {
  LoadOptions options;
  options.weights = false;
  const ImageTextMatcher matcher = ImageTextMatcher::load(kMatcher, options);
  EXPECT_EQ(matcher.info().family, "blip-2");
  EXPECT_EQ(matcher.info().language_model, "");
  EXPECT_EQ(matcher.info().shared_width, 256);
  EXPECT_EQ(matcher.info().query_tokens, 3);
  EXPECT_EQ(matcher.info().max_instruction_tokens, 512);
  EXPECT_GT(matcher.info().parameters, 0);
  test::expect_error(ErrorCode::invalid_argument, "loaded without weights",
                     [&] { matcher.encode(grey_image()); });
}

TEST(ImageTextMatcher, NothingComparedIsNothing) {
  const ImageTextMatcher matcher = ImageTextMatcher::load(kMatcher);
  const TextEncoding text = matcher.encode("a cat");
  EXPECT_TRUE(matcher.similarities({}, {&text, 1}).empty());
}

}  // namespace
}  // namespace instructblip
