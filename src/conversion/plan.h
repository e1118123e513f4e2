// What of a checkpoint is written, and what becomes of its config.json.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "core/json.h"
#include "instructblip/checkpoint.h"
#include "nn/weights.h"

namespace instructblip {

struct PlannedTensor {
  TensorEntry entry;  // under the name that transformers has for it
  // A matrix, as it is held where the plan was made for one way of holding; else none.
  std::optional<nn::HeldMatrix> held;
};

struct Plan {
  std::shared_ptr<const TensorStore> store;
  std::vector<PlannedTensor> tensors;
  Json::Edits edits;
};

// Who is to read what is written. For transformers, a T5 without a head of its own gets the copy
// that it has in mind, where it would draw one; here such a head stays tied to the words.
enum class WrittenFor { transformers, this_library };

// Loads the checkpoint without its values, so that all is checked that loading checks, tokenizers
// too: what is written must load again. `options` are changed for that: neither sizes of pictures
// nor progress matter. `choose` may be empty. Throws Error as load_pipeline(); invalid_argument
// where `options` ask for LAVIS's behaviour.
Plan checked_plan(const std::filesystem::path& directory, LoadOptions options, WrittenFor whom,
                  const nn::ChooseFormat& choose = {});

// Throws Error(io) where the file system of `directory` has less room than so many bytes.
void check_room(const std::filesystem::path& directory, std::int64_t bytes);

// Hands out the values of `entry` as `dtype`: as they lie in the file, or made.
void write_values(const TensorEntry& entry, const std::shared_ptr<const TensorStore>& store,
                  DType dtype, const ByteSink& sink);

}  // namespace instructblip
