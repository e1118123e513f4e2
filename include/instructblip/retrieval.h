/// Does this text describe this picture? BLIP-2's model for retrieval.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "instructblip/error.h"
#include "instructblip/export.h"
#include "instructblip/image.h"
#include "instructblip/pipeline.h"

namespace instructblip {

/// A picture, encoded once for any number of texts: a unit vector for each query, and what the
/// vision encoder made of it. A cheap handle that may outlive its matcher; meant for a matcher of
/// the same weights. Threads: may be used from any thread at once.
class INSTRUCTBLIP_API ImageEncoding {
 public:
  std::int64_t queries() const;
  std::int64_t width() const;
  /// Row-major [queries, width].
  std::span<const float> vectors() const;

  struct Impl;  ///< internal, and so is what takes or returns one
  explicit ImageEncoding(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// A text, encoded once for any number of pictures: a unit vector, and its token ids. A handle like
/// ImageEncoding.
class INSTRUCTBLIP_API TextEncoding {
 public:
  std::int64_t width() const;
  std::span<const float> vector() const;
  std::span<const std::int32_t> tokens() const;  ///< with [CLS] and [SEP]

  struct Impl;  ///< internal, and so is what takes or returns one
  explicit TextEncoding(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Output of the matching head for one picture and one text.
struct Match {
  double probability = 0;         ///< that the text describes the picture
  std::array<float, 2> logits{};  ///< that it does not, that it does
};

/// Compares pictures with texts in two ways. similarity() is the cosine of two encodings, each made
/// without knowledge of the other: M pictures and N texts take M + N encodings, so it is for
/// searching. match() looks at the picture with the text in mind, a pass of the Q-Former for each
/// pair: slower and better, so it is for ranking what a search has found.
///
/// Owns the weights; movable, not copyable.
///
/// Threads: every const function may be called from any thread at once. Calls share one pool of
///          threads and take turns. After fork() as Pipeline.
/// Errors:  only instructblip::Error leaves this class; a failed call changes nothing.
class INSTRUCTBLIP_API ImageTextMatcher {
 public:
  /// Reads config.json, weights, the image settings and the tokenizer from `checkpoint_dir`, a
  /// directory in Hugging Face's layout (Blip2ForImageTextRetrieval).
  /// Errors: not_found, bad_model, unsupported (a model that answers instructions: see Pipeline),
  /// out_of_memory; invalid_argument (LoadOptions).
  static ImageTextMatcher load(const std::filesystem::path& checkpoint_dir,
                               const LoadOptions& options = {});

  /// Whether config.json of `checkpoint_dir` describes such a model. Errors: not_found, bad_model.
  static bool reads(const std::filesystem::path& checkpoint_dir);

  /// @param image  any size; resized inside; borrowed for the call
  /// Errors: invalid_argument (an empty image), bad_image, bad_model (weights that yield NaN or
  /// infinities), out_of_memory.
  ImageEncoding encode(const Image& image) const;

  /// @param text  UTF-8; may be empty
  /// Errors: invalid_argument (too long, not UTF-8, a literal image token), bad_model,
  /// out_of_memory.
  TextEncoding encode(std::string_view text) const;

  /// From -1 to 1: the greatest cosine between the text and one of the picture's queries.
  /// Errors: invalid_argument for encodings of another width; for a picture or text as encode().
  float similarity(const ImageEncoding& image, const TextEncoding& text) const;
  float similarity(const Image& image, std::string_view text) const;

  /// The similarity of each picture with each text, row-major [images, texts].
  std::vector<float> similarities(std::span<const ImageEncoding> images,
                                  std::span<const TextEncoding> texts) const;

  /// Errors: as similarity(); the encodings must be of this model.
  Match match(const ImageEncoding& image, const TextEncoding& text) const;
  Match match(const Image& image, std::string_view text) const;

  /// What the stages compute, for comparisons: `pixel_values` [1, 3, H, W], `vision`
  /// [1, positions, width], `image_embeds` [1, queries, shared width], `text_embeds`
  /// [1, shared width], `similarity` [1, 1], `qformer` [1, queries, width] of picture and text
  /// together, and `match` [1, 2], its logits.
  std::vector<NamedTensor> features(const Image& image, std::string_view text) const;

  /// Fields about a language model are empty or 0.
  const ModelInfo& info() const noexcept;

  ImageTextMatcher(ImageTextMatcher&&) noexcept;
  ImageTextMatcher& operator=(ImageTextMatcher&&) noexcept;
  ~ImageTextMatcher();

  struct Impl;  ///< internal

 private:
  explicit ImageTextMatcher(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace instructblip
