/// An instruction-aware vision-language model, from pixels to text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/checkpoint.h"
#include "instructblip/error.h"
#include "instructblip/export.h"
#include "instructblip/generation.h"
#include "instructblip/image.h"
#include "instructblip/ranking.h"

namespace instructblip {

/// Token ids as they are fed, without image tokens.
struct TokenizedText {
  std::vector<std::int32_t> language;  ///< ids of the language model's tokenizer
  std::vector<std::int32_t> qformer;   ///< the Q-Former's; empty where it reads no instruction
  /// Places for pictures: one for each <image> of a LLaVA prompt, its template's own included. 0
  /// for models that put their pictures before the text.
  int image_marks = 0;
};

/// A float32 tensor on the host.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;  ///< row-major
};

/// Writes tensors as one safetensors file, whole or not at all.
/// Errors: io.
INSTRUCTBLIP_API void save_tensors(const std::filesystem::path& file,
                                   std::span<const NamedTensor> tensors);

/// One picture or several behind the vision encoder. They depend on no instruction, so any number
/// of questions can be asked about them. A cheap handle that may outlive its pipeline; meant for a
/// pipeline of the same weights. Threads: may be used from any thread at once.
class INSTRUCTBLIP_API ImageFeatures {
 public:
  /// Number of pictures, rows of each behind the vision encoder, and width of a row.
  std::int64_t images() const;
  std::int64_t positions() const;
  std::int64_t width() const;

  /// Writes them as `vision` [images, positions, width], float32, in a safetensors file, whole or
  /// not at all. Where the model cuts pictures into tiles, the first axis counts views, and
  /// `pictures` [images, 3] has height, width and views of each. Errors: io.
  void save(const std::filesystem::path& file) const;

  /// Reads what save(), or Pipeline::features() by save_tensors(), has written: the tensor
  /// `vision`. Errors: not_found; bad_model (damaged; without that tensor, or one of another type
  /// or shape, or with numbers that are not finite).
  static ImageFeatures load(const std::filesystem::path& file);

  struct Impl;  ///< not for callers, nor what takes or gives one
  explicit ImageFeatures(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Impl& impl() const noexcept { return *impl_; }

 private:
  std::shared_ptr<const Impl> impl_;
};

/// One element of a batch.
struct Request {
  Image image = {};
  std::string instruction = {};
  GenerationConfig options = {};
  /// Frames of a video, or several pictures that the instruction marks; `image` is ignored then.
  std::vector<Image> images = {};
  /// Pictures that were encoded before; `image` and `images` are ignored then.
  std::optional<ImageFeatures> features = {};
};

/// Outcome of a request: either a generation or an error.
struct Response {
  std::optional<Generation> generation;
  std::optional<Error> error;
};

/// How full one of the caches is and how often it was of use.
struct CacheUsage {
  std::int64_t hits = 0, misses = 0;  ///< look-ups since the pipeline was loaded
  std::int64_t entries = 0;
  std::int64_t bytes = 0, capacity = 0;  ///< bytes held, and the most that may be
};

/// Two caches, each of which evicts the least recently used entry: visual features by pixels, and
/// the Q-Former's output by pixels and instruction, since it reads both.
struct CacheReport {
  CacheUsage vision, qformer;
};

/// Answers instructions about pictures. Owns the weights; movable, not copyable.
///
/// Threads: every const function may be called from any thread at once. Calls share one pool of
///          threads and take turns step by step; pictures are kept for all of them.
/// Errors:  only instructblip::Error leaves this class (and what a caller's callback throws); a
///          failed call changes nothing.
class INSTRUCTBLIP_API Pipeline {
 public:
  /// Reads config.json, weights, the image settings and both tokenizers from `checkpoint_dir`, a
  /// directory in Hugging Face's layout; LoadOptions can name more places for weights.
  /// Errors: not_found, bad_model, unsupported, out_of_memory; invalid_argument (LoadOptions).
  static Pipeline load(const std::filesystem::path& checkpoint_dir,
                       const LoadOptions& options = {});

  /// @param image        any size; resized inside; borrowed for the call
  /// @param instruction  UTF-8; the Q-Former and the language model both read it. May be empty.
  /// Errors: invalid_argument (options; text too long, not UTF-8 or with a literal image token; an
  /// empty image), bad_image (a size that a checkpoint without resizing cannot take), bad_model
  /// (weights that yield NaN or infinities), out_of_memory, deadline.
  Generation generate(const Image& image, std::string_view instruction,
                      const GenerationConfig& config = {}, const Control& control = {}) const;

  /// The same about several pictures: the frames of a video in the order of time, any number of
  /// them, for InstructBLIP-Video. Any other model takes one picture.
  /// Errors: as above; invalid_argument for another number of pictures.
  Generation generate(std::span<const Image> images, std::string_view instruction,
                      const GenerationConfig& config = {}, const Control& control = {}) const;

  /// The same about what was encoded before: the vision encoder is not run.
  /// Errors: as above; invalid_argument for features of another width.
  Generation generate(const ImageFeatures& features, std::string_view instruction,
                      const GenerationConfig& config = {}, const Control& control = {}) const;

  /// Every request gets the answer that it would get alone; one that fails does not touch the
  /// others. They are answered together, up to 32 hypotheses at a time, so that weights are read
  /// once for all: nothing is padded. `control` is for all of them: its callback hears the steps of
  /// each, TokenEvent::request tells which.
  std::vector<Response> generate(std::span<const Request> requests,
                                 const Control& control = {}) const;

  /// How likely each candidate is as the answer: most likely first, of equal ones the earlier. They
  /// are scored 64 at a time, for which the prompt and the beginnings that they share are read
  /// once. A candidate is tokenized by itself; 1 to 65,536 of them. `control`: its callback is not
  /// called, and a stop is an error. Errors: as generate(); invalid_argument (a candidate without a
  /// token, or not UTF-8); cancelled.
  std::vector<RankedCandidate> rank(const Image& image, std::string_view instruction,
                                    std::span<const std::string> candidates,
                                    const RankOptions& options = {},
                                    const Control& control = {}) const;
  std::vector<RankedCandidate> rank(std::span<const Image> images, std::string_view instruction,
                                    std::span<const std::string> candidates,
                                    const RankOptions& options = {},
                                    const Control& control = {}) const;
  std::vector<RankedCandidate> rank(const ImageFeatures& features, std::string_view instruction,
                                    std::span<const std::string> candidates,
                                    const RankOptions& options = {},
                                    const Control& control = {}) const;

  /// Runs the vision encoder alone. Errors: as generate() for the image.
  ImageFeatures encode(const Image& image) const;
  ImageFeatures encode(std::span<const Image> images) const;

  /// What the stages compute, for comparisons: `pixel_values` [n, 3, H, W] of n pictures, `vision`
  /// [n, positions, width] and, with an instruction, `qformer` [n, queries, width] (of a model that
  /// has one), `projection` [1, rows of all pictures, language width] and `logits` [1, vocabulary],
  /// the unprocessed logits of the first new token.
  /// Errors: as generate().
  std::vector<NamedTensor> features(const Image& image,
                                    std::optional<std::string_view> instruction = {}) const;
  std::vector<NamedTensor> features(std::span<const Image> images,
                                    std::optional<std::string_view> instruction = {}) const;
  /// The same about pictures that were encoded before; no `pixel_values` then.
  std::vector<NamedTensor> features(const ImageFeatures& features,
                                    std::optional<std::string_view> instruction = {}) const;

  /// The ids that `text` becomes. Errors: invalid_argument, as generate() for an instruction.
  TokenizedText tokenize(std::string_view text) const;

  const ModelInfo& info() const noexcept;

  /// Hits, misses, entries and bytes of both caches.
  CacheReport cache() const;

  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;
  ~Pipeline();

  struct Impl;  ///< not for callers

 private:
  friend class Engine;
  explicit Pipeline(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace instructblip
