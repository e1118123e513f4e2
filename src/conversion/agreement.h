// How far a quantised model answers as the whole one does.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "instructblip/quantization.h"
#include "pipeline/model.h"

namespace instructblip {

class Agreement {
 public:
  using Tell = std::function<void(const char* what)>;

  explicit Agreement(const QuantizeOptions& how) : how_(how) {}

  // Loads the whole model, asks it and gives its memory back. Throws Error as load_pipeline() and
  // generate().
  void ask_whole(const std::filesystem::path& checkpoint, const LoadOptions& options,
                 const Tell& tell);
  // The same requests to the quantised one.
  std::vector<Probe> compared_with(const Pipeline::Impl& quantized, const Tell& tell) &&;

 private:
  // A request, and what a model makes of it.
  struct Answered {
    Request request;
    std::vector<float> logits;  // for the first new token
    std::vector<std::int32_t> tokens;
    std::string text;
  };
  static void ask(const Pipeline::Impl& model, Answered& it);

  const QuantizeOptions& how_;
  std::vector<Answered> whole_;
};

// Kullback-Leibler divergence of softmax(q) from softmax(p), in nats: the sum of p log(p / q).
double divergence(const std::vector<float>& p, const std::vector<float>& q);

}  // namespace instructblip
