// What the tensors of other code are called here. The stages ask for the names that transformers
// gives to the model; LAVIS, language models on their own and older writers have names of theirs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "checkpoint/tensor_store.h"
#include "config/model_config.h"
#include "config/retrieval_config.h"

namespace instructblip {

class TensorNames {
 public:
  explicit TensorNames(const ModelConfig& config);
  explicit TensorNames(const RetrievalConfig& config);

  // A tensor of the whole model, by the names of transformers or of LAVIS. None: a part of LAVIS's
  // model that no answer needs.
  std::optional<std::string> of_model(std::string_view stored) const;

  // The same of a file with a part of it, which may be the language model by its own names.
  std::optional<std::string> of_part(std::string_view stored) const;

  // Whether that is the name of a tensor that a model of any family here has.
  bool is_known(std::string_view stored) const;

  // Whether it is a head that training puts beside a language model, as of rewards, which no answer
  // needs.
  static bool is_of_another_head(std::string_view stored);
  // Whether it is the row behind each row of tiles, in a model that has none.
  bool is_idle_newline(std::string_view stored) const;

  // A tensor of a language model that stands alone; names that are not of its kind stay.
  std::string of_language_model(std::string_view stored) const;

  // Whether a language model that stands alone has a tensor of this name.
  bool is_of_language_model(std::string_view stored) const;

  // What transformers 4 calls the tensor in the files that it writes.
  std::string written(std::string_view ours) const;

 private:
  std::span<const TensorRename> hub_;
  std::span<const TensorRename> written_;
  std::span<const TensorRename> language_;  // names of its bare model, without the head
  bool norm_beside_words_ = true;           // the Q-Former's first norm lies among its embeddings
  std::int64_t vision_layers_ = 0;
  bool has_tiles_ = false;
};

}  // namespace instructblip
