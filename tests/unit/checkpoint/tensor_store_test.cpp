#include "checkpoint/tensor_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "support/cpu_time.h"
#include "support/expect_error.h"
#include "support/safetensors_builder.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using test::expect_error;
using test::safetensors_of;
using test::TempDirectory;

const std::filesystem::path kData =
    std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) / "tests/unit/checkpoint";

TensorStore open_copy_of(const TempDirectory& directory, const char* file,
                         MappedFile::Access access) {
  std::filesystem::copy_file(kData / file, directory / "model.safetensors");
  return TensorStore::open(directory.path(), access);
}

template <typename T>
std::vector<T> values(const TensorEntry& entry) {
  std::vector<T> out(entry.bytes.size() / sizeof(T));
  std::memcpy(out.data(), entry.bytes.data(), entry.bytes.size());
  return out;
}

class TensorStoreAccess : public testing::TestWithParam<MappedFile::Access> {};

TEST_P(TensorStoreAccess, ReadsWhatTheReferenceWrites) {
  const TempDirectory directory;
  const TensorStore store = open_copy_of(directory, "reference_mixed.safetensors", GetParam());
  ASSERT_EQ(store.entries().size(), 6u);
  EXPECT_EQ(store.bytes(), 80);
  const TensorEntry* single = store.find("single");
  ASSERT_NE(single, nullptr);
  EXPECT_EQ(single->dtype, DType::f32);
  EXPECT_EQ(single->shape, (Shape{1, 2}));
  EXPECT_EQ(single->file, "model.safetensors");
  EXPECT_EQ(values<float>(*single), (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(values<double>(*store.find("double")), (std::vector<double>{0.0, 1.0}));
  EXPECT_EQ(values<std::int64_t>(*store.find("ids")),
            (std::vector<std::int64_t>{0, 1, 2, 3, 4}));  // present, though no weight
  EXPECT_EQ(values<std::uint16_t>(*store.find("half")),
            (std::vector<std::uint16_t>{0, 0x3C00, 0x4000}));
  EXPECT_EQ(store.find("flags")->dtype, DType::boolean);
  EXPECT_EQ(store.find("sing"), nullptr);
  EXPECT_EQ(store.find("single "), nullptr);
  store.release(*single);
  EXPECT_EQ(values<float>(*single)[0], 1.5F);
}

INSTANTIATE_TEST_SUITE_P(MapAndCopy, TensorStoreAccess,
                         testing::Values(MappedFile::Access::map, MappedFile::Access::copy));

// A matrix of 4 bits has a ninth of its bytes in them.
TEST(TensorStore, ReleasesScalesTogetherWithTheirElements) {
  constexpr std::size_t kPart = std::size_t{1} << 16;  // whole pages
  auto memory = std::make_unique<const Pages>(3 * kPart, PageSize::ordinary);
  const std::span<std::byte> bytes = memory->bytes();
  std::ranges::fill(bytes, std::byte{1});
  TensorEntry matrix{.name = "matrix", .dtype = DType::u8, .shape = {256, 256}};
  matrix.bytes = bytes.first(kPart);
  matrix.scales = StoredScales{.bits = 8, .bytes = bytes.subspan(kPart, kPart)};
  const TensorStore store = TensorStore::of({}, {}, {matrix}, std::move(memory));
  store.release(store.entries().front());
  EXPECT_TRUE(
      std::ranges::all_of(bytes.first(2 * kPart), [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_EQ(bytes[2 * kPart], std::byte{1});
}

TEST(TensorStore, KeepsScalarsAndTensorsWithoutElements) {
  const TempDirectory directory;
  const TensorStore store =
      open_copy_of(directory, "reference_f32.safetensors", MappedFile::Access::map);
  EXPECT_EQ(store.find("scalar")->shape, Shape{});
  EXPECT_EQ(values<float>(*store.find("scalar")), std::vector<float>{2.5F});
  EXPECT_EQ(store.find("empty")->shape, (Shape{4, 0, 2}));
  EXPECT_TRUE(store.find("empty")->bytes.empty());
  EXPECT_NE(store.find("quote \" back\\slash caf\xC3\xA9"), nullptr);
  for (std::size_t i = 1; i < store.entries().size(); ++i) {
    EXPECT_LT(store.entries()[i - 1].name, store.entries()[i].name);
  }
}

TEST(TensorStore, JoinsShards) {
  const TempDirectory directory;
  directory.write("one.safetensors", safetensors_of({{"b", {2}}, {"d", {1}}}));
  directory.write("two.safetensors", safetensors_of({{"a", {3}}, {"c", {1}}}));
  directory.write("model.safetensors.index.json",
                  R"({"metadata": {"total_size": 28}, "weight_map": {"a": "two.safetensors",
                      "b": "one.safetensors", "c": "two.safetensors", "d": "one.safetensors"}})");
  const TensorStore store = TensorStore::open(directory.path());
  EXPECT_EQ(store.bytes(), 28);
  std::string names;
  for (const TensorEntry& entry : store.entries()) names += entry.name;
  EXPECT_EQ(names, "abcd");
  EXPECT_EQ(store.find("c")->file, "two.safetensors");
  TensorStore moved = TensorStore::open(directory.path());
  moved = TensorStore::open(directory.path());
  EXPECT_EQ(moved.find("a")->bytes.size(), 12u);
}

TEST(TensorStore, PrefersTheSingleFileAsTheReferenceDoes) {
  const TempDirectory directory;
  directory.write("model.safetensors", safetensors_of({{"whole", {1}}}));
  directory.write("model.safetensors.index.json", R"({"weight_map": {"x": "gone.safetensors"}})");
  EXPECT_NE(TensorStore::open(directory.path()).find("whole"), nullptr);
}

TEST(TensorStore, TakesTheOnlyFileOfAnotherName) {
  const TempDirectory directory;
  directory.write("weights.safetensors", safetensors_of({{"x", {1}}}));
  EXPECT_EQ(TensorStore::open(directory.path()).entries()[0].file, "weights.safetensors");
  directory.write("other.safetensors", safetensors_of({{"x", {1}}}));
  expect_error(ErrorCode::bad_model, "2 weights files without an index",
               [&] { TensorStore::open(directory.path()); });
}

TEST(TensorStore, FollowsTheLinksOfAHubCache) {
  const TempDirectory directory;
  std::filesystem::create_directory(directory / "blobs");
  std::filesystem::create_directory(directory / "snapshot");
  directory.write("blobs/0a1b", safetensors_of({{"x", {1}}}));
  std::filesystem::create_symlink("../blobs/0a1b", directory / "snapshot/model.safetensors");
  EXPECT_NE(TensorStore::open(directory / "snapshot").find("x"), nullptr);
}

TEST(TensorStore, SaysWhatToDoWithoutWeights) {
  const TempDirectory directory;
  const auto open = [&] { TensorStore::open(directory.path()); };
  expect_error(ErrorCode::not_found, "no weights", open);
  directory.write("pytorch_model.bin", "PK");
  expect_error(ErrorCode::bad_model, "expected what torch.save() writes", open);
  expect_error(ErrorCode::not_found, "no such directory",
               [&] { TensorStore::open(directory / "absent"); });
}

// Linear in the number of tensors, in the header and in the index.
TEST(TensorStore, OpensManyTensorsQuickly) {
  const TempDirectory directory;
  std::vector<test::TensorOf> tensors;
  std::string map;
  for (int i = 0; i < 30'000; ++i) {
    const std::string name = "language_model.model.layers." + std::to_string(i) + ".weight";
    tensors.push_back({name, {1}});
    map += (map.empty() ? "" : ",") + ("\"" + name + "\":\"a.safetensors\"");
  }
  directory.write("a.safetensors", safetensors_of(tensors));
  directory.write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  const double start = test::cpu_seconds();
  const TensorStore store = TensorStore::open(directory.path());
  const double seconds = test::cpu_seconds() - start;
  EXPECT_EQ(store.entries().size(), 30'000u);
  EXPECT_LT(seconds, 5.0);
  RecordProperty("milliseconds", static_cast<int>(seconds * 1000));
}

constexpr TensorRename kRenames[] = {
    {"model.tower.", "tower."}, {"tower.inner.", "tower."}, {"lm_head.", "language.lm_head."}};

TEST(TensorStore, RenamesWhatOpenIsToldTo) {
  const TempDirectory directory;
  directory.write("model.safetensors", safetensors_of({{"lm_head.weight", {2}},
                                                       {"model.tower.inner.a", {3}},
                                                       {"tower.b", {4}},
                                                       {"model.towers.c", {5}}}));
  const TensorStore store = TensorStore::open(directory.path(), MappedFile::Access::map, kRenames);
  std::vector<std::string> names;
  for (const TensorEntry& entry : store.entries()) names.push_back(entry.name);
  EXPECT_EQ(names, (std::vector<std::string>{"language.lm_head.weight", "model.towers.c", "tower.a",
                                             "tower.b"}));
  EXPECT_EQ(store.find("tower.a")->shape, Shape{3});
  EXPECT_EQ(store.find("model.tower.inner.a"), nullptr);
}

TEST(TensorStore, RefusesTwoTensorsOfOneName) {
  const TempDirectory directory;
  directory.write("model.safetensors", safetensors_of({{"model.tower.a", {3}}, {"tower.a", {3}}}));
  expect_error(ErrorCode::bad_model, "two tensors are tower.a, under names of two layouts",
               [&] { TensorStore::open(directory.path(), MappedFile::Access::map, kRenames); });
}

}  // namespace
}  // namespace instructblip
