// A file of torch.save(): which tensors it holds, and where. Taken for hostile until every rule has
// been checked.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/tensor_store.h"

namespace instructblip {

struct TorchFile {
  std::vector<TensorEntry> entries;  // in the order of the file; a name occurs once
  // What had to be put in order, since a tensor was stored across its rows; entries point into it.
  std::vector<std::unique_ptr<std::byte[]>> copies;
};

// True for a file that begins as torch.save() or another pickler begins it, whatever its name is.
bool begins_as_torch_file(std::span<const std::byte> file);

// True for a zip archive that torch.save() has not written.
bool is_other_archive(std::span<const std::byte> file);

// The tensors of the file with the content `file`, which must outlive the result: those of a
// dictionary of tensors, or of the one in it under a key that is customary ("model" of LAVIS,
// "state_dict", ...) or the only one. Other values are passed over. Both formats are read, the zip
// archive and the one of before PyTorch 1.6. `name` is the file's name for messages. Throws
// Error(bad_model), also where several dictionaries may be meant; Error(unsupported) for
// TorchScript and for pickles of anything but plain values.
TorchFile read_torch_file(std::span<const std::byte> file, const std::string& name);

}  // namespace instructblip
