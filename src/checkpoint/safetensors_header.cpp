#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "checkpoint/torch_file.h"
#include "core/bytes.h"
#include "core/errors.h"
#include "core/foreign_file.h"
#include "core/json.h"
#include "core/limits.h"

namespace instructblip {
namespace {

constexpr std::size_t kLengthBytes = 8;  // the header's length, little-endian, opens the file
constexpr std::string_view kDamaged =
    "the file is damaged or was edited; download or convert it again";

// An entry as the header states it, before its place is known to lie inside the file.
struct Claim {
  TensorEntry entry;
  std::int64_t begin;  // offsets into the data that follows the header
  std::int64_t end;
};

[[noreturn]] void fail(const std::string& file, const std::string& what,
                       std::string_view hint = kDamaged) {
  throw Error(ErrorCode::bad_model, printable(file) + ": " + what, std::string(hint));
}

std::string tensor(const std::string& name) { return "tensor " + quote(name) + ": "; }

// What people put in the place of a safetensors file.
void refuse_other_formats(std::span<const std::byte> file, const std::string& name) {
  const std::string_view content = as_text(file);
  if (begins_as_safetensors(content)) return;
  refuse_foreign(recognise_foreign(content), name, "safetensors");
  if (content.starts_with('{')) fail(name, "a JSON document, expected safetensors");
  if (is_other_archive(file)) {
    fail(name, "a zip archive, expected safetensors",
         "if the weights are in it, unpack it and give those");
  }
  if (!begins_as_torch_file(file)) return;
  fail(name, "a file of torch.save(), expected safetensors as its name says",
       "rename it to end in .bin (model.safetensors to pytorch_model.bin)");
}

std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) {
    value = (value << 8) | std::to_integer<std::uint64_t>(bytes[i]);
  }
  return value;
}

// The JSON text of the header; `data` receives what follows it.
std::string_view split(std::span<const std::byte> file, const std::string& name,
                       std::span<const std::byte>& data) {
  refuse_other_formats(file, name);
  if (file.size() < kLengthBytes) {
    fail(name, std::to_string(file.size()) +
                   " bytes, expected at least the 8 that hold the length of the header");
  }
  const std::uint64_t length = little_endian(file);
  const auto rest = file.subspan(kLengthBytes);
  if (length > static_cast<std::uint64_t>(limits::kHeaderBytes)) {
    fail(name, "header of " + std::to_string(length) + " bytes, expected at most " +
                   std::to_string(limits::kHeaderBytes));
  }
  if (length > rest.size()) {
    fail(name, "header of " + std::to_string(length) + " bytes, but only " +
                   std::to_string(rest.size()) + " bytes follow its length");
  }
  const auto header = rest.first(static_cast<std::size_t>(length));
  if (header.empty() || header[0] != std::byte{'{'}) fail(name, "header does not begin with '{'");
  data = rest.subspan(header.size());
  return as_text(header);
}

void check_metadata(const Json& metadata) {
  for (const auto& [key, value] : metadata.members()) {
    if (!value.is_string()) value.fail("a string");
  }
}

DType read_dtype(const std::string& file, const std::string& name, const Json& json) {
  const std::string text = json.at("dtype").string();
  if (const auto dtype = dtype_from_name(text)) return *dtype;
  throw Error(ErrorCode::unsupported,
              printable(file) + ": " + tensor(name) + "dtype " + quote(text) +
                  " is unknown, expected F64, F32, F16, BF16, F8_E4M3, F8_E5M2, BOOL or an "
                  "integer of 8 to 64 bits");
}

// Bytes of all elements; none where the product overflows at any factor.
std::optional<std::int64_t> checked_bytes(const Shape& shape, DType dtype) {
  const auto elements = checked_elements(shape);
  std::int64_t bytes = 0;
  if (!elements ||
      __builtin_mul_overflow(*elements, static_cast<std::int64_t>(size_of(dtype)), &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

// A header may claim any number of sizes.
std::string shown(const Shape& shape) {
  constexpr std::size_t kShown = 8;
  return shape.size() <= kShown ? to_string(shape)
                                : "of " + std::to_string(shape.size()) + " sizes";
}

Claim read_claim(const std::string& file, const std::string& name, const Json& json) {
  const DType dtype = read_dtype(file, name, json);
  Shape shape = json.at("shape").integers(0);
  const std::vector<std::int64_t> offsets = json.at("data_offsets").integers(0);
  if (offsets.size() != 2) {
    fail(file, tensor(name) + std::to_string(offsets.size()) + " data_offsets, expected 2");
  }
  const std::string held = "data_offsets " + to_string(offsets);
  const std::string stated = "(shape " + shown(shape) + " x " + std::string(name_of(dtype)) + ")";
  if (offsets[0] > offsets[1]) fail(file, tensor(name) + held + " end before they begin");
  const auto bytes = checked_bytes(shape, dtype);
  if (!bytes) fail(file, tensor(name) + "shape " + shown(shape) + " overflows 63 bits");
  if (offsets[1] - offsets[0] != *bytes) {
    fail(file, tensor(name) + held + " hold " + std::to_string(offsets[1] - offsets[0]) +
                   " bytes, expected " + std::to_string(*bytes) + " " + stated);
  }
  return {{name, dtype, std::move(shape), {}, file}, offsets[0], offsets[1]};
}

// The extents, in order, cover the data from its first byte to its last. Tensors without elements
// occupy nothing and may stand between two others.
void check_tiling(const std::string& file, const std::vector<Claim>& claims, std::size_t bytes) {
  const auto size = static_cast<std::int64_t>(bytes);
  std::int64_t end = 0;
  const Claim* previous = nullptr;
  for (const Claim& claim : claims) {
    if (claim.end > size) {
      fail(file,
           tensor(claim.entry.name) + "data_offsets " + to_string({claim.begin, claim.end}) +
               " lie beyond the " + std::to_string(size) + " bytes of data",
           "the file is cut short; download it again");
    }
    if (claim.begin > end) {
      fail(file, "a gap of " + std::to_string(claim.begin - end) + " bytes before tensor " +
                     quote(claim.entry.name));
    }
    if (claim.begin < end) {
      fail(file, tensor(claim.entry.name) + "overlaps tensor " + quote(previous->entry.name));
    }
    end = claim.end;
    previous = &claim;
  }
  if (end != size) {
    fail(file, std::to_string(size - end) + " bytes follow the last tensor, expected none");
  }
}

}  // namespace

std::vector<TensorEntry> read_safetensors_header(std::span<const std::byte> file,
                                                 const std::string& name) {
  std::span<const std::byte> data;
  const std::string_view text = split(file, name, data);
  JsonLimits header_limits;
  header_limits.bytes = limits::kHeaderBytes;
  const Json header = Json::parse(text, name, header_limits);

  std::vector<Claim> claims;
  claims.reserve(header.size());
  for (const auto& [key, value] : header.members()) {
    if (key == "__metadata__") {
      check_metadata(value);
    } else {
      claims.push_back(read_claim(name, key, value));
    }
  }
  std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_tiling(name, claims, data.size());

  std::vector<TensorEntry> entries;
  entries.reserve(claims.size());
  for (Claim& claim : claims) {
    claim.entry.bytes = data.subspan(static_cast<std::size_t>(claim.begin),
                                     static_cast<std::size_t>(claim.end - claim.begin));
    entries.push_back(std::move(claim.entry));
  }
  return entries;
}

}  // namespace instructblip
