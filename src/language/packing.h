// Prompts, or the hypotheses of several, packed (nn/rows.h): no row is padded and none sees another
// request's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "language/language_state.h"
#include "nn/embedding.h"
#include "nn/prompt_tables.h"
#include "nn/rotary.h"
#include "nn/rows.h"
#include "nn/step_tables.h"

namespace instructblip {

// Where packed rows stand, and what their states remember.
class PackedRows {
 public:
  // The rows as attention takes them: with the decoder's caches, with the encoder's memories, or
  // with nothing but themselves.
  nn::Rows rows() const;
  nn::Rows memory_rows() const;
  nn::Rows alone() const;

  std::span<const nn::Part> parts() const { return parts_; }
  // The position of each row in its text, and how long that text is by now.
  const nn::RowPlaces& places() const { return places_; }
  // How long the text of each part is by now.
  std::span<const std::int64_t> lengths() const { return lengths_; }

 protected:
  explicit PackedRows(nn::Rows::Kind kind) : kind_(kind) {}
  // `count` rows more, the first of them at `position`.
  void add(LanguageState& state, std::int64_t count, std::int64_t position);

  std::vector<nn::KvCache*> caches_, memories_;
  nn::RowPlaces places_;
  std::optional<nn::StepTables> tables_;     // where a step is to be replayed
  std::optional<nn::PromptTables> prompts_;  // where prompts are

 private:
  nn::Rows::Kind kind_;
  std::vector<nn::Part> parts_;
  std::vector<std::int64_t> lengths_;
};

// Prompts on their way through a model. If they do not arrive, their states are again
// without keys and values, as start() made them. A device launches again what it has recorded of
// prompts that are as long: then rows, positions and slots lie in tables on it.
class PackedPrompts : public PackedRows {
 public:
  // Where keys and values of the prompts go.
  enum class Into { cache, memory };

  PackedPrompts(std::span<LanguageState* const> states, Into into);
  ~PackedPrompts();
  PackedPrompts(const PackedPrompts&) = delete;
  PackedPrompts& operator=(const PackedPrompts&) = delete;

  const at::Tensor& embedded() const { return embedded_; }  // [all P, L]
  // What `compute` makes of these rows, [S, N]: called, or launched again as a device recorded it.
  // `same`: as in PackedStep::run().
  at::Tensor run(const std::function<at::Tensor()>& compute, bool same = true) const;
  // Which rows the last layer goes on with: the last one of each prompt, from which the first new
  // token comes. `reference` numerics in float32 take all of them through it, as the reference
  // does.
  nn::Needed needed() const;
  // The last row of each prompt of what the layers made of `needed()` ones: [S, D].
  at::Tensor last_rows(const at::Tensor& x) const;
  // All have been read: their rows are not needed any more.
  void keep();

 private:
  void forget() noexcept;

  std::span<LanguageState* const> states_;
  at::Tensor embedded_;
  bool kept_ = false;
};

// One position more for each of several states; taken back unless it is kept.
//
// A device launches a step that it has recorded: there all states have as many rows, the greatest
// number of any, and tokens, positions and slots lie in tables on it (nn/step_tables.h).
class PackedStep : public PackedRows {
 public:
  // `embedding` has the tokens, on the runtime of the model.
  PackedStep(std::span<const LanguageStep> steps, const nn::Embedding& embedding);
  ~PackedStep();
  PackedStep(const PackedStep&) = delete;
  PackedStep& operator=(const PackedStep&) = delete;

  at::Tensor embedded() const;  // [R of all, L]
  // What `compute` makes of these rows, [R of all, N]. `same`: whether it depends on nothing but
  // weights, and what is in tables or pages; else it is called each time.
  at::Tensor run(const std::function<at::Tensor()>& compute, bool same = true) const;
  void keep() { kept_ = true; }
  // What a device can launch again, for texts of up to `max_length`; null where it has not recorded
  // the step.
  std::shared_ptr<const nn::RecordedTables> recorded(
      std::int64_t max_length = std::numeric_limits<std::int64_t>::max()) const;

 private:
  void make_tables();
  void begin(std::span<const LanguageStep> steps);
  void take_back(std::size_t count) noexcept;
  at::Tensor unpadded(const at::Tensor& x) const;

  const nn::Embedding* embedding_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::int64_t> counts_;  // rows of each state
  std::int64_t rows_ = 0;             // rows of a state in the tables
  bool kept_ = false;
};

}  // namespace instructblip
