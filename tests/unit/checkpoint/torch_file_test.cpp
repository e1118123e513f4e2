#include "checkpoint/torch_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "checkpoint/tensor_store.h"
#include "instructblip/log.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"
#include "support/torch_builder.h"

namespace instructblip {
namespace {

using test::expect_error;
using test::TempDirectory;
using namespace std::string_literals;  // NOLINT: bytes that are 0

const std::filesystem::path kData =
    std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/unit/checkpoint";

template <typename T>
std::vector<T> values(const TensorEntry* entry) {
  if (entry == nullptr) return {};
  std::vector<T> out(entry->bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), entry->bytes.data(), entry->bytes.size());
  return out;
}

using Floats = std::vector<float>;

struct Opened {
  const char* name;
  const char* file;
  MappedFile::Access access;
};

class TorchStateTest : public testing::TestWithParam<Opened> {
 protected:
  void SetUp() override {
    std::filesystem::copy_file(kData / GetParam().file, directory_ / "pytorch_model.bin");
  }
  TensorStore open() const { return TensorStore::open(directory_.path(), GetParam().access); }

  TempDirectory directory_;
};

TEST_P(TorchStateTest, HasTheValuesThatWereSaved) {
  const TensorStore store = open();
  EXPECT_EQ(store.entries().size(), 15u);
  EXPECT_EQ(store.find("plain")->shape, (Shape{2, 2}));
  EXPECT_EQ(store.find("plain")->dtype, DType::f32);
  EXPECT_EQ(store.find("plain")->file, "pytorch_model.bin");
  EXPECT_EQ(values<float>(store.find("plain")), (Floats{1.5F, -2.0F, 0.25F, 4.0F}));
  EXPECT_EQ(store.find("half")->dtype, DType::f16);
  EXPECT_EQ(values<std::uint16_t>(store.find("half")),
            (std::vector<std::uint16_t>{0, 0x3C00, 0x4000}));
  EXPECT_EQ(store.find("bfloat")->dtype, DType::bf16);
  EXPECT_EQ(values<std::uint16_t>(store.find("bfloat")),
            (std::vector<std::uint16_t>{0, 0x3F80, 0x4000}));
  EXPECT_EQ(values<double>(store.find("double")), (std::vector<double>{0.0, 1.0}));
  EXPECT_EQ(values<std::int64_t>(store.find("ids")), (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(store.find("flags")->dtype, DType::boolean);
  EXPECT_EQ(store.find("scalar")->shape, Shape{});
  EXPECT_EQ(values<float>(store.find("scalar")), Floats{2.5F});
  EXPECT_EQ(store.find("empty")->shape, (Shape{4, 0, 2}));
  EXPECT_TRUE(store.find("empty")->bytes.empty());
  EXPECT_EQ(values<float>(store.find("parameter")), (Floats{7.0F, 8.0F}));
  EXPECT_EQ(values<float>(store.find("café")), Floats{1.0F});
}

TEST_P(TorchStateTest, PutsPartsOfStoragesInOrder) {
  const TensorStore store = open();
  EXPECT_EQ(values<float>(store.find("tied")), values<float>(store.find("tied again")));
  EXPECT_EQ(store.find("tied")->bytes.data(), store.find("tied again")->bytes.data());
  EXPECT_EQ(values<float>(store.find("rows 1 and 2")), (Floats{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(store.find("transposed")->shape, (Shape{3, 4}));
  EXPECT_EQ(values<float>(store.find("transposed")),
            (Floats{0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}));
  EXPECT_EQ(values<float>(store.find("every second")), (Floats{0, 2, 4, 6, 8, 10}));
  for (const TensorEntry& entry : store.entries()) store.release(entry);
  EXPECT_EQ(values<float>(store.find("every second")), (Floats{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(values<float>(store.find("plain")), (Floats{1.5F, -2.0F, 0.25F, 4.0F}));
}

// Files of both formats.
INSTANTIATE_TEST_SUITE_P(
    Access, TorchStateTest,
    testing::Values(Opened{"map", "reference_state.bin", MappedFile::Access::map},
                    Opened{"copy", "reference_state.bin", MappedFile::Access::copy},
                    Opened{"legacy_map", "reference_legacy.bin", MappedFile::Access::map},
                    Opened{"legacy_copy", "reference_legacy.bin", MappedFile::Access::copy}),
    [](const auto& opened) { return opened.param.name; });

TEST(TorchFile, OfATrainingRunGivesItsModel) {
  const TempDirectory directory;
  std::filesystem::copy_file(kData / "reference_lavis.pth", directory / "checkpoint_300.pth");
  const TensorStore store = TensorStore::open(directory.path());
  ASSERT_EQ(store.entries().size(), 2u);
  EXPECT_EQ(values<float>(store.find("llm_proj.weight")), (Floats{1, 2}));
  EXPECT_EQ(store.find("query_tokens")->shape, (Shape{1, 2, 2}));
}

TEST(TorchFile, WeightsAreFoundBesideWhatTrainingNeeds) {
  const std::vector<test::SavedTensor> tensors = {
      {"w", DType::f32, {2}, std::string("\0\0\x80\x3F\0\0\0\x40", 8)}};
  for (const char* key : {"model", "state_dict", "module"}) {
    const TempDirectory directory;
    directory.write("last.pth", test::torch_file_of(tensors, key));
    const TensorStore store = TensorStore::open(directory.path());
    EXPECT_EQ(values<float>(store.find("w")), (Floats{1, 2})) << key;
  }
}

// A dictionary with a tensor of four floats.
std::string dictionary_of(const std::string& tensor) {
  return test::pickled_dictionary(test::pickled_text(tensor) +
                                  test::pickled_tensor(test::PickledTensorOf{}));
}

TensorStore open_pickle(const TempDirectory& directory, const std::string& items) {
  directory.write("last.pth",
                  test::torch_file_of(test::pickle_of(test::pickled_dictionary(items))));
  return TensorStore::open(directory.path());
}

TEST(TorchFile, WeightsAreFoundUnderWhateverKeyIsTheOnlyOne) {
  const auto item = [](const std::string& key, const std::string& value) {
    return test::pickled_text(key) + value;
  };
  const std::string loss = item("loss", test::pickled_tensor(test::PickledTensorOf{}));
  const std::string scaler = item("scaler", dictionary_of("scale"));
  const std::string weights = dictionary_of("a.w");
  for (const std::string& items : {
           item("generator", weights),
           loss + item("my_model", weights) + scaler,
           scaler + item("net", weights) + loss,
           item("state", test::pickled_dictionary(item("model", weights))),
           item("model", test::pickled_dictionary(item("state_dict", weights) + loss)),
           item("a.w", test::pickled_tensor(test::PickledTensorOf{})) + item("ema", weights),
       }) {
    const TempDirectory directory;
    EXPECT_NE(open_pickle(directory, items).find("a.w"), nullptr);
  }
  const TempDirectory directory;
  expect_error(ErrorCode::bad_model,
               "several dictionaries of tensors, expected one: 'ema', 'online'",
               [&] { open_pickle(directory, item("online", weights) + item("ema", weights)); });
}

TEST(TorchFile, SaysWhichOfTwoModelsCounts) {
  const TempDirectory directory;
  std::vector<std::string> warnings;
  set_log_sink([&](LogLevel, std::string_view message) { warnings.emplace_back(message); });
  const TensorStore store =
      open_pickle(directory, test::pickled_text("ema") + dictionary_of("a.averaged") +
                                 test::pickled_text("model") + dictionary_of("a.w"));
  set_log_sink({});
  EXPECT_NE(store.find("a.w"), nullptr);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("those under 'model'; tensors under 'ema' are left aside"),
            std::string::npos);
}

TEST(TorchFile, ComesAfterSafetensors) {
  const TempDirectory directory;
  directory.write("pytorch_model.bin", test::torch_file_of(test::PickledTensorOf{.name = "torch"}));
  std::filesystem::copy_file(kData / "reference_mixed.safetensors",
                             directory / "model.safetensors");
  EXPECT_EQ(TensorStore::open(directory.path()).find("torch"), nullptr);
}

TEST(TorchFile, ShardsHaveAnIndex) {
  const TempDirectory directory;
  directory.write("one.bin", test::torch_file_of(test::PickledTensorOf{.name = "a"}));
  directory.write("two.bin", test::torch_file_of(test::PickledTensorOf{.name = "b"}));
  directory.write("pytorch_model.bin.index.json",
                  R"({"weight_map":{"a":"one.bin","b":"two.bin"}})");
  const TensorStore store = TensorStore::open(directory.path());
  EXPECT_EQ(store.find("a")->file, "one.bin");
  EXPECT_EQ(values<float>(store.find("b")), (Floats{1, 2, 3, 4}));
}

TEST(TorchFile, IsKnownByItsContentWhereTheNameSaysNothing) {
  const std::string archive = test::torch_file_of(test::PickledTensorOf{});
  for (const std::string& content : {archive, test::legacy_file()}) {
    for (const char* name : {"last.ckpt", "weights", "weights.300"}) {
      const TempDirectory directory;
      directory.write(name, content);
      EXPECT_EQ(values<float>(TensorStore::open_file(directory / name).find("w")),
                (Floats{1, 2, 3, 4}))
          << name;
    }
    const TempDirectory directory;
    directory.write("last.ckpt", content);
    directory.write("one", content);
    directory.write("pytorch_model.bin.index.json", R"({"weight_map":{"w":"one"}})");
    EXPECT_EQ(TensorStore::open(directory.path()).find("w")->file, "one");
    std::filesystem::remove(directory / "pytorch_model.bin.index.json");
    EXPECT_EQ(TensorStore::open(directory.path()).find("w")->file, "last.ckpt");
  }
}

// The length of this header is what a pickle begins with.
TEST(TorchFile, IsNotWhatHasASafetensorsHeader) {
  std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize(0x280, ' ');
  const TempDirectory directory;
  directory.write("weights", std::string("\x80\x02\0\0\0\0\0\0", 8) + header + "\0\0\x80\x3F"s);
  EXPECT_EQ(values<float>(TensorStore::open_file(directory / "weights").find("w")), Floats{1});
}

class TorchRunTest : public testing::TestWithParam<const char*> {};

// Texts, sets, arrays of NumPy, settings: whatever plain values a training run saves with its
// model.
TEST_P(TorchRunTest, PassesOverPlainValuesBesideTheModel) {
  const TempDirectory directory;
  std::filesystem::copy_file(kData / GetParam(), directory / "checkpoint_best.pth");
  const TensorStore store = TensorStore::open(directory.path());
  const bool legacy = std::string_view(GetParam()).find("legacy") != std::string_view::npos;
  ASSERT_EQ(store.entries().size(), legacy ? 4u : 5u);
  EXPECT_EQ(values<float>(store.find("plain")), (Floats{1, 2}));
  EXPECT_EQ(store.find("parameter")->shape, (Shape{1, 2}));
  EXPECT_EQ(values<float>(store.find("parameter")), (Floats{3, 4}));
  EXPECT_EQ(values<float>(store.find("tensor")), (Floats{5, 6}));
  EXPECT_EQ(values<float>(store.find("buffer")), Floats{7});
  if (legacy) return;
  EXPECT_EQ(store.find("codes")->dtype, DType::u16);
  EXPECT_EQ(values<std::uint16_t>(store.find("codes")), (std::vector<std::uint16_t>{1, 2, 3}));
}

// In pickle protocols 2 and 5, and in the format of before PyTorch 1.6.
INSTANTIATE_TEST_SUITE_P(Formats, TorchRunTest,
                         testing::Values("reference_run.pth", "reference_run_5.pth",
                                         "reference_run_legacy.pth"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find('.'));
                         });

// A key that is set again, a model beside its optimizer, a list, numbers: only tensors count.
TEST(TorchFile, PassesOverWhatIsNoTensor) {
  const std::string items = test::pickled_text("w") + "K\x01" + test::pickled_text("w") +
                            test::pickled_tensor({}) + test::pickled_text("steps") + "K\x05" +
                            "K\x07" + test::pickled_tensor({});
  const TempDirectory directory;
  directory.write("pytorch_model.bin",
                  test::torch_file_of(test::pickle_of(test::pickled_dictionary(items))));
  const TensorStore store = TensorStore::open(directory.path());
  ASSERT_EQ(store.entries().size(), 1u);
  EXPECT_EQ(values<float>(store.find("w")), (Floats{1, 2, 3, 4}));
}

}  // namespace
}  // namespace instructblip
