// Builds the bytes of files that torch.save() could have written, and of others that it could not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"

namespace instructblip::test {

inline std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
  return out;
}

struct ZipMember {
  std::string name, content;
  int method = 0;
  int flags = 0;
};

// A zip archive of stored members; `prefix` stands before each name.
inline std::string zip_of(const std::vector<ZipMember>& members,
                          const std::string& prefix = "archive/") {
  std::string out, directory;
  for (const auto& [name, content, method, flags] : members) {
    const std::string full = prefix + name;
    const std::string sizes = little_endian(content.size(), 4) + little_endian(content.size(), 4);
    const std::string lengths = little_endian(full.size(), 2) + little_endian(0, 2);
    const std::string common = little_endian(static_cast<std::uint64_t>(flags), 2) +
                               little_endian(static_cast<std::uint64_t>(method), 2) +
                               std::string(8, '\0') + sizes + lengths;
    directory += "PK\x01\x02" + std::string(4, '\0') + common + std::string(10, '\0') +
                 little_endian(out.size(), 4) + full;
    out += "PK\x03\x04" + std::string(2, '\0') + common + full + content;
  }
  const std::string count = little_endian(members.size(), 2);
  const std::size_t at = out.size();
  return out + directory + "PK\x05\x06" + std::string(4, '\0') + count + count +
         little_endian(directory.size(), 4) + little_endian(at, 4) + std::string(2, '\0');
}

// --- pieces of a pickle

inline std::string pickled_text(std::string_view text) {
  return "X" + little_endian(text.size(), 4) + std::string(text);
}

inline std::string pickled_integer(std::int64_t value) {
  return "\x8a\x08" + little_endian(static_cast<std::uint64_t>(value), 8);
}

inline std::string pickled_tuple(const std::vector<std::int64_t>& values) {
  std::string out = "(";
  for (const std::int64_t value : values) out += pickled_integer(value);
  return out + "t";
}

struct PickledTensorOf {
  std::string name = "w";
  std::string type = "FloatStorage";
  std::string storage = "0";
  std::int64_t storage_elements = 4;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape = {2, 2};
  std::vector<std::int64_t> strides = {2, 1};
};

inline std::string pickled_storage(const PickledTensorOf& tensor) {
  return "(" + pickled_text("storage") + "ctorch\n" + tensor.type + "\n" +
         pickled_text(tensor.storage) + pickled_text("cpu") +
         pickled_integer(tensor.storage_elements) + "tQ";
}

inline std::string pickled_tensor(const PickledTensorOf& tensor) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + pickled_storage(tensor) +
         pickled_integer(tensor.offset) + pickled_tuple(tensor.shape) +
         pickled_tuple(tensor.strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

// A pickle whose value is what `body` leaves on the stack.
inline std::string pickle_of(const std::string& body) { return "\x80\x02" + body + "."; }

// A dictionary of `items`: texts and what belongs to them, one after the other.
inline std::string pickled_dictionary(const std::string& items) { return "}(" + items + "u"; }

// A file with one tensor of four floats, 1 to 4.
inline std::string torch_file_of(const std::string& pickle, const std::string& storage = {}) {
  const std::string floats("\0\0\x80\x3F\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 16);
  return zip_of({{"data.pkl", pickle},
                 {"byteorder", "little"},
                 {"data/0", storage.empty() ? floats : storage},
                 {"version", "3\n"}});
}

inline std::string torch_file_of(const PickledTensorOf& tensor) {
  return torch_file_of(
      pickle_of(pickled_dictionary(pickled_text(tensor.name) + pickled_tensor(tensor))));
}

// What before PyTorch 1.6 stood in place of the archive: `pickles` are those behind the magic
// number, `storages` what follows them.
inline std::string legacy_file_of(const std::string& pickles, const std::string& storages) {
  return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + pickles + storages;
}

// The version of the format, and how numbers are stored.
inline std::string legacy_system(bool little_endian = true) {
  return pickle_of("M\xe9\x03") + pickle_of(pickled_dictionary(pickled_text("little_endian") +
                                                               (little_endian ? "\x88" : "\x89")));
}

// Four floats, 1 to 4, behind their number.
inline std::string legacy_storage() {
  return little_endian(4, 8) + std::string("\0\0\x80\x3F\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 16);
}

// A whole file with one tensor of them.
inline std::string legacy_file() {
  return legacy_file_of(legacy_system() +
                            pickle_of(pickled_dictionary(pickled_text("w") + pickled_tensor({}))) +
                            pickle_of("](" + pickled_text("0") + "e"),
                        legacy_storage());
}

struct SavedTensor {
  std::string name;
  DType dtype;
  Shape shape;
  std::string bytes;
};

inline std::string storage_type_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "DoubleStorage";
    case DType::f16:
      return "HalfStorage";
    case DType::bf16:
      return "BFloat16Storage";
    case DType::i64:
      return "LongStorage";
    default:
      return "FloatStorage";
  }
}

// What torch.save() writes of a dictionary of `tensors`, each with a storage of its own; with
// `key` of {key: that dictionary, "epoch": 3}.
inline std::string torch_file_of(const std::vector<SavedTensor>& tensors,
                                 const std::string& key = {}) {
  std::vector<ZipMember> members = {{"data.pkl", ""}, {"byteorder", "little"}};
  std::string items;
  for (const SavedTensor& saved : tensors) {
    PickledTensorOf of{saved.name, storage_type_of(saved.dtype), std::to_string(members.size())};
    of.storage_elements = checked_elements(saved.shape).value();
    of.shape = saved.shape;
    of.strides.assign(saved.shape.size(), 1);
    for (std::size_t i = saved.shape.size(); i-- > 1;) {
      of.strides[i - 1] = of.strides[i] * saved.shape[i];
    }
    items += pickled_text(saved.name) + pickled_tensor(of);
    members.push_back({"data/" + of.storage, saved.bytes});
  }
  std::string dictionary = pickled_dictionary(items);
  if (!key.empty()) {
    dictionary = pickled_dictionary(pickled_text("epoch") + pickled_integer(3) + pickled_text(key) +
                                    dictionary);
  }
  members[0].content = pickle_of(dictionary);
  return zip_of(members);
}

}  // namespace instructblip::test
