// A checkpoint's tensors by the names of LAVIS, the other way round than the library translates
// them: visual_encoder.*, Qformer.bert.*, llm_proj.*, llm_model.*.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_store.h"
#include "support/torch_builder.h"

namespace instructblip::test {

inline void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

inline SavedTensor saved(const TensorEntry& entry) {
  return {entry.name, entry.dtype, entry.shape,
          std::string(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size())};
}

// `language` is what LAVIS calls its language model: "llm", "t5" or "opt".
inline std::string lavis_name(std::string name, const std::string& language) {
  if (name.starts_with("vision_model.encoder.layers.")) {
    replace_all(name, "vision_model.encoder.layers.", "visual_encoder.blocks.");
    replace_all(name, ".layer_norm", ".norm");
    replace_all(name, ".self_attn.projection.", ".attn.proj.");
    replace_all(name, ".self_attn.", ".attn.");
    return name;
  }
  replace_all(name, "vision_model.post_layernorm.", "ln_vision.");
  replace_all(name, "vision_model.embeddings.class_embedding", "visual_encoder.cls_token");
  replace_all(name, "vision_model.embeddings.position_embedding", "visual_encoder.pos_embed");
  replace_all(name, "vision_model.embeddings.patch_embedding.", "visual_encoder.patch_embed.proj.");
  if (name.starts_with("language_model.")) {
    return language + "_model." + name.substr(std::string_view("language_model.").size());
  }
  replace_all(name, "language_projection.", language + "_proj.");
  replace_all(name, "attention.attention.", "attention.self.");
  replace_all(name, "qformer.layernorm.", "Qformer.bert.embeddings.LayerNorm.");
  replace_all(name, "qformer.embeddings.layernorm.", "Qformer.bert.embeddings.LayerNorm.");
  replace_all(name, "qformer.", "Qformer.bert.");
  return name;
}

// Under LAVIS's names, and a fused bias as the two that LAVIS keeps.
inline std::vector<SavedTensor> as_lavis(const TensorEntry& entry, const std::string& language) {
  SavedTensor tensor = saved(entry);
  tensor.name = lavis_name(tensor.name, language);
  constexpr std::string_view kFused = ".attn.qkv.bias";
  if (!tensor.name.ends_with(kFused)) return {tensor};
  const std::string path = tensor.name.substr(0, tensor.name.size() - kFused.size());
  const std::size_t third = tensor.bytes.size() / 3;
  const Shape shape = {entry.shape[0] / 3};
  return {{path + ".attn.q_bias", entry.dtype, shape, tensor.bytes.substr(0, third)},
          {path + ".attn.v_bias", entry.dtype, shape, tensor.bytes.substr(2 * third)}};
}

}  // namespace instructblip::test
