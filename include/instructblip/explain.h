/// Where the Q-Former looked, and what an answer rests on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "instructblip/export.h"
#include "instructblip/pipeline.h"

namespace instructblip {

/// What is explained.
struct ExplainOptions {
  /// The answer; none: the one that Pipeline::generate() gives to the request.
  std::optional<std::string> answer = {};
  /// Fill Explanation::relevance, which takes a prompt for each query of each picture.
  bool relevance = true;
  /// Fill Explanation::gradcam: gradients through the Q-Former and the language model.
  bool gradcam = false;
};

/// The part of a picture that the vision encoder was shown, in pixels of the picture: all of it
/// where it was squashed, a square of its middle where it was cropped. Empty where it is not known,
/// since features were given.
struct SeenRegion {
  double left = 0, top = 0, width = 0, height = 0;
};

/// Attention of the Q-Former about one picture, as the reference's `output_attentions` has it. Rows
/// add up to 1. Sizes are those of Explanation; all arrays are row-major.
struct PictureAttention {
  SeenRegion region;
  std::vector<float> cross;    ///< [cross_layers, heads, queries, positions]
  std::vector<float> self;     ///< [layers, heads, rows, rows]; rows: queries, then text tokens
  std::vector<float> rollout;  ///< [queries, positions]: see Explanation
};

/// Where the queries of a Q-Former looked, and how much each token of the answer owes to them.
///
/// Rollout (after Abnar and Zuidema, "Quantifying Attention Flow in Transformers", 2020) follows
/// attention through all layers: what a row holds is half of what it held before and half of what
/// it attended to, averaged over heads. A row of `rollout` is the share of each position in what
/// the query holds at the end; what comes from the queries and the text themselves makes up the
/// rest of 1.
///
/// Relevance needs no gradients: a query is left out of the prompt, and the answer is scored again.
/// Grad-CAM does, of a model of at most 500 million parameters on the processor.
///
/// Positions are rows behind the vision encoder, in which each patch has seen the whole picture:
/// the maps say which rows were read, which is most often, and need not be, what lies there.
struct INSTRUCTBLIP_API Explanation {
  int layers = 0, heads = 0, queries = 0, text_tokens = 0, positions = 0;
  std::vector<int> cross_layers;  ///< layers that look at the picture, from 0
  /// Positions are `positions - grid_rows * grid_columns` for the whole (a class token), then the
  /// patches, row by row.
  int grid_rows = 0, grid_columns = 0;
  std::vector<PictureAttention> pictures;  ///< or frames, in their order

  std::string instruction;  ///< as it was asked
  std::string answer;       ///< as text
  ScoredAnswer scored;      ///< token by token
  /// [tokens of the answer, pictures * queries]: how much less likely the token becomes, in natural
  /// logarithms, where the language model is not shown the query. Empty where not asked for.
  std::vector<float> relevance;

  /// [tokens of the answer, pictures, cross_layers, queries, positions]: Grad-CAM on the
  /// cross-attention, after ALBEF and BLIP (Li et al., 2021 and 2022): the mean over heads of
  /// attention times the gradient of the token's log probability with respect to it, where that is
  /// positive. The same as Chefer et al., "Generic Attention-model Explainability", 2021, have for
  /// a layer. Empty where not asked for.
  std::vector<float> gradcam;

  /// Attention to the patches, [grid_rows, grid_columns]: of a cross layer (its place in
  /// cross_layers), a head and a query, or the mean over all of a kind where it is -1.
  /// Errors: invalid_argument (a number out of range), as below.
  std::vector<float> patches(int picture, int layer = -1, int head = -1, int query = -1) const;
  /// The share of the patches in what the queries hold at the end, their mean.
  std::vector<float> rollout_patches(int picture) const;
  /// What a token rests on: rollouts of the queries, weighted by how much the token needs them;
  /// queries that speak against it do not count. Adds up to 1, or is 0 everywhere.
  std::vector<float> token_patches(int token, int picture) const;
  /// What a token rests on by `gradcam`: the sum over the queries, of a cross layer (its place in
  /// cross_layers) or of all where it is -1. Adds up to 1, or is 0 everywhere.
  std::vector<float> gradcam_patches(int token, int picture, int layer = -1) const;
};

/// Explains an answer. Thread-safe as the pipeline's own functions. No stage computes anything else
/// than for Pipeline::generate(): attention weights are computed beside it.
/// Errors: as Pipeline::generate(); unsupported (a model without a Q-Former; with
/// ExplainOptions::gradcam a model that is too large, on a device, or of packed weights, which
/// numerics fast and 8 and 4 bits have); invalid_argument (an answer without a token); cancelled.
INSTRUCTBLIP_API Explanation explain(const Pipeline& pipeline, const Request& request,
                                     const ExplainOptions& options = {},
                                     const Control& control = {});

/// A picture under a heat map, of the picture's size.
/// @param weights  [rows, columns], at least 0; the largest is the warmest
/// @param region   where the map lies; empty: over the whole picture
/// Errors: invalid_argument (an empty picture; another number of weights; negative or not finite).
INSTRUCTBLIP_API Image heat_map(const Image& picture, std::span<const float> weights, int rows,
                                int columns, const SeenRegion& region = {});

/// Writes an 8-bit RGB PNG, whole or not at all. Errors: io; invalid_argument (an empty picture);
/// unsupported (a build without codecs).
INSTRUCTBLIP_API void save_png(const Image& image, const std::filesystem::path& file);

/// Everything but PictureAttention::self as a JSON object; names are those of the structs. Numbers
/// have six digits.
INSTRUCTBLIP_API std::string to_json(const Explanation& explanation);

/// A page that needs nothing but itself: pictures, the tokens of the answer with their maps, and
/// every layer, head and query to choose from. `pictures`: those that were explained, in their
/// order. Errors: invalid_argument (another number of pictures; an empty one); unsupported (a build
/// without codecs).
INSTRUCTBLIP_API std::string to_html(const Explanation& explanation,
                                     std::span<const Image> pictures);

}  // namespace instructblip
