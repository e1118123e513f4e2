// What stands behind the public classes. The library that a program links holds their functions and
// all that needs no LibTorch; the stages, which need it, implement what is declared here in a
// module that is opened when the first model is loaded. Programs therefore start without LibTorch,
// and one that brings a LibTorch of its own does not meet ours.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/own_process.h"
#include "instructblip/benchmark.h"
#include "instructblip/checkpoint.h"
#include "instructblip/engine.h"
#include "instructblip/explain.h"
#include "instructblip/pipeline.h"
#include "instructblip/quantization.h"
#include "instructblip/retrieval.h"
#include "instructblip/version.h"

namespace instructblip {

// Library and module are built together: any other pair is refused.
inline constexpr int kBackendVersion = INSTRUCTBLIP_VERSION_MAJOR * 1'000'000 +
                                       INSTRUCTBLIP_VERSION_MINOR * 1'000 +
                                       INSTRUCTBLIP_VERSION_PATCH;

// Functions without a comment mean what the public function of their name does.

struct ImageFeatures::Impl {
  virtual ~Impl() = default;
  virtual std::int64_t images() const = 0;
  virtual std::int64_t positions() const = 0;
  virtual std::int64_t width() const = 0;
  virtual void save(const std::filesystem::path& file) const = 0;
};

struct Engine::Impl {
  const OwnProcess process{};  // whose thread answers

  // What is called once with the outcome; `thrown`: what a TokenCallback threw.
  template <typename Value>
  using Done = std::function<void(Outcome<Value> outcome, std::exception_ptr thrown)>;

  virtual ~Impl() = default;
  virtual void submit(const Request& request, const Control& control, Done<Generation> done) = 0;
  virtual void rank(const Request& request, std::span<const std::string> candidates,
                    const RankOptions& options, const Control& control, Done<Ranked> done) = 0;
  virtual void encode(const Pictures& pictures, Done<ImageFeatures> done) = 0;
  virtual EngineStats stats() const = 0;
};

struct Pipeline::Impl {
  using Text = std::string_view;
  using Texts = std::span<const std::string>;

  virtual ~Impl() = default;
  virtual Generation generate(const Request& request, const Control& control) const = 0;
  virtual std::vector<Response> generate(std::span<const Request> requests,
                                         const Control& control) const = 0;
  virtual std::vector<RankedCandidate> rank(const Request& request, Texts candidates,
                                            const RankOptions& options,
                                            const Control& control) const = 0;
  virtual Scores score(const Request& request, Texts answers, const ScoreOptions& options,
                       const Control& control) const = 0;
  virtual ScoreMatrix score_matrix(std::span<const Pictures> pictures, Texts texts,
                                   const MatrixOptions& options, const Control& control) const = 0;
  virtual Explanation explain(const Request& request, const ExplainOptions& options,
                              const Control& control) const = 0;
  virtual ImageFeatures encode(const Pictures& pictures) const = 0;
  virtual std::vector<NamedTensor> features(const Pictures& pictures,
                                            std::optional<Text> instruction) const = 0;
  virtual TokenizedText tokenize(Text text) const = 0;
  virtual const ModelInfo& info() const noexcept = 0;
  virtual CacheReport cache() const = 0;
  virtual Usage usage() const = 0;
  // An engine that shares the model.
  virtual std::unique_ptr<Engine::Impl> start_engine(const EngineOptions& options) const = 0;
};

// The values of an encoding; the stages keep the tensors that they belong to.
struct ImageEncoding::Impl {
  virtual ~Impl() = default;
  std::int64_t queries = 0, width = 0;
  std::span<const float> vectors;
};

struct TextEncoding::Impl {
  virtual ~Impl() = default;
  std::span<const float> vector;
  std::vector<std::int32_t> tokens;
};

struct ImageTextMatcher::Impl {
  virtual ~Impl() = default;
  virtual ImageEncoding encode(const Image& image) const = 0;
  virtual TextEncoding encode(std::string_view text) const = 0;
  virtual std::vector<float> similarities(std::span<const ImageEncoding> images,
                                          std::span<const TextEncoding> texts) const = 0;
  virtual Match match(const ImageEncoding& image, const TextEncoding& text) const = 0;
  virtual Match match(const Image& image, std::string_view text) const = 0;
  virtual std::vector<NamedTensor> features(const Image& image, std::string_view text) const = 0;
  virtual const ModelInfo& info() const noexcept = 0;
};

// The public functions for which there is no object yet.
struct Backend {
  std::shared_ptr<const Pipeline::Impl> (*load_pipeline)(const std::filesystem::path& directory,
                                                         const LoadOptions& options);
  std::shared_ptr<const ImageTextMatcher::Impl> (*load_matcher)(
      const std::filesystem::path& directory, const LoadOptions& options);
  ImageFeatures (*load_features)(const std::filesystem::path& file);
  ConvertReport (*convert)(const std::filesystem::path& directory,
                           const std::filesystem::path& output, const LoadOptions& options,
                           const ConvertOptions& how);
  QuantizeReport (*quantize)(const std::filesystem::path& directory,
                             const std::filesystem::path& output, const LoadOptions& options,
                             const QuantizeOptions& how);
  BenchmarkReport (*benchmark)(const BenchmarkOptions& options);
};

// Opens the module at the first call. Throws Error as open_module(), and for a module of another
// version of the library.
const Backend& backend();

}  // namespace instructblip

// The module's one function; null where it is of another version than `version`, which is
// kBackendVersion of who asks.
extern "C" INSTRUCTBLIP_API const instructblip::Backend* instructblip_backend(int version);
