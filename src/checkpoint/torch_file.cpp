#include "checkpoint/torch_file.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

#include "checkpoint/model_dictionary.h"
#include "checkpoint/pickle.h"
#include "checkpoint/zip_archive.h"
#include "core/bytes.h"
#include "core/errors.h"
#include "core/foreign_file.h"
#include "core/limits.h"

namespace instructblip {
namespace {

constexpr std::string_view kZip = "PK\x03\x04";
// torch/serialization.py, MAGIC_NUMBER, pickled: how a file of before PyTorch 1.6 begins.
constexpr std::string_view kLegacy = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

using Members = std::map<std::string, std::span<const std::byte>>;

// What people put in the place of such a file.
void check_format(std::span<const std::byte> file, const std::string& name) {
  const std::string_view text = as_text(file);
  refuse_foreign(recognise_foreign(text), name, "what torch.save() writes");
  if (is_other_archive(file)) {
    throw Error(ErrorCode::bad_model,
                printable(name) + ": a zip archive, but none that torch.save() writes",
                "if the weights are in it, unpack it and give those");
  }
  if (text.starts_with(kZip) || text.starts_with(kLegacy)) return;
  if (begins_as_safetensors(text)) {
    throw Error(
        ErrorCode::bad_model,
        printable(name) + ": safetensors, expected what torch.save() writes as its name says",
        "rename it to end in .safetensors (pytorch_model.bin to model.safetensors)");
  }
  if (text.starts_with("\x80")) {
    throw Error(
        ErrorCode::unsupported,
        printable(name) + ": a pickle that torch.save() has not written, expected weights",
        "if you trust whoever made it, load it in Python and save its tensors with torch.save");
  }
  throw Error(ErrorCode::bad_model, printable(name) + ": expected what torch.save() writes",
              "the file is damaged or of another kind");
}

class TensorReader {
 public:
  // Tensors that are not stored in order may take `room` bytes in all.
  TensorReader(const Members& members, const std::string& name, std::int64_t room)
      : members_(members), name_(name), room_(room) {}

  void add(std::string_view key, const PickledTensor& tensor, TorchFile& out);

 private:
  std::span<const std::byte> storage_of(const std::string& key, const PickledTensor& tensor) const;
  void check(const std::string& key, const PickledTensor& tensor) const;
  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw Error(ErrorCode::bad_model, printable(name_) + ": tensor " + quote(key) + ": " + what,
                "the file is damaged or was edited; download or save it again");
  }

  const Members& members_;
  const std::string& name_;
  std::int64_t room_;
};

std::span<const std::byte> TensorReader::storage_of(const std::string& key,
                                                    const PickledTensor& tensor) const {
  const auto member = members_.find("data/" + std::string(tensor.storage));
  if (member == members_.end()) fail(key, "no storage " + quote(tensor.storage));
  std::int64_t bytes = 0;
  if (tensor.storage_elements < 0 ||
      __builtin_mul_overflow(tensor.storage_elements,
                             static_cast<std::int64_t>(size_of(tensor.dtype)), &bytes) ||
      bytes != static_cast<std::int64_t>(member->second.size())) {
    fail(key, "storage " + quote(tensor.storage) + " holds " +
                  std::to_string(member->second.size()) + " bytes, expected " +
                  std::to_string(tensor.storage_elements) + " elements of " +
                  std::string(name_of(tensor.dtype)));
  }
  return member->second;
}

// Every element lies inside the storage, and there are no more of them than it has: a tensor that
// repeats a storage's elements is nobody's weight.
void TensorReader::check(const std::string& key, const PickledTensor& tensor) const {
  const auto elements = checked_elements(tensor.shape);
  if (!elements) fail(key, "shape " + to_string(tensor.shape) + " is negative or overflows");
  if (tensor.shape.size() != tensor.strides.size() ||
      static_cast<std::int64_t>(tensor.shape.size()) > limits::kTensorRank) {
    fail(key, "shape " + to_string(tensor.shape) + " with strides " + to_string(tensor.strides));
  }
  if (tensor.offset < 0) fail(key, "offset " + std::to_string(tensor.offset));
  std::int64_t last = tensor.offset;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    std::int64_t reach = 0;
    if (tensor.strides[i] < 0 ||
        (*elements > 0 && (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) ||
                           __builtin_add_overflow(last, reach, &last)))) {
      fail(key, "strides " + to_string(tensor.strides));
    }
  }
  if (*elements > tensor.storage_elements || (*elements > 0 && last >= tensor.storage_elements)) {
    fail(key, "shape " + to_string(tensor.shape) + ", strides " + to_string(tensor.strides) +
                  " and offset " + std::to_string(tensor.offset) + " leave its storage of " +
                  std::to_string(tensor.storage_elements) + " elements");
  }
}

bool is_row_major(const PickledTensor& tensor) {
  std::int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= std::max<std::int64_t>(tensor.shape[i], 1);
  }
  return true;
}

// The elements in row-major order.
std::unique_ptr<std::byte[]> in_order(const PickledTensor& tensor, const std::byte* first,
                                      std::int64_t elements) {
  const std::size_t width = size_of(tensor.dtype);
  auto copy =
      std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(elements) * width);
  Shape at(tensor.shape.size(), 0);
  std::int64_t from = 0;
  for (std::int64_t i = 0; i < elements; ++i) {
    std::memcpy(copy.get() + static_cast<std::size_t>(i) * width,
                first + static_cast<std::size_t>(from) * width, width);
    for (std::size_t axis = at.size(); axis-- > 0;) {
      from += tensor.strides[axis];
      if (++at[axis] < tensor.shape[axis]) break;
      from -= at[axis] * tensor.strides[axis];
      at[axis] = 0;
    }
  }
  return copy;
}

void TensorReader::add(std::string_view key, const PickledTensor& tensor, TorchFile& out) {
  TensorEntry entry{std::string(key), tensor.dtype, tensor.shape, {}, name_};
  const auto storage = storage_of(entry.name, tensor);
  check(entry.name, tensor);
  const std::int64_t elements = *checked_elements(tensor.shape);
  const std::size_t width = size_of(tensor.dtype);
  const std::size_t bytes = static_cast<std::size_t>(elements) * width;
  if (elements > 0) {
    const std::byte* first = storage.data() + static_cast<std::size_t>(tensor.offset) * width;
    if (!is_row_major(tensor)) {
      room_ -= static_cast<std::int64_t>(bytes);
      if (room_ < 0) fail(entry.name, "the same elements once more, in another order");
      out.copies.push_back(in_order(tensor, first, elements));
      first = out.copies.back().get();
    }
    entry.bytes = {first, bytes};
  }
  out.entries.push_back(std::move(entry));
}

[[noreturn]] void fail_file(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::bad_model, printable(name) + ": " + what,
              "expected what torch.save(model.state_dict(), ...) writes");
}

// What was saved, and the bytes of its storages.
struct Content {
  Pickle pickle;
  Members members;  // a storage is "data/" and its name
};

Content read_archive(std::span<const std::byte> file, const std::string& name) {
  Members members = read_zip_members(file, name);
  if (members.contains("constants.pkl")) {
    throw Error(ErrorCode::unsupported,
                printable(name) + ": a TorchScript program, expected weights",
                "save the state_dict() of the model instead");
  }
  const auto data = members.find("data.pkl");
  if (data == members.end()) fail_file(name, "no data.pkl in the archive");
  const auto order = members.find("byteorder");
  if (order != members.end() && as_text(order->second) != "little") {
    fail_file(name, "byte order " + quote(as_text(order->second)) + ", expected 'little'");
  }
  Pickle pickle = Pickle::read(data->second, name);
  return {std::move(pickle), std::move(members)};
}

// The next storage of a file of before PyTorch 1.6, which has a number of eight bytes in front of
// each storage's elements.
std::span<const std::byte> take_storage(std::span<const std::byte>& rest, std::size_t width,
                                        const std::string& key, const std::string& name) {
  std::uint64_t elements = 0;
  if (rest.size() < sizeof(elements)) fail_file(name, "it ends before storage " + quote(key));
  std::memcpy(&elements, rest.data(), sizeof(elements));
  rest = rest.subspan(sizeof(elements));
  if (elements > rest.size() / width)
    fail_file(name, "it ends in the middle of storage " + quote(key));
  const auto storage = rest.first(static_cast<std::size_t>(elements) * width);
  rest = rest.subspan(storage.size());
  return storage;
}

// torch/serialization.py, _legacy_save(): four pickles, of which the third says how numbers are
// stored and the fourth is what was saved; the names of the storages; the storages in that order.
Content read_legacy(std::span<const std::byte> file, const std::string& name) {
  std::span<const std::byte> rest = file.subspan(kLegacy.size());
  Pickle::read_next(rest, name);  // the version of the format
  const Pickle system = Pickle::read_next(rest, name);
  Content content{Pickle::read_next(rest, name), {}};
  const Pickle keys = Pickle::read_next(rest, name);
  if (system.kind(system.root()) == Pickle::Kind::dictionary) {
    const auto little = find(system, system.root(), "little_endian");
    if (little && system.kind(*little) == Pickle::Kind::boolean && !system.truth(*little)) {
      fail_file(name, "byte order 'big', expected 'little'");
    }
  }
  if (keys.kind(keys.root()) != Pickle::Kind::list) fail_file(name, "no list of storages");
  std::map<std::string_view, std::size_t> widths;
  for (const PickledTensor& storage : content.pickle.storages()) {
    // The storage itself comes before its tensors, whose elements may be wider than its bytes.
    widths.emplace(storage.storage, size_of(storage.dtype));
  }
  for (const Pickle::Ref key : keys.elements(keys.root())) {
    if (keys.kind(key) != Pickle::Kind::text) fail_file(name, "the name of a storage is no text");
    const auto width = widths.find(keys.text(key));
    if (width == widths.end()) {
      fail_file(name, "storage " + quote(keys.text(key)) + " is not used by any tensor");
    }
    const std::string text(keys.text(key));
    const auto storage = take_storage(rest, width->second, text, name);
    if (!content.members.emplace("data/" + text, storage).second) {
      fail_file(name, "storage " + quote(text) + " twice");
    }
  }
  if (!rest.empty())
    fail_file(name, std::to_string(rest.size()) + " bytes behind the last storage");
  return content;
}

}  // namespace

// torch.save() writes the member with the pickle first, and lists it at the end.
bool is_other_archive(std::span<const std::byte> file) {
  constexpr std::string_view kPickle = "data.pkl";
  constexpr std::size_t kSearched = 1 << 16;
  const std::string_view text = as_text(file);
  if (!text.starts_with(kZip)) return false;
  const std::size_t end = text.size() - std::min(text.size(), kSearched);
  return text.substr(0, kSearched).find(kPickle) == std::string_view::npos &&
         text.substr(end).find(kPickle) == std::string_view::npos;
}

bool begins_as_torch_file(std::span<const std::byte> file) {
  const std::string_view text = as_text(file);
  if (text.starts_with(kZip) || text.starts_with(kLegacy)) return true;
  // A pickle of protocol 2 to 5; the length of safetensors' header can be that too, but is followed
  // by the header itself.
  return text.size() > 8 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5 && text[8] != '{';
}

TorchFile read_torch_file(std::span<const std::byte> file, const std::string& name) {
  check_format(file, name);
  const bool legacy = as_text(file).starts_with(kLegacy);
  const Content content = legacy ? read_legacy(file, name) : read_archive(file, name);
  const Pickle& pickle = content.pickle;
  Pickle::Ref dictionary = pickle.root();
  if (pickle.kind(dictionary) != Pickle::Kind::dictionary) {
    fail_file(name, "no dictionary at the top");
  }
  dictionary = model_in(pickle, name);

  std::map<std::string_view, Pickle::Ref> tensors;
  for (const auto& [key, value] : pickle.items(dictionary)) {
    if (pickle.kind(key) != Pickle::Kind::text) continue;
    if (std::ssize(pickle.text(key)) > limits::kPickleNameBytes) {
      fail_file(name, "a key of " + std::to_string(pickle.text(key).size()) +
                          " bytes, expected at most " + std::to_string(limits::kPickleNameBytes));
    }
    if (pickle.kind(value) == Pickle::Kind::tensor) {
      tensors.insert_or_assign(pickle.text(key), value);
    } else {
      tensors.erase(pickle.text(key));
    }
  }
  if (pickle.items(dictionary).empty()) {
    throw Error(
        ErrorCode::bad_model, printable(name) + ": no tensors in the dictionary, it is empty",
        "what was to be saved had been lost: save it once more; with DeepSpeed's stage 3 its "
        "parts have to be gathered before");
  }
  if (tensors.empty()) fail_file(name, "no tensors in the dictionary");
  TorchFile out;
  TensorReader reader(content.members, name, limits::kReorderedFiles * std::ssize(file));
  for (const auto& [key, value] : tensors) reader.add(key, pickle.tensor(value), out);
  return out;
}

}  // namespace instructblip
