#include "checkpoint/safetensors_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "support/expect_error.h"
#include "support/temp_directory.h"

namespace instructblip {
namespace {

using test::content_of;
using test::expect_error;
using test::TempDirectory;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(WriteSafetensors, WritesTheBytesOfTheReference) {
  const std::filesystem::path reference = std::filesystem::path(INSTRUCTBLIP_SOURCE_DIR) /
                                          "tests/unit/checkpoint/reference_f32.safetensors";
  const TempDirectory directory;
  std::filesystem::copy_file(reference, directory / "model.safetensors");
  const TensorStore store = TensorStore::open(directory.path());
  std::vector<TensorToWrite> tensors;
  for (const TensorEntry& entry : store.entries()) {
    tensors.push_back({entry.name, entry.dtype, entry.shape, entry.bytes});
  }
  std::reverse(tensors.begin(), tensors.end());
  write_safetensors(directory / "out.safetensors", tensors);
  EXPECT_EQ(content_of(directory / "out.safetensors"), content_of(reference));
}

TEST(WriteSafetensors, AlignsTheDataAndEachElement) {
  const TempDirectory directory;
  const std::string one(1, 'a');
  const std::string four(4, 'b');
  const std::string eight(8, 'c');
  write_safetensors(directory / "model.safetensors",
                    std::array<TensorToWrite, 3>{{{"a", DType::u8, {1}, bytes_of(one)},
                                                  {"b", DType::f32, {1}, bytes_of(four)},
                                                  {"c", DType::i64, {1}, bytes_of(eight)}}});
  const std::string content = content_of(directory / "model.safetensors");
  EXPECT_TRUE(content.ends_with("ccccccccbbbba"));
  EXPECT_EQ((content.size() - 13) % 8, 0u);
  const TensorStore store = TensorStore::open(directory.path());
  for (const TensorEntry& entry : store.entries()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(entry.bytes.data()) % size_of(entry.dtype), 0u);
  }
}

TEST(WriteSafetensors, WritesAnEmptyFile) {
  const TempDirectory directory;
  write_safetensors(directory / "model.safetensors", {});
  EXPECT_TRUE(TensorStore::open(directory.path()).entries().empty());
}

TEST(WriteSafetensors, RefusesContradictionsAndKeepsTheOldFile) {
  const TempDirectory directory;
  directory.write("out", "old");
  const std::string four(4, 'b');
  const auto write = [&](std::vector<TensorToWrite> tensors) {
    return [&directory, tensors] { write_safetensors(directory / "out", tensors); };
  };
  expect_error(ErrorCode::internal, "has 4 bytes", write({{"a", DType::f32, {2}, bytes_of(four)}}));
  expect_error(
      ErrorCode::internal, "given twice",
      write({{"a", DType::f32, {1}, bytes_of(four)}, {"a", DType::u8, {4}, bytes_of(four)}}));
  expect_error(ErrorCode::io, "cannot be written",
               [&] { write_safetensors(directory / "absent/out", {}); });
  EXPECT_EQ(content_of(directory / "out"), "old");
}

}  // namespace
}  // namespace instructblip
