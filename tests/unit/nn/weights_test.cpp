#include "nn/weights.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "instructblip/error.h"
#include "nn/linear.h"
#include "tensors.h"

namespace instructblip {
namespace {

class WeightsTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() / ("weights_test_" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::shared_ptr<const TensorStore> store(const std::vector<TensorToWrite>& tensors) {
    write_safetensors(directory_ / "model.safetensors", tensors);
    return std::make_shared<const TensorStore>(TensorStore::open(directory_));
  }

  static std::string message_of(const nn::WeightLoader& loader) {
    try {
      loader.finish();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_model);
      return error.what();
    }
    return "";
  }

  const nn::Runtime runtime_;
  std::filesystem::path directory_;
  std::vector<float> values_ = {1, 2, 3, 4, 5, 6};
  std::span<const std::byte> bytes_ = std::as_bytes(std::span(values_));
};

// With values or without.
class AccountingTest : public WeightsTest, public testing::WithParamInterface<nn::Values> {};

TEST_P(AccountingTest, OneErrorNamesEveryTensorThatDoesNotFit) {
  nn::WeightLoader loader(runtime_,
                          store({{"a.weight", DType::f32, {2, 3}, bytes_},
                                 {"b.bias", DType::i32, {6}, bytes_},
                                 {"left.over", DType::f32, {6}, bytes_}}),
                          {nn::Format::f32, GetParam()});
  const nn::Weights root = loader.root();
  (root / "a").matrix("weight", {3, 2});
  (root / "b").vector("bias", {6});
  (root / "c" / 4).vector("bias", {6});
  const std::string message = message_of(loader);
  for (const char* part :
       {"a.weight has shape [2, 3], expected [3, 2]", "b.bias has type I32",
        "c.4.bias [6] is missing", "left.over [6] belongs to no part", "hint:"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " not in:\n" << message;
  }
}

INSTANTIATE_TEST_SUITE_P(Values, AccountingTest,
                         testing::Values(nn::Values::read, nn::Values::leave));

TEST_F(WeightsTest, BuffersAndIgnoredTensorsAreAccountedFor) {
  nn::WeightLoader loader(runtime_,
                          store({{"x.position_ids", DType::i64, {3}, bytes_},
                                 {"y.rotary_emb.inv_freq", DType::f32, {6}, bytes_},
                                 {"copy.weight", DType::f32, {6}, bytes_}}),
                          {nn::Format::f32, nn::Values::read});
  (loader.root() / "copy").ignore("weight");
  EXPECT_EQ(message_of(loader), "");
}

TEST_F(WeightsTest, HoldsMatricesAsAskedAndVectorsAsFloat) {
  nn::WeightLoader loader(
      runtime_, store({{"m", DType::f32, {2, 3}, bytes_}, {"v", DType::f32, {6}, bytes_}}),
      {nn::Format::f16, nn::Values::read});
  EXPECT_EQ(loader.root().matrix("m", {2, 3}).format(), nn::Format::f16);
  EXPECT_EQ(loader.root().vector("v", {6}).scalar_type(), at::kFloat);
  EXPECT_EQ(loader.parameters(), 12);
  EXPECT_EQ(loader.bytes(), 6 * 2 + 6 * 4);
}

// Fast numerics hold every matrix packed, as it is stored, and stacked ones as one.
TEST_F(WeightsTest, FastNumericsPackMatricesAsTheyAreStored) {
  const nn::Runtime fast(1, nn::Numerics::fast);
  const std::vector<std::uint16_t> ones(6, 0x3C00);
  const auto halves = std::as_bytes(std::span(ones));
  nn::WeightLoader loader(fast,
                          store({{"a.weight", DType::f32, {2, 3}, bytes_},
                                 {"b.weight", DType::f16, {2, 3}, halves},
                                 {"c.weight", DType::f16, {2, 3}, halves},
                                 {"t.weight", DType::f16, {2, 3}, halves}}),
                          {.choose_format = [](nn::Module, DType stored) {
                            return stored == DType::f16 ? nn::Format::f16 : nn::Format::f32;
                          }});
  const nn::Weights root = loader.root();
  const nn::Matrix stacked =
      root.stacked(std::vector<std::string_view>{"b", "c"}, std::vector<std::int64_t>{2, 2}, 3);
  ASSERT_NE(stacked.packed(), nullptr);
  EXPECT_EQ(stacked.format(), nn::Format::f16);
  EXPECT_EQ(stacked.values().sum().item<float>(), 12.0f);
  const nn::Matrix wide = (root / "a").matrix("weight", {2, 3});
  ASSERT_NE(wide.packed(), nullptr);
  EXPECT_EQ(wide.values().sum().item<float>(), 21.0f);
  EXPECT_EQ((root / "t").table("weight", {2, 3}).packed(), nullptr) << "rows are looked up";
  EXPECT_EQ(loader.parameters(), 24);
  // A panel of sixteen rows each, and the table as it is.
  EXPECT_EQ(loader.bytes(), 16 * 3 * 2 + 16 * 3 * 4 + 6 * 2);
  loader.finish();
}

// Matrices of several pieces are held as their whole values are, whatever they are stored as.
TEST_F(WeightsTest, PiecesOfAFileArePackedAsTheWhole) {
  const nn::Runtime fast(2, nn::Numerics::fast);
  const at::Tensor wide = wave({600, 4096}, 0.25);
  const at::Tensor half = wide.to(at::kHalf);
  const auto bytes_of = [](const at::Tensor& x) {
    return std::span(static_cast<const std::byte*>(x.const_data_ptr()), x.nbytes());
  };
  const auto tensors = store({{"wide", DType::f32, {600, 4096}, bytes_of(wide)},
                              {"half", DType::f16, {600, 4096}, bytes_of(half)}});
  for (const nn::Format format :
       {nn::Format::f32, nn::Format::f16, nn::Format::bf16, nn::Format::w8, nn::Format::w4}) {
    for (const std::string name : {"wide", "half"}) {
      nn::WeightLoader loader(fast, tensors, {format});
      const at::Tensor values =
          (name == "wide" ? wide : half.to(at::kFloat)).to(nn::packed_from(format));
      const nn::Matrix expected(
          std::make_shared<const nn::PackedMatrix>(fast, format, std::vector<at::Tensor>{values}));
      const nn::Matrix got = loader.root().matrix(name, {600, 4096});
      ASSERT_NE(got.packed(), nullptr);
      EXPECT_TRUE(at::equal(got.values(), expected.values())) << name;
    }
  }
}

// Float32 lies in the file's map as it is, and may be left there; what is narrower is packed.
TEST_F(WeightsTest, FastNumericsMayLeaveFloat32WhereItLies) {
  const nn::Runtime fast(1, nn::Numerics::fast);
  const std::vector<std::uint16_t> ones(6, 0x3C00);
  nn::WeightLoader loader(fast,
                          store({{"a", DType::f32, {2, 3}, bytes_},
                                 {"b", DType::f16, {2, 3}, std::as_bytes(std::span(ones))}}),
                          {.choose_format =
                               [](nn::Module, DType stored) {
                                 return stored == DType::f16 ? nn::Format::f16 : nn::Format::f32;
                               },
                           .pack_f32 = false});
  const nn::Matrix wide = loader.root().matrix("a", {2, 3});
  ASSERT_EQ(wide.packed(), nullptr);
  EXPECT_NE(loader.root().matrix("b", {2, 3}).packed(), nullptr);
  EXPECT_EQ(loader.bytes(), 6 * 4 + 16 * 3 * 2);
}

// A module may ask for fewer bits, whatever the numerics; tables are held as the rest is.
TEST_F(WeightsTest, ModulesAreHeldAsThePolicySays) {
  nn::WeightLoader loader(runtime_, store({{"m", DType::f32, {2, 3}, bytes_}}),
                          {.choose_format = [](nn::Module module, DType) {
                            if (module == nn::Module::head) return nn::Format::w8;
                            return module == nn::Module::language ? nn::Format::w4
                                                                  : nn::Format::f16;
                          }});
  const nn::Weights root = loader.root();
  const nn::Weights language = root.of(nn::Module::language);
  EXPECT_EQ(root.matrix("m", {2, 3}).format(), nn::Format::f16);
  EXPECT_EQ(language.matrix("m", {2, 3}).format(), nn::Format::w4);
  EXPECT_EQ(language.of(nn::Module::head).matrix("m", {2, 3}).format(), nn::Format::w8);
  EXPECT_EQ(language.table("m", {2, 3}).format(), nn::Format::f16);
}

TEST_F(WeightsTest, PackedTensorsThatDoNotFitAreNamedToo) {
  const nn::Runtime fast(1, nn::Numerics::fast);
  nn::WeightLoader loader(fast, store({{"a.weight", DType::f32, {2, 3}, bytes_}}));
  loader.root().stacked(std::vector<std::string_view>{"a", "b"}, std::vector<std::int64_t>{2, 2},
                        4);
  const std::string message = message_of(loader);
  EXPECT_NE(message.find("a.weight has shape [2, 3], expected [2, 4]"), std::string::npos)
      << message;
  EXPECT_NE(message.find("b.weight [2, 4] is missing"), std::string::npos) << message;
}

// As a model computes that was loaded in half precision and widened afterwards.
TEST_F(WeightsTest, ValuesAreRoundedWhereTheRuleSaysSo) {
  values_ = {1.0F, 1.0009766F, 1.00049F, 3.14159F, -2.71828F, 1e-3F};
  const auto opened = store({{"half.m", DType::f32, {2, 3}, bytes_},
                             {"brain.v", DType::f32, {6}, bytes_},
                             {"plain", DType::f32, {6}, bytes_}});
  const auto rule = [](std::string_view tensor) -> std::optional<DType> {
    if (tensor == "half.m") return DType::f16;
    if (tensor == "brain.v") return DType::bf16;
    return std::nullopt;
  };
  const at::Tensor exact = at::from_blob(values_.data(), {6}, at::kFloat);
  const auto values = [](const at::Tensor& tensor) {
    const at::Tensor flat = tensor.reshape({-1}).to(at::kFloat).contiguous();
    return std::vector<float>(flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + 6);
  };
  for (const nn::Format held : {nn::Format::f32, nn::Format::f16}) {
    nn::WeightLoader loader(runtime_, opened, {.format = held, .rounded_to = rule});
    const nn::Weights root = loader.root();
    EXPECT_EQ(values((root / "half").matrix("m", {2, 3}).values()), values(exact.to(at::kHalf)));
    EXPECT_EQ(values((root / "brain").vector("v", {6})), values(exact.to(at::kBFloat16)));
    EXPECT_EQ(values(root.vector("plain", {6})), values_);
    loader.finish();
  }
}

TEST_F(WeightsTest, LeftAloneTensorsAreCountedAndHaveNoData) {
  int calls = 0;
  nn::WeightLoader loader(
      runtime_, store({{"m", DType::f32, {2, 3}, bytes_}, {"v", DType::f32, {6}, bytes_}}),
      {.format = nn::Format::f16,
       .values = nn::Values::leave,
       .progress = [&](std::int64_t, std::int64_t) { ++calls; }});
  EXPECT_TRUE(loader.root().matrix("m", {2, 3}).blocks().front().is_meta());
  EXPECT_TRUE(loader.root().vector("v", {6}).is_meta());
  EXPECT_EQ(loader.parameters(), 12);
  EXPECT_EQ(loader.bytes(), 6 * 2 + 6 * 4);
  EXPECT_EQ(message_of(loader), "");
  EXPECT_EQ(calls, 0) << "progress of reading was told";
}

TEST_F(WeightsTest, FloatWeightsAreUsedWhereTheyLie) {
  const auto opened = store({{"m", DType::f32, {2, 3}, bytes_}});
  nn::WeightLoader loader(runtime_, opened, {nn::Format::f32, nn::Values::read});
  const nn::Matrix matrix = loader.root().matrix("m", {2, 3});
  EXPECT_EQ(matrix.blocks().front().data_ptr(), opened->find("m")->bytes.data());
}

TEST_F(WeightsTest, StackedMatricesStayWhereTheyLie) {
  const auto opened = store({{"a.weight", DType::f32, {1, 3}, bytes_.first(12)},
                             {"b.weight", DType::f32, {2, 3}, bytes_}});
  nn::WeightLoader loader(runtime_, opened, {nn::Format::f32, nn::Values::read});
  const std::vector<std::string_view> names = {"a", "b"};
  const std::vector<std::int64_t> rows = {1, 2};
  const nn::Matrix matrix = loader.root().stacked(names, rows, 3);
  EXPECT_EQ(message_of(loader), "");
  EXPECT_EQ(matrix.rows(), 3);
  ASSERT_EQ(matrix.blocks().size(), 2U);
  EXPECT_EQ(matrix.blocks()[1].data_ptr(), opened->find("b.weight")->bytes.data());
}

// Building goes on where a part of a stack does not fit, so that one error names all of them.
TEST_F(WeightsTest, AStackThatDoesNotFitIsNamedPartByPart) {
  nn::WeightLoader loader(runtime_, store({{"a.weight", DType::f32, {2, 3}, bytes_},
                                           {"a.bias", DType::f32, {2}, bytes_.first(8)},
                                           {"b.weight", DType::f32, {3, 2}, bytes_}}));
  nn::stacked(loader.root(), {{"a", 2}, {"b", 2}}, 3, nn::Linear::Bias::present);
  const std::string message = message_of(loader);
  EXPECT_NE(message.find("b.weight has shape [3, 2], expected [2, 3]"), std::string::npos);
  EXPECT_NE(message.find("b.bias [2] is missing"), std::string::npos) << message;
  EXPECT_EQ(message.find("a."), std::string::npos) << message;
}

TEST_F(WeightsTest, RefusesF16ForValuesBeyondItsRange) {
  values_[3] = 70000;
  nn::WeightLoader loader(runtime_, store({{"m", DType::f32, {2, 3}, bytes_}}),
                          {nn::Format::f16, nn::Values::read});
  EXPECT_THROW(loader.root().matrix("m", {2, 3}), Error);
}

// A table of 24 MB, more than is converted at a time.
class LargeTableTest : public WeightsTest, public testing::WithParamInterface<bool> {
 protected:
  static constexpr std::int64_t kRows = 3 << 10, kColumns = 2 << 10;

  // Else malloc keeps what is freed, and gives it back when something small is.
  static void SetUpTestSuite() { ASSERT_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1); }

  static float value(std::int64_t i) { return static_cast<float>(i % 2039); }  // exact as f16

  // As safetensors, with the values at a multiple of eight bytes or one byte further.
  std::shared_ptr<const TensorStore> store_of_table(bool aligned) {
    const std::int64_t count = kRows * kColumns;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = value(i);
    std::string header = R"({"m":{"dtype":"F32","shape":[3072,2048],"data_offsets":[0,25165824]}})";
    while (header.size() % 8 != (aligned ? 0 : 1)) header += ' ';
    const std::uint64_t length = header.size();
    std::ofstream file(directory_ / "model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof length);
    file << header;
    file.write(reinterpret_cast<const char*>(values.data()), count * 4);
    file.close();
    return std::make_shared<const TensorStore>(TensorStore::open(directory_));
  }

  // Resets and reads the high-water mark of resident memory; false where the kernel cannot.
  static bool forget_peak() {
    std::ofstream file("/proc/self/clear_refs");
    return static_cast<bool>(file << 5 << std::flush);
  }
  static std::int64_t kilobytes(const std::string& key) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      if (std::int64_t value = 0; word == key && status >> value) return value;
    }
    return -1;
  }
};

TEST_P(LargeTableTest, KeepsItsValuesInEveryType) {
  const auto opened = store_of_table(GetParam());
  for (const nn::Format held : {nn::Format::f32, nn::Format::f16}) {
    nn::WeightLoader loader(runtime_, opened, {held, nn::Values::read});
    const at::Tensor wide = loader.root().matrix("m", {kRows, kColumns}).values();
    const float* got = wide.const_data_ptr<float>();
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < kRows * kColumns; ++i) wrong += got[i] != value(i);
    EXPECT_EQ(wrong, 0);
  }
}

TEST_P(LargeTableTest, IsConvertedWithoutBeingInMemoryTwice) {
  const auto opened = store_of_table(GetParam());
  nn::WeightLoader loader(runtime_, opened, {nn::Format::f16, nn::Values::read});
  loader.root().matrix("m", {kRows, kColumns});  // what the first time alone needs
  if (!forget_peak()) GTEST_SKIP() << "the peak of resident memory cannot be reset";
  const std::int64_t before = kilobytes("VmRSS:"), file_before = kilobytes("RssFile:");
  const nn::Matrix table = loader.root().matrix("m", {kRows, kColumns});
  const std::int64_t result = 12 << 10;
  // One of the file, where it is not aligned a copy of it, and some air. In one go it would be the
  // file, 24 MiB, and that copy.
  const std::int64_t pieces = 20 << 10;
  EXPECT_LE(kilobytes("VmHWM:") - before, result + pieces);
  EXPECT_LE(kilobytes("RssFile:") - file_before, 4 << 10) << "pages of the file are kept";
}

INSTANTIATE_TEST_SUITE_P(Aligned, LargeTableTest, testing::Bool());

}  // namespace
}  // namespace instructblip
