#include "adapters/own_quantisation.h"

#include <cstdint>
#include <cstring>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "core/errors.h"
#include "core/file.h"
#include "core/json.h"

namespace instructblip {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kElements8 = "_q8", kElements4 = "_q4", kScales = "_scale",
                           kShape = "_shape";
constexpr std::int64_t kBlock = 32, kBlockBytes = 16;

// Bits of the matrix whose elements have this name; 0: it is none's.
int bits_of(std::string_view name) {
  if (name.ends_with(kElements8)) return 8;
  return name.ends_with(kElements4) ? 4 : 0;
}

std::int64_t blocks_of(std::int64_t columns) { return (columns + kBlock - 1) / kBlock; }

// Puts matrices together and collects what is wrong with them.
class Folding {
 public:
  Folding(const TensorStore& store, const fs::path& directory)
      : store_(store), directory_(directory) {}

  std::vector<TensorEntry> entries() {
    std::vector<TensorEntry> whole;
    std::set<std::string, std::less<>> used;
    for (const TensorEntry& entry : store_.entries()) {
      const int bits = bits_of(entry.name);
      if (bits == 0) continue;
      const OwnNames names = own_names(entry.name.substr(0, entry.name.size() - 3), bits);
      whole.push_back(matrix(entry, names, bits));
      used.insert({names.elements, names.scales, names.shape});
    }
    const std::size_t quantised = whole.size();
    for (const TensorEntry& entry : store_.entries()) {
      if (!used.contains(entry.name)) whole.push_back(entry);
    }
    if (quantised == 0) fault(printable(directory_.string()) + ": no matrix is of 8 or 4 bits");
    findings_.throw_if_any(ErrorCode::bad_model,
                           printable(directory_.string()) + ": damaged weights of 8 or 4 bits",
                           "copy the directory once more, or quantise its checkpoint again");
    return whole;
  }

 private:
  void fault(const std::string& what) { findings_.add(what); }

  static std::string where(const TensorEntry& entry) {
    return printable(entry.file) + ": " + printable(entry.name);
  }

  bool check(const TensorEntry& entry, DType dtype, const Shape& shape) {
    if (entry.dtype == dtype && entry.shape == shape) return true;
    fault(where(entry) + " is " + std::string(name_of(entry.dtype)) + " " + to_string(entry.shape) +
          ", expected " + std::string(name_of(dtype)) + " " + to_string(shape));
    return false;
  }

  const TensorEntry* part(const TensorEntry& of, const std::string& name) {
    const TensorEntry* const found = store_.find(name);
    if (found == nullptr) fault(where(of) + ": " + printable(name) + " is missing");
    return found;
  }

  // Rows and columns of 4 bits, which are stored as such: blocks are filled up.
  std::optional<Shape> shape_of(const TensorEntry& elements, const OwnNames& names) {
    const TensorEntry* const stored = part(elements, names.shape);
    if (stored == nullptr || !check(*stored, DType::i64, {2})) return std::nullopt;
    std::int64_t sizes[2];
    std::memcpy(sizes, stored->bytes.data(), sizeof(sizes));
    const Shape shape = {sizes[0], sizes[1]};
    const std::int64_t most = std::int64_t{1} << 40;
    if (sizes[0] >= 0 && sizes[1] >= 0 && sizes[0] < most && sizes[1] < most) return shape;
    fault(where(*stored) + " holds " + to_string(shape) + ", expected two sizes");
    return std::nullopt;
  }

  TensorEntry matrix(const TensorEntry& elements, const OwnNames& names, int bits) {
    TensorEntry whole = elements;
    whole.name = elements.name.substr(0, elements.name.size() - kElements8.size());
    whole.dtype = DType::f32;
    const TensorEntry* const scales = part(elements, names.scales);
    bool fits = scales != nullptr;
    if (bits == 8) {
      if (elements.shape.size() != 2) {
        fault(where(elements) + " has shape " + to_string(elements.shape) +
              ", expected rows and columns");
        return whole;
      }
      fits = check(elements, DType::i8, elements.shape) && fits;
      fits = fits && check(*scales, DType::f32, {elements.shape[0]});
    } else {
      const std::optional<Shape> shape = shape_of(elements, names);
      if (!shape) return whole;
      const std::int64_t blocks = blocks_of((*shape)[1]);
      fits = check(elements, DType::u8, {(*shape)[0], blocks, kBlockBytes}) && fits;
      fits = fits && check(*scales, DType::f16, {(*shape)[0], blocks});
      whole.shape = *shape;
    }
    if (fits) whole.scales = StoredScales{bits, scales->bytes};
    return whole;
  }

  const TensorStore& store_;
  const fs::path& directory_;
  Findings findings_;
};

[[noreturn]] void refuse(const Json& section, const std::string& what, const std::string& hint,
                         ErrorCode code) {
  throw Error(code, section.where() + ": " + what, hint);
}

}  // namespace

OwnNames own_names(std::string_view matrix, int bits) {
  const std::string name(matrix);
  if (bits == 8) return {name + std::string(kElements8), name + std::string(kScales), {}};
  return {name + std::string(kElements4), name + std::string(kScales), name + std::string(kShape)};
}

std::optional<OwnQuantisation> own_quantisation(const fs::path& directory) {
  const fs::path file = directory / "config.json";
  if (!is_present(file)) return std::nullopt;
  const Json config = Json::read(file);
  const auto section = config.is_object() ? config.find("quantization_config") : std::nullopt;
  if (!section || !section->is_object()) return std::nullopt;
  const auto method = section->find("quant_method");
  if (!method || !method->is_string() || method->string() != kOwnMethod) return std::nullopt;
  const std::string again = "quantise the checkpoint again (instructblip quantize)";
  const auto format = section->find("format");
  if (!format || !format->is_integer() || format->integer() < 1) {
    refuse(*section, "expected a format, the number of a layout", again, ErrorCode::bad_model);
  }
  if (format->integer() > kOwnFormat) {
    refuse(*section,
           "format " + format->dump() + ", expected " + std::to_string(kOwnFormat) +
               " at most: a later version has written it",
           "run the version that wrote it, or " + again, ErrorCode::unsupported);
  }
  const OwnQuantisation own = {section->string_or("weights", ""), section->string_or("policy", "")};
  if (own.weights == "q8" || own.weights == "q4") return own;
  refuse(*section, "weights " + quote(own.weights) + ", expected \"q8\" or \"q4\"", again,
         ErrorCode::bad_model);
}

TensorStore with_matrices(TensorStore store, const fs::path& directory) {
  std::vector<TensorEntry> entries = Folding(store, directory).entries();
  std::vector<TensorStore> parts;
  parts.push_back(std::move(store));
  return TensorStore::of(std::move(parts), {}, std::move(entries));
}

}  // namespace instructblip
