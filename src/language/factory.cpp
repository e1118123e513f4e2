#include "language/language_model.h"
#include "language/llama/llama.h"
#include "language/opt/opt.h"
#include "language/t5/t5.h"

namespace instructblip {
namespace {

// A row for each language model: the config it is described by, the class that runs it.
struct Factory {
  const nn::Weights& weights;

  std::unique_ptr<const LanguageModel> operator()(const T5Config& config) const {
    return std::make_unique<T5>(weights, config);
  }
  std::unique_ptr<const LanguageModel> operator()(const LlamaConfig& config) const {
    return std::make_unique<Llama>(weights, config);
  }
  std::unique_ptr<const LanguageModel> operator()(const OptConfig& config) const {
    return std::make_unique<Opt>(weights, config);
  }
};

}  // namespace

std::unique_ptr<const LanguageModel> make_language_model(const nn::Weights& weights,
                                                         const LanguageConfig& config) {
  return std::visit(Factory{weights}, config);
}

}  // namespace instructblip
