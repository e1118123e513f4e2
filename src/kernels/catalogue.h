// Every operation with its kernels: what can be listed and forced.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/choice.h"
#include "kernels/machine.h"
#include "kernels/panels.h"
#include "kernels/registry.h"

namespace instructblip::kernels {

// What a kernel of packed products is used for: weights in this format, and, where that makes
// another kernel the best, rows that may be rounded to it.
struct UsedFor {
  Format weights;
  bool may_round = false;
  bool operator==(const UsedFor&) const = default;
};

struct Entry {
  std::string_view kernel;
  Traits traits;
  Support support;  // whether it fits an everyday problem on the machine
  bool used;        // such a problem is given to it, with weights in some format at least
  std::vector<UsedFor> used_for = {};  // where kernels share them
};

// Who runs an operation: a model, which may have a choice of its own, or whoever reads a picture or
// searches among logits, on the choice of the environment.
enum class Scope { model, process };

struct Operation {
  std::string_view name;
  Scope scope;
  std::string_view purpose;  // "y = x w^T + bias"
  bool forced;
  std::vector<Entry> entries;  // best first
};

// All of them, by name: those of the processor or, where `machine` is a CUDA device, those of its
// own. Throws Error(invalid_argument) where `choice` forces what does not fit.
std::vector<Operation> catalogue(const Choice& choice, const Machine& machine = this_machine());

}  // namespace instructblip::kernels
