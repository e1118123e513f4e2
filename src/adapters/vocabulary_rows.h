// Rows of words: language models come with more or fewer of them than the config says.
#pragma once

#include "adapters/weight_layers.h"
#include "config/model_config.h"

namespace instructblip {

// LAVIS adds [PAD] to a LLaMA's 32000 words, transformers an image token and rows up to a multiple
// of 64. Where the embedding or the head was laid over the checkpoint and has other rows than
// `config`, those that are missing become the mean row, which is what resize_token_embeddings of
// transformers draws close to and what no search prefers; rows beyond `config` make it larger.
// Throws Error(bad_model) where the difference is more than such tokens make.
void fit_vocabulary(WeightLayers& layers, ModelConfig& config);

// The Q-Former's words, to which LAVIS adds [DEC], where they were laid over the checkpoint: as
// many as there are. None are made up: a text with a word that has no row is refused when it comes.
void fit_words(const WeightLayers& layers, QFormerConfig& config);

}  // namespace instructblip
