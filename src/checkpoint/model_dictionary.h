// Which of the dictionaries in a file of torch.save() holds the weights.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/pickle.h"

namespace instructblip {

// The value of a key of a dictionary; the last one counts.
std::optional<Pickle::Ref> find(const Pickle& pickle, Pickle::Ref dictionary, std::string_view key);

// The dictionary of the weights: what was saved, or inside it, perhaps at two levels. `name` is the
// file's name for messages. Throws Error(bad_model) where several may be meant.
Pickle::Ref model_in(const Pickle& pickle, const std::string& name);

}  // namespace instructblip
