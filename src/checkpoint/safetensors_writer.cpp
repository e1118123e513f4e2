#include "checkpoint/safetensors_writer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"

namespace instructblip {
namespace {

constexpr std::size_t kAlignment =
    8;  // alignment of the data's first byte, as the reference pads its header

// What the shape and the type say.
std::optional<std::size_t> bytes_of(const TensorToWrite& tensor) {
  const auto elements = checked_elements(tensor.shape);
  std::int64_t bytes = 0;
  if (!elements ||
      __builtin_mul_overflow(*elements, static_cast<std::int64_t>(size_of(tensor.dtype)), &bytes)) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(bytes);
}

void check(const std::filesystem::path& file, const TensorToWrite& tensor, std::size_t found) {
  if (bytes_of(tensor) == found) return;
  throw Error(ErrorCode::internal, printable(file.string()) + ": tensor " + quote(tensor.name) +
                                       " of shape " + to_string(tensor.shape) + " x " +
                                       std::string(name_of(tensor.dtype)) + " has " +
                                       std::to_string(found) + " bytes");
}

void write_values(const std::filesystem::path& file, const TensorToWrite& tensor,
                  const ByteSink& sink) {
  if (!tensor.make) return sink(tensor.bytes);
  std::size_t found = 0;
  tensor.make([&](std::span<const std::byte> bytes) {
    found += bytes.size();
    sink(bytes);
  });
  check(file, tensor, found);
}

// Wide elements first, so that each tensor is aligned to its element; then by name.
std::vector<const TensorToWrite*> ordered(std::span<const TensorToWrite> tensors) {
  std::vector<const TensorToWrite*> out;
  for (const TensorToWrite& tensor : tensors) out.push_back(&tensor);
  std::sort(out.begin(), out.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    const std::size_t wide_a = size_of(a->dtype);
    const std::size_t wide_b = size_of(b->dtype);
    return wide_a != wide_b ? wide_a > wide_b : a->name < b->name;
  });
  return out;
}

// Without spaces, so that a file equals the reference's byte for byte.
std::string compact(const Shape& shape) {
  std::string text = to_string(shape);
  std::erase(text, ' ');
  return text;
}

std::string header_of(const std::vector<const TensorToWrite*>& tensors) {
  // The reference refuses to load a file whose metadata does not name a framework.
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::size_t offset = 0;
  for (const TensorToWrite* tensor : tensors) {
    const std::size_t end = offset + bytes_of(*tensor).value();
    header += "," + json_literal(tensor->name) + R"(:{"dtype":")" +
              std::string(name_of(tensor->dtype)) + R"(","shape":)" + compact(tensor->shape) +
              R"(,"data_offsets":[)" + std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  header += "}";
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return header;
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, std::span<const TensorToWrite> tensors) {
  std::set<std::string_view> names;
  for (const TensorToWrite& tensor : tensors) {
    check(file, tensor, tensor.make ? bytes_of(tensor).value_or(0) : tensor.bytes.size());
    if (!names.insert(tensor.name).second) {
      throw Error(ErrorCode::internal,
                  printable(file.string()) + ": tensor " + quote(tensor.name) + " is given twice");
    }
  }
  const std::vector<const TensorToWrite*> order = ordered(tensors);
  const std::string header = header_of(order);
  std::array<std::byte, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i) {
    length[i] =
        static_cast<std::byte>((static_cast<std::uint64_t>(header.size()) >> (8 * i)) & 0xFF);
  }
  write_file_atomically(file, [&](const ByteSink& sink) {
    sink(length);
    sink(std::as_bytes(std::span(header)));
    for (const TensorToWrite* tensor : order) write_values(file, *tensor, sink);
  });
}

}  // namespace instructblip
