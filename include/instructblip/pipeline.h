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
#include "instructblip/pictures.h"
#include "instructblip/ranking.h"
#include "instructblip/score.h"

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

/// A question about pictures: one element of a batch.
struct Request {
  Pictures pictures = {};
  std::string instruction = {};  ///< UTF-8
  GenerationConfig options = {};
  /// What the Q-Former reads in the place of the instruction, UTF-8: the question alone, say, where
  /// the language model is given a conversation. Refused for a model whose Q-Former reads nothing.
  std::optional<std::string> qformer_text = {};
};

/// Outcome of a request: either a generation or an error.
struct Response {
  std::optional<Generation> generation;
  std::optional<Error> error;
};

/// Size and hit counts of one cache.
struct CacheUsage {
  std::int64_t hits = 0, misses = 0;  ///< look-ups since the pipeline was loaded
  std::int64_t entries = 0;
  std::int64_t bytes = 0, capacity = 0;  ///< bytes held, and the most that are kept
};

/// Two caches, each of which evicts the least recently used entry: visual features by the resized
/// picture, and the Q-Former's output by picture and instruction, since it reads both.
struct CacheReport {
  CacheUsage vision, qformer;
};

/// Work of the stages since the pipeline was loaded, summed over all callers. A cache hit is no
/// work, and what callers share within a pass is counted once.
struct Usage {
  std::int64_t vision_views = 0;      ///< pictures, or tiles of them, through the vision encoder
  std::int64_t qformer_pictures = 0;  ///< pictures through the Q-Former, once per instruction
  std::int64_t prompts = 0;           ///< prompts that the language model has read
  std::int64_t prompt_rows = 0;       ///< positions of all prompts together
  std::int64_t step_rows = 0;         ///< rows of all decoding steps: a token of a hypothesis each
};

/// Answers instructions about pictures. Owns the weights; movable, not copyable. One that was moved
/// from may be destroyed or assigned to, and nothing else.
///
/// Threads: every const function may be called from any thread at once. Calls share one pool of
///          threads and take turns step by step; encoded pictures are cached for all of them.
///          A child that fork() makes has none of these threads: what computes fails there with
///          Error(unsupported). It may load models of its own, on the processor; the parent's
///          stay in its memory.
/// Errors:  only instructblip::Error leaves this class (and what a caller's callback throws); a
///          failed call changes nothing.
class INSTRUCTBLIP_API Pipeline {
 public:
  /// Reads config.json, weights, the image settings and both tokenizers from `checkpoint_dir`, a
  /// directory in Hugging Face's layout; LoadOptions can name more places for weights.
  /// Errors: not_found, bad_model, unsupported, out_of_memory; invalid_argument (LoadOptions).
  static Pipeline load(const std::filesystem::path& checkpoint_dir,
                       const LoadOptions& options = {});

  /// @param pictures     one of any size, resized inside; for InstructBLIP-Video any number, which
  ///                     are frames in the order of time; for InstructBLIP a Video too; for LLaVA
  ///                     as many as the instruction has <image>; or features, for which the vision
  ///                     encoder is not run
  /// @param instruction  UTF-8; the Q-Former and the language model both read it. May be empty.
  /// Errors: invalid_argument (options; text too long, not UTF-8 or with a literal image token; an
  /// empty image, or another number of pictures; features of another encoder), bad_image (a size
  /// that a checkpoint without resizing cannot take), bad_model (weights that yield NaN or
  /// infinities), out_of_memory, deadline.
  Generation generate(const Pictures& pictures, std::string_view instruction,
                      const GenerationConfig& config = {}, const Control& control = {}) const;

  /// The same for a Request. Errors: as above; invalid_argument for Request::qformer_text where no
  /// Q-Former reads it.
  Generation generate(const Request& request, const Control& control = {}) const;

  /// Every request gets the answer that it would get alone; one that fails does not touch the
  /// others. They are answered together, up to 32 hypotheses at a time, so that weights are read
  /// once for all: nothing is padded. `control` applies to the whole batch: its callback is called
  /// for every request, and TokenEvent::request says which one.
  std::vector<Response> generate(std::span<const Request> requests,
                                 const Control& control = {}) const;

  /// Ranks candidates by how likely each is as the answer; ties keep their order. Pictures, prompt
  /// and every beginning that candidates share are read once. Each candidate is tokenized by
  /// itself; 1 to 65,536 of them, spellings included. A stop is an error; the callback of `control`
  /// is not called and Request::options is ignored. Errors: as generate(); invalid_argument (a
  /// candidate without a token, or not UTF-8; options); cancelled.
  std::vector<RankedCandidate> rank(const Request& request, std::span<const std::string> candidates,
                                    const RankOptions& options = {},
                                    const Control& control = {}) const;
  std::vector<RankedCandidate> rank(const Pictures& pictures, std::string_view instruction,
                                    std::span<const std::string> candidates,
                                    const RankOptions& options = {},
                                    const Control& control = {}) const;

  /// Scores given answers token by token, each as if the model had generated it (teacher forcing).
  /// 1 to 65,536 answers; shared beginnings are read once, as for rank(). Errors: as rank().
  Scores score(const Request& request, std::span<const std::string> answers,
               const ScoreOptions& options = {}, const Control& control = {}) const;

  /// Scores one answer for each picture with each text, such as VQAScore's "Yes" to whether
  /// the picture shows the text. Each picture goes through the vision encoder once; where a model
  /// reads its pictures before it knows the text (BLIP-2 with OPT, LLaVA), also through the
  /// language model, together with the words that all texts share. Errors: as rank();
  /// invalid_argument (no picture or text, an instruction without {}).
  ScoreMatrix score_matrix(std::span<const Pictures> pictures, std::span<const std::string> texts,
                           const MatrixOptions& options = {}, const Control& control = {}) const;

  /// Runs the vision encoder alone. Features are handed back as they are.
  /// Errors: as generate() for the pictures.
  ImageFeatures encode(const Pictures& pictures) const;

  /// What the stages compute, for comparisons: `pixel_values` [n, 3, H, W] of n pictures (not of
  /// features), `vision` [n, positions, width] and, with an instruction, `qformer`
  /// [n, queries, width] (of a model that has one), `projection` [1, rows of all pictures, language
  /// width] and `logits` [1, vocabulary], the unprocessed logits of the first new token.
  /// Errors: as generate().
  std::vector<NamedTensor> features(const Pictures& pictures,
                                    std::optional<std::string_view> instruction = {}) const;

  /// The ids that `text` becomes. Errors: invalid_argument, as generate() for an instruction.
  TokenizedText tokenize(std::string_view text) const;

  const ModelInfo& info() const noexcept;

  /// Hits, misses, entries and bytes of both caches.
  CacheReport cache() const;

  /// Counts of what has been computed.
  Usage usage() const;

  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;
  ~Pipeline();

  struct Impl;  ///< internal, and so is impl()
  const Impl& impl() const noexcept { return *impl_; }

 private:
  friend class Engine;
  explicit Pipeline(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace instructblip
