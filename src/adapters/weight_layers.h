// The tensors of several sources, laid over each other one source at a time.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_store.h"

namespace instructblip {

class WeightLayers {
 public:
  struct Tensor {
    TensorEntry entry;
    bool from_checkpoint;  // and not laid over it
  };
  using Tensors = std::map<std::string, Tensor, std::less<>>;

  // Takes the store's files, and its tensors under the names that they have in `entries`.
  void add(TensorStore store, std::vector<TensorEntry> entries, bool from_checkpoint);
  // Forgets every tensor whose name begins so.
  void drop(std::string_view prefix);

  // To be changed where they are not what the model needs.
  Tensors& tensors() { return tensors_; }
  const Tensors& tensors() const { return tensors_; }

  // Keeps files open whose tensors are parts of recipes.
  void keep(TensorStore store) { stores_.push_back(std::move(store)); }

  TensorStore finish() &&;

 private:
  std::vector<TensorStore> stores_;
  TensorStore::Copies copies_;
  Tensors tensors_;
};

}  // namespace instructblip
