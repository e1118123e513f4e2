// The checkpoint as the stages see it: a path, a name, the shape that the config promises.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "config/model_config.h"
#include "core/shape.h"
#include "nn/matrix.h"
#include "nn/runtime.h"

namespace instructblip::nn {

// Whether tensors get their values, or are looked at and left where they lie: made without data,
// all that is checked stays checked. Or there is no checkpoint yet, and what one would have to hold
// is found out: every tensor is taken to be there.
enum class Values { read, leave, plan };

// The part of a model that a matrix belongs to, where parts may be held in different formats: the
// head of a language model, the layers of one, and what comes before it. The rest are tables of
// words and positions.
enum class Module { rest, vision, qformer, projection, language, head };
inline constexpr int kModules = 6;

// A tensor that was asked for.
struct RequestedTensor {
  std::string name;
  Shape shape;
  // The module in whose format a matrix is held; none for what is no matrix.
  std::optional<Module> module = {};
};

// A matrix as it is held.
struct HeldMatrix {
  Module module;
  Format format;
};

// What becomes of tensors that belong to no part of the model: an error, or a warning.
enum class Unread { refuse, leave };

// The format of a module's matrices that are stored as `stored`.
using ChooseFormat = std::function<Format(Module module, DType stored)>;

using LoadProgress = std::function<void(std::int64_t done, std::int64_t total)>;

// How a checkpoint is read.
struct ReadAs {
  Format format = Format::f32;  // how matrices are held
  Values values = Values::read;
  Unread unread = Unread::refuse;
  RoundedTo rounded_to = nullptr;
  LoadProgress progress = {};
  ChooseFormat choose_format = {};  // instead of `format`
  // Where matrices are packed: those of float32 too. Otherwise they stay where they lie in the map.
  bool pack_f32 = true;
};

class ReadingRoom;
class WeightLoader;

// A cursor: `weights / "attention" / "query"` points at the tensors whose names start with
// "attention.query.". Cheap to copy; valid while its loader lives.
class Weights {
 public:
  Weights operator/(std::string_view name) const;
  Weights operator/(std::int64_t index) const {
    return *this / std::string_view(std::to_string(index));
  }

  // The same cursor, within this module.
  Weights of(Module module) const;

  // A matrix [rows, columns]. A tensor that is missing or of another shape is remembered and
  // replaced by one without data, so that building goes on and one run finds every fault.
  Matrix matrix(std::string_view name, const Shape& expected) const;
  // Several matrices [rows[i], columns] that take the same input, as one: names[i] + ".weight".
  // Each stays where it is, so that what lies in the map is not copied; a device whose kernels take
  // one matrix gets one.
  // `pairing` says which of its rows a device's kernels may compute together.
  Matrix stacked(std::span<const std::string_view> names, std::span<const std::int64_t> rows,
                 std::int64_t columns, const Pairing& pairing = {}) const;
  // A table of rows that are looked up, [rows, columns]: held as the rest of the model is, where
  // products would be computed from 8 or 4 bits.
  Matrix table(std::string_view name, const Shape& expected) const;
  // A bias, a norm, a position table: of the type that rows have, float32 on the processor.
  at::Tensor vector(std::string_view name, const Shape& expected) const;

  bool has(std::string_view name) const;
  // Where what is built from these weights runs.
  const Runtime& runtime() const;

  // Marks a tensor as known though nobody reads it: a copy of a tied one, a buffer. May be absent.
  void ignore(std::string_view name) const;
  // The same of a weight of the model that no answer needs, which is more than a copy.
  void pass_over(std::string_view name) const;

 private:
  friend class WeightLoader;
  Weights(WeightLoader& loader, std::string path, Module module)
      : loader_(&loader), path_(std::move(path)), module_(module) {}
  // In what a tensor at this path is held as a matrix of `module`.
  Format format_of(const std::string& path, Module module) const;

  WeightLoader* loader_;
  std::string path_;  // with its trailing dot; empty at the root
  Module module_;
};

// Reads a checkpoint once, and accounts for every tensor of it.
class WeightLoader {
 public:
  // float32 tensors are used where they lie in the map, so the tensors share ownership of the
  // store. What is built from the weights runs on `runtime`.
  WeightLoader(const Runtime& runtime, std::shared_ptr<const TensorStore> store, ReadAs as = {});
  ~WeightLoader();

  Weights root();

  // Throws one Error(bad_model) that lists what was missing, misshapen, of a type that no weight
  // has, or never read.
  void finish() const;

  // The tensors that make up the model: those that were read or passed over, sorted by name.
  std::vector<const TensorEntry*> needed() const;

  // With Values::plan: the tensors that the model reads, in this order, each once.
  const std::vector<RequestedTensor>& requested() const;

  // Elements of what has been asked for, and the bytes that hold them or would.
  std::int64_t parameters() const;
  std::int64_t bytes() const;
  // The format that most of the bytes of matrices are held in.
  Format usual_format() const;
  // Every matrix that has been asked for, by its name.
  const std::map<std::string, HeldMatrix, std::less<>>& held() const;
  // What the matrices of a module take; 0 elements where there are none.
  struct Taken {
    std::int64_t elements = 0, bytes = 0;
    std::map<Format, std::int64_t> elements_of;  // those in each format

    Format usual_format() const;  // that of most elements; there is one at least
  };
  const Taken& taken_by(Module module) const;

 private:
  friend class Weights;
  std::vector<std::string> unread() const;
  at::Tensor get(const std::string& path, const Shape& expected, Format format);
  // The same as a matrix, which is remembered as one.
  at::Tensor get(const std::string& path, const Shape& expected, const HeldMatrix& held);
  // The same as one packed matrix.
  Matrix get_packed(std::span<const std::string> paths, std::span<const Shape> expected,
                    const HeldMatrix& held, const Pairing& pairing);
  // The same of tensors that are all there and usable.
  Matrix pack(std::span<const TensorEntry* const> entries, Format format);
  // The same where all of them are stored in its format.
  Matrix get_stored(std::span<const TensorEntry* const> entries);
  void hold(const std::string& path, const Shape& shape, const HeldMatrix& held);
  void count_read(const TensorEntry& entry);
  // Its values are held elsewhere now.
  void done_with(const TensorEntry& entry);
  bool packs(Format format) const;
  // Its values as a tensor of this type, in `room` where that is given and they are converted.
  at::Tensor read(const TensorEntry& entry, at::ScalarType wanted,
                  ReadingRoom* room = nullptr) const;
  // The tensor of the checkpoint, if it is one that can be used; else null, and remembered.
  const TensorEntry* accounted(const std::string& path, const Shape& expected);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace instructblip::nn
